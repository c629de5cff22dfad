import { expect, test } from "vitest";
import { Departures } from "./departures.ts";
import { decodeSettled, encodeSettled } from "./settled.ts";

const view = (region: number) => ({ region, view: 1 });
const stream = (region: number, sender: number, seq: number) => ({
  id: view(region),
  sender,
  seq,
  lost: [[2, 3]] as const,
});

test("a departure is settled when the members of each of its views have said what they accepted, or nobody is left there", () => {
  const departures = new Departures();
  departures.add(7, [view(1), view(2), view(3)]);
  expect(departures.isSettled(7)).toBe(false);
  departures.settled(stream(1, 7, 10));
  // The first word counts, and only of views in which it could send.
  departures.settled(stream(1, 7, 11));
  departures.settled(stream(4, 7, 9));
  departures.settled(stream(2, 8, 9));
  departures.retired(view(2));
  expect(departures.isSettled(7)).toBe(false);
  departures.settled(stream(3, 7, 0));
  expect(departures.isSettled(7)).toBe(true);
  expect(departures.of(7)).toEqual([stream(1, 7, 10), stream(3, 7, 0)]);
  expect(Departures.import(departures.export()).export()).toEqual(departures.export());
});

test("of a node that nobody knows there is nothing to wait for, and the oldest departures are forgotten", () => {
  const departures = new Departures();
  expect(departures.isSettled(1)).toBe(true);
  for (let node = 1; node <= 1_001; node++) departures.add(node, [view(1)]);
  expect(departures.isSettled(1)).toBe(true);
  expect(departures.isSettled(2)).toBe(false);
});

test("what was accepted comes back as it was, and nothing else is taken for it", () => {
  const settled = [stream(2 ** 40, 7, 10), { ...stream(3, 7, 0), lost: [] }];
  const bytes = encodeSettled(settled);
  expect(decodeSettled(bytes)).toEqual(settled);
  expect(decodeSettled(encodeSettled([]))).toEqual([]);
  for (let length = 1; length < bytes.length; length++)
    expect(decodeSettled(bytes.subarray(0, length))).toBeUndefined();
});
