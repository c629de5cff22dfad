import fc from "fast-check";
import { expect, test } from "vitest";
import { Retention } from "./retention.ts";

const FRAME = new Uint8Array(9);

/** Adds a delivery whose head is its mark, one byte; or a notice that is nothing else. */
function add(retention: Retention, number: number, mark: number, frame: Uint8Array | undefined): void {
  const at = retention.append(number, 1, frame);
  retention.memory[at] = mark;
}

function unsent(retention: Retention): number[] {
  const chunks: Uint8Array[] = [];
  retention.takeUnsent(chunks, Number.POSITIVE_INFINITY);
  return chunks.flatMap((chunk) => [...chunk]).filter((byte) => byte !== 0);
}

test("what is not acknowledged is written again over the next connection", () => {
  const retention = new Retention();
  for (let n = 1; n <= 5; n++) add(retention, n, n, FRAME);
  expect(unsent(retention)).toEqual([1, 2, 3, 4, 5]);
  retention.acknowledge(2);
  add(retention, 6, 6, FRAME);
  expect(retention.bytes).toBe(40);
  expect(retention.resume(3)).toBeUndefined();
  expect(retention.unsentCount).toBe(3);
  expect(unsent(retention)).toEqual([4, 5, 6]);
});

test("what does not fit any more is told as a range when the client is back", () => {
  const retention = new Retention();
  for (let n = 1; n <= 5; n++) add(retention, n, n, FRAME);
  retention.trim(20, false);
  expect(retention.bytes).toBe(50);
  retention.trim(20, true);
  expect(retention.resume(1)).toEqual({ first: 2, last: 3 });
  expect(unsent(retention)).toEqual([4, 5]);
});

test("a gap notice is repeated until the client has had it", () => {
  const retention = new Retention();
  add(retention, 7, 7, FRAME);
  add(retention, 8, 77, undefined);
  add(retention, 9, 9, FRAME);
  unsent(retention);
  retention.resume(7);
  expect(unsent(retention)).toEqual([77, 9]);
  retention.resume(8);
  expect(unsent(retention)).toEqual([9]);
  retention.acknowledge(9);
  expect([retention.bytes, retention.unsentBytes, retention.unsentCount]).toEqual([0, 0, 0]);
});

test("no more is written than the window, and what was let go counts until it is acknowledged", () => {
  const retention = new Retention();
  for (let n = 1; n <= 6; n++) add(retention, n, n, FRAME);
  const take = (): number => {
    const chunks: Uint8Array[] = [];
    retention.takeUnsent(chunks, 20);
    return chunks.reduce((sum, chunk) => sum + chunk.length, 0) / 10;
  };
  expect([take(), take(), retention.inFlightBytes, retention.unsentBytes]).toEqual([2, 0, 20, 40]);
  retention.acknowledge(6);
  expect([take(), retention.inFlightBytes, retention.unsentCount]).toEqual([2, 20, 2]);
  retention.trim(0, false);
  expect([retention.bytes, retention.inFlightBytes, take()]).toEqual([20, 20, 0]);
  retention.acknowledge(3);
  expect([take(), retention.bytes, retention.inFlightBytes]).toEqual([1, 20, 20]);
  expect(retention.resume(3)).toEqual({ first: 4, last: 4 });
  expect([retention.bytes, retention.inFlightBytes, take(), take()]).toEqual([20, 0, 2, 0]);
});

test("a message longer than the window is written, and a gap notice is never held back", () => {
  const retention = new Retention();
  add(retention, 1, 1, new Uint8Array(100));
  add(retention, 2, 2, undefined);
  add(retention, 3, 3, FRAME);
  const chunks: Uint8Array[] = [];
  retention.takeUnsent(chunks, 20);
  expect([chunks.flatMap((chunk) => [...chunk]).length, retention.unsentCount]).toEqual([102, 1]);
});

test("whatever happens, the client gets every number once and in order, or is told the range", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("append" as const), count: fc.nat(1_500) }),
    fc.record({ kind: fc.constant("write" as const) }),
    fc.record({ kind: fc.constant("ack" as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
    fc.record({ kind: fc.constant("trim" as const), bytes: fc.nat(2_000), all: fc.boolean() }),
    fc.record({ kind: fc.constant("resume" as const) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const retention = new Retention();
      let last = 0;
      let seen = 0;
      const read = (): void => {
        const chunks: Uint8Array[] = [];
        retention.takeUnsent(chunks, Number.POSITIVE_INFINITY);
        for (const chunk of chunks) {
          const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
          for (let at = 0; at < chunk.length; at += 4 + FRAME.length) {
            expect(view.getUint32(at)).toBe(seen + 1);
            seen += 1;
          }
        }
      };
      for (const one of steps) {
        if (one.kind === "append") {
          for (let i = 0; i < one.count; i++) {
            const at = retention.append(++last, 4, FRAME);
            const { buffer, byteOffset } = retention.memory;
            new DataView(buffer, byteOffset).setUint32(at, last);
          }
        } else if (one.kind === "write") read();
        else if (one.kind === "ack") retention.acknowledge(Math.floor(seen * one.share));
        else if (one.kind === "trim") {
          // Only a detached session loses what waits; it comes back before anything is written again.
          retention.trim(one.bytes, one.all);
          if (one.all) seen = Math.max(seen, retention.resume(seen)?.last ?? 0);
        } else seen = Math.max(seen, retention.resume(seen)?.last ?? 0);
      }
      retention.resume(seen);
      read();
      expect(seen).toBe(last);
      expect(retention.unsentBytes).toBe(0);
    }),
  );
});
