import { expect, test } from "vitest";
import { EventQueue, NO_DELIVERY } from "./event-queue.ts";

const silent = { queued: () => {}, taken: () => {}, dropped: () => {}, handedOver: () => {} };

test("the oldest delivery is that of the first event that came with one", async () => {
  const queue = new EventQueue<string>(silent);
  expect(queue.oldestDelivery).toBeUndefined();
  queue.push("a", NO_DELIVERY);
  expect(queue.oldestDelivery).toBeUndefined();
  queue.push("b", 3);
  queue.push("c", NO_DELIVERY);
  queue.push("d", 4);
  expect(queue.oldestDelivery).toBe(3);
  await queue.next();
  expect(queue.oldestDelivery).toBe(3);
  await queue.next();
  expect(queue.oldestDelivery).toBe(4);
  queue.forgetDeliveries();
  expect(queue.oldestDelivery).toBe(1);
  await queue.next();
  await queue.next();
  expect(queue.oldestDelivery).toBeUndefined();
  queue.push("e", NO_DELIVERY);
  queue.push("f", 9);
  expect(queue.oldestDelivery).toBe(9);
});

test("a batch is all that waits, and the next one waits for something", async () => {
  const queue = new EventQueue<string>(silent);
  queue.push("a", 1);
  queue.push("b", 2);
  const batches = queue.batches();
  expect(queue.isIterated).toBe(true);
  expect(await batches.next()).toEqual({ value: ["a", "b"], done: false });
  expect(queue.oldestDelivery).toBeUndefined();
  const next = batches.next();
  queue.push("c", 3);
  queue.push("d", 4);
  // Who waited is woken by the first, and takes along what came until it runs.
  expect(await next).toEqual({ value: ["c", "d"], done: false });
  queue.push("e", 5);
  queue.end(new Error("lost"));
  expect(await batches.next()).toEqual({ value: ["e"], done: false });
  await expect(batches.next()).rejects.toThrow("lost");
});

test("also in a queue so long that what was read is let go", async () => {
  const queue = new EventQueue<number>(silent);
  for (let i = 1; i <= 20_000; i++) queue.push(i, i % 2 === 0 ? i : NO_DELIVERY);
  for (let i = 1; i <= 19_990; i++) {
    await queue.next();
    if (i % 1_000 === 0) expect(queue.oldestDelivery).toBe(i + 2);
  }
  expect(queue.oldestDelivery).toBe(19_992);
});

test("the newest event that waits can be forgotten, and what comes after it is found", async () => {
  const dropped: string[] = [];
  const queue = new EventQueue<string>({ ...silent, dropped: (event) => dropped.push(event) });
  queue.forgetLast(() => true);
  queue.push("a", NO_DELIVERY);
  queue.push("b", NO_DELIVERY);
  expect(queue.oldestDelivery).toBeUndefined();
  queue.forgetLast((event) => event === "a");
  queue.forgetLast((event) => event === "b");
  queue.push("c", 5);
  expect(queue.oldestDelivery).toBe(5);
  expect([await queue.next(), await queue.next()].map(({ value }) => value)).toEqual(["a", "c"]);
  queue.push("d", 6);
  queue.forgetLast(() => true);
  queue.push("e", 7);
  expect(queue.oldestDelivery).toBe(7);
  expect(dropped).toEqual(["b", "d"]);
});
