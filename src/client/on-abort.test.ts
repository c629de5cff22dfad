import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { onAbort } from "./on-abort.ts";

test("a signal has one listener for all who wait for it, and none when nobody does", () => {
  const controller = new AbortController();
  const { signal } = controller;
  const called: number[] = [];
  const takeBack = Array.from({ length: 50 }, (_, i) => onAbort(signal, () => called.push(i)));
  expect(getEventListeners(signal, "abort")).toHaveLength(1);
  for (const back of takeBack) back();
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
  takeBack[0]?.();
  onAbort(signal, () => called.push(100));
  expect(getEventListeners(signal, "abort")).toHaveLength(1);
  controller.abort();
  expect(called).toEqual([100]);
});

test("each is called once, but those that another one takes back meanwhile are not", () => {
  const controller = new AbortController();
  const called: string[] = [];
  const twice = (): void => void called.push("twice");
  const back = onAbort(controller.signal, twice);
  onAbort(controller.signal, twice);
  onAbort(controller.signal, () => {
    called.push("takes back");
    third();
  });
  const third = onAbort(controller.signal, () => called.push("third"));
  back();
  controller.abort();
  controller.abort();
  expect(called).toEqual(["twice", "takes back"]);
  expect(() => onAbort(undefined, twice)()).not.toThrow();
});
