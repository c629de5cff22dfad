import fc from "fast-check";
import { expect, test } from "vitest";
import { Recent } from "./recent.ts";

test("what was named is known for at least the time, and for less than three times as long", () => {
  const steps = fc.array(fc.record({ after: fc.nat(30), n: fc.nat(5) }), { maxLength: 60 });
  fc.assert(
    fc.property(steps, (list) => {
      const recent = new Recent(50);
      const named = new Map<number, number>();
      let now = 0;
      for (const { after, n } of list) {
        now += after;
        const at = named.get(n) ?? Number.NEGATIVE_INFINITY;
        const isNew = recent.add(n, now);
        if (now - at < 50) expect(isNew).toBe(false);
        if (now - at >= 150) expect(isNew).toBe(true);
        if (isNew) named.set(n, now);
      }
    }),
  );
});
