import fc from "fast-check";
import { expect, test } from "vitest";
import { Retention } from "./retention.ts";

const head = (number: number): Uint8Array => Uint8Array.of(number);
const FRAME = new Uint8Array(9);

function unsent(retention: Retention): number[] {
  const chunks: Uint8Array[] = [];
  retention.takeUnsent(chunks, Number.POSITIVE_INFINITY);
  return chunks.filter((chunk) => chunk !== FRAME).map((chunk) => chunk[0] as number);
}

test("what is not acknowledged is written again over the next connection", () => {
  const retention = new Retention();
  for (let n = 1; n <= 5; n++) retention.append(n, head(n), FRAME);
  expect(unsent(retention)).toEqual([1, 2, 3, 4, 5]);
  retention.acknowledge(2);
  retention.append(6, head(6), FRAME);
  expect(retention.bytes).toBe(40);
  expect(retention.resume(3)).toBeUndefined();
  expect(retention.unsentCount).toBe(3);
  expect(unsent(retention)).toEqual([4, 5, 6]);
});

test("what does not fit any more is told as a range when the client is back", () => {
  const retention = new Retention();
  for (let n = 1; n <= 5; n++) retention.append(n, head(n), FRAME);
  retention.trim(20, false);
  expect(retention.bytes).toBe(50);
  retention.trim(20, true);
  expect(retention.resume(1)).toEqual({ first: 2, last: 3 });
  expect(unsent(retention)).toEqual([4, 5]);
});

test("a gap notice is repeated until the client has had it", () => {
  const retention = new Retention();
  retention.append(7, head(7), FRAME);
  retention.append(8, head(77), undefined);
  retention.append(9, head(9), FRAME);
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
  for (let n = 1; n <= 6; n++) retention.append(n, head(n), FRAME);
  const take = (): number => {
    const chunks: Uint8Array[] = [];
    retention.takeUnsent(chunks, 20);
    return chunks.length / 2;
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
  retention.append(1, head(1), new Uint8Array(100));
  retention.append(2, head(2), undefined);
  retention.append(3, head(3), FRAME);
  const chunks: Uint8Array[] = [];
  retention.takeUnsent(chunks, 20);
  expect([chunks.length, retention.unsentCount]).toEqual([3, 1]);
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
          if (chunk.length !== 4) continue;
          const number = new DataView(chunk.buffer).getUint32(0);
          expect(number).toBe(seen + 1);
          seen = number;
        }
      };
      for (const one of steps) {
        if (one.kind === "append") {
          for (let i = 0; i < one.count; i++) {
            const number = new Uint8Array(4);
            new DataView(number.buffer).setUint32(0, ++last);
            retention.append(last, number, FRAME);
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
