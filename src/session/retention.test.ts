import fc from "fast-check";
import { expect, test } from "vitest";
import { Retention } from "./retention.ts";

const head = (number: number): Uint8Array => Uint8Array.of(number);
const FRAME = new Uint8Array(9);

function unsent(retention: Retention): number[] {
  const chunks: Uint8Array[] = [];
  retention.takeUnsent(chunks);
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
        retention.takeUnsent(chunks);
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
