import fc from "fast-check";
import { expect, test } from "vitest";
import { AruRule } from "./aru.ts";

test("a member lowers the aru to its own, and only who wrote it last raises it (O10)", () => {
  const [a, b, c] = [new AruRule(1), new AruRule(2), new AruRule(3)] as const;
  let token = { value: 10, setter: 2 };
  token = c.pass(token.value, token.setter, 14, false);
  expect(token).toEqual({ value: 10, setter: 2 });
  token = a.pass(token.value, token.setter, 9, false);
  expect(token).toEqual({ value: 9, setter: 1 });
  token = b.pass(token.value, token.setter, 14, false);
  token = c.pass(token.value, token.setter, 14, false);
  expect(token).toEqual({ value: 9, setter: 1 });
  token = a.pass(token.value, token.setter, 14, false);
  expect(token).toEqual({ value: 14, setter: 1 });
});

test("what a member takes as reached by all never exceeds what any member has", () => {
  // Each step: the member whose turn it is has received some more, and maybe something new has been sent.
  const step = fc.record({ received: fc.integer({ min: 0, max: 5 }), sent: fc.integer({ min: 0, max: 3 }) });
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 5 }), fc.array(step, { minLength: 20, maxLength: 120 }), (size, steps) => {
      const rules = Array.from({ length: size }, (_, i) => new AruRule(i + 1));
      const has = Array.from({ length: size }, () => 0);
      let token = { value: 0, setter: 0 };
      let seq = 0;
      let reachedMost = 0;
      steps.forEach(({ received, sent }, i) => {
        const me = i % size;
        const rule = rules[me] as AruRule;
        const top = token.value === seq;
        const mine = (has[me] as number) === seq ? seq + sent : Math.min(seq, (has[me] as number) + received);
        if ((has[me] as number) === seq) seq += sent;
        has[me] = mine;
        rule.arrived(token.value);
        token = rule.pass(token.value, token.setter, mine, top);
        expect(rule.reached).toBeLessThanOrEqual(Math.min(...has));
        reachedMost = Math.max(reachedMost, rule.reached);
      });
      // Once all have everything, three rotations are enough for everybody to know.
      for (let i = steps.length; i < steps.length + 3 * size; i++) {
        const rule = rules[i % size] as AruRule;
        has[i % size] = seq;
        rule.arrived(token.value);
        token = rule.pass(token.value, token.setter, seq, token.value === seq);
      }
      expect(rules.some((rule) => rule.reached === seq)).toBe(true);
    }),
  );
});
