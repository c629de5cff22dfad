import { expect, test } from "vitest";
import { decodeEpochRecord, encodeEpochRecord, type EpochRecord, judge, type Standing } from "./continuity.ts";

const configuration = (time: number) => ({ leader: 1, time });
const record = (epoch: number, time: number, basis = epoch - 1): EpochRecord => ({
  epoch,
  configuration: configuration(time),
  basis,
});

function standing(epoch: number, attempt?: EpochRecord, witnessed: readonly number[] = [], n = 10 * epoch): Standing {
  return { attempt, witnessed: witnessed.map(configuration), isNew: false, epoch, n, chain: `${epoch}/${n}` };
}

const verdict = (...standings: Standing[]) => judge(new Map(standings.map((one, i) => [i + 1, one])));

test("the first epoch ever begins with nothing", () => {
  expect(verdict(standing(0), standing(0))).toEqual({ epoch: 1, basis: 0, heir: 1 });
});

test("the state of the last epoch goes on, the longest log of it", () => {
  const last = record(5, 50);
  const members = [standing(4, record(4, 40), [40]), standing(5, last, [50], 51), standing(5, last, [50], 53)];
  expect(verdict(...members)).toEqual({ epoch: 6, basis: 5, heir: 3 });
});

test("a member that started anew finds the state at one that lives", () => {
  expect(verdict(standing(0, record(5, 50)), standing(5, record(5, 50), [50]))).toEqual({
    epoch: 6,
    basis: 5,
    heir: 2,
  });
});

test("an older state does not go on where all that knew the last one started anew", () => {
  const members = [standing(0, record(5, 50)), standing(4, record(4, 40), [40])];
  expect(verdict(...members)).toEqual({ epoch: 6, basis: 5, heir: undefined });
});

test("an epoch that somebody knows not to have begun does not stand in the way of the one before", () => {
  const members = [standing(0, record(6, 60)), standing(5, record(5, 50), [50, 60])];
  expect(verdict(...members)).toEqual({ epoch: 7, basis: 5, heir: 2 });
});

test("who knows that an epoch did not begin may know too little of the one before", () => {
  const members = [standing(0, record(6, 60)), standing(3, record(3, 30), [30, 60])];
  expect(verdict(...members)).toEqual({ epoch: 7, basis: 6, heir: undefined });
});

test("of two attempts at one epoch both have to be known", () => {
  const first = standing(5, record(6, 61, 5), [50, 61]);
  const second = standing(0, record(6, 62, 5));
  expect(verdict(first, second).heir).toBeUndefined();
  expect(verdict(first, second, standing(6, record(6, 62, 5), [62]))).toEqual({ epoch: 7, basis: 6, heir: 3 });
});

test("a record is kept as text, and other texts are none", () => {
  expect(decodeEpochRecord(encodeEpochRecord(record(5, 50)))).toEqual(record(5, 50));
  for (const text of [
    "",
    "{",
    "null",
    "5",
    "{}",
    encodeEpochRecord(record(5, 50, 5)),
    encodeEpochRecord(record(5, -1)),
  ]) {
    expect(decodeEpochRecord(text)).toBeUndefined();
  }
});
