import fc from "fast-check";
import { expect, test } from "vitest";
import { ComeBy } from "./come-by.ts";

const AGE_MS = 40;

test("what had come by then is never more than had, and not much less", () => {
  fc.assert(
    fc.property(fc.array(fc.record({ afterMs: fc.nat(30), packets: fc.integer({ min: 1, max: 9 }) })), (arrivals) => {
      const comeBy = new ComeBy(AGE_MS);
      const come: { at: number; seq: number }[] = [];
      let now = 0;
      let seq = 0;
      const by = (time: number): number => come.findLast(({ at }) => at <= time)?.seq ?? 0;
      for (const { afterMs, packets } of arrivals) {
        now += afterMs;
        seq += packets;
        come.push({ at: now, seq });
        comeBy.note(seq, now);
        expect(comeBy.at(now)).toBeLessThanOrEqual(by(now - AGE_MS));
        expect(comeBy.at(now)).toBeGreaterThanOrEqual(by(now - 1.5 * AGE_MS - 30));
      }
    }),
  );
});

test("everything has come long ago when nothing more comes", () => {
  const comeBy = new ComeBy(AGE_MS);
  for (let now = 0; now < 1_000; now++) comeBy.note(now, now);
  expect(comeBy.at(5_000)).toBeGreaterThan(985);
});
