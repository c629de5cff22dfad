import fc from "fast-check";
import { expect, test } from "vitest";
import { EventQueue } from "./event-queue.ts";

test("events come in the order of their times, and of their queueing where times are equal", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 200 }), (times) => {
      const queue = new EventQueue();
      times.forEach((at, i) => queue.push(at, { fire: () => undefined }, i));
      const expected = times.map((at, i) => ({ at, i })).sort((a, b) => a.at - b.at || a.i - b.i);
      const seen: { at: number; i: number }[] = [];
      for (let event = queue.pop(); event !== undefined; event = queue.pop()) {
        expect(queue.now).toBe(event.at);
        seen.push({ at: event.at, i: event.what });
      }
      expect(seen).toEqual(expected);
    }),
  );
});

test("pushes between pops keep the order", () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(50)), { maxLength: 200 }), (steps) => {
      const queue = new EventQueue();
      const model: { at: number; order: number }[] = [];
      let order = 0;
      for (const step of steps) {
        if (step !== null) {
          const at = queue.now + step;
          queue.push(at, { fire: () => undefined }, order);
          model.push({ at, order: order++ });
          continue;
        }
        model.sort((a, b) => a.at - b.at || a.order - b.order);
        expect(queue.pop()?.what).toBe(model.shift()?.order);
      }
    }),
  );
});

test("events after the limit stay, whether they were planned or not", () => {
  const queue = new EventQueue();
  const target = { fire: () => undefined };
  queue.push(5, target, 1);
  queue.push(1, target, 2);
  expect(queue.pop(0)).toBeUndefined();
  expect(queue.now).toBe(0);
  queue.push(3, target, 3);
  expect(queue.pop(4)?.what).toBe(2);
  expect(queue.pop(4)?.what).toBe(3);
  expect(queue.pop(4)).toBeUndefined();
  expect(queue.size).toBe(1);
  expect(queue.pop(5)?.what).toBe(1);
});
