import fc from "fast-check";
import { expect, test } from "vitest";
import { Configuration } from "../ring/configuration.ts";
import type { OldConfigurationRecord } from "../wire/form.ts";
import type { RingPacket } from "../wire/ring-data.ts";
import { emptyRecord, visitRecord } from "./obligation.ts";
import { Recovery, recordOf } from "./recovery.ts";

const IDS = [1, 2, 3, 4, 9];
const HIGH = 14;

/** 9 is gone; packets whose number is divisible by 3 are its own. */
function packetOf(seq: number): RingPacket {
  const bytes = new Uint8Array(0);
  const origin = seq % 3 === 0 ? 9 : 1 + (seq % 4);
  return {
    origin,
    site: 0,
    seq,
    lts: seq,
    round: 1,
    first: seq,
    bytes,
    end: 0,
    numbers: undefined,
    early: undefined,
    assembled: false,
  };
}

/** Every survivor holds its own packets; what else it holds is up to chance. */
const survivors = fc.array(fc.uniqueArray(fc.integer({ min: 1, max: HIGH })), { minLength: 4, maxLength: 4 });

function frozen(heard: readonly (readonly number[])[]): { all: Configuration[]; record: OldConfigurationRecord } {
  const all = heard.map((numbers, i) => {
    const configuration = new Configuration({ leader: 1, time: 7 }, IDS, [0], 0);
    for (let seq = 1; seq <= HIGH; seq++) {
      if (packetOf(seq).origin === i + 1 || numbers.includes(seq)) configuration.local.hold(packetOf(seq));
    }
    return configuration;
  });
  const record = emptyRecord(all[0] as Configuration);
  all.forEach((configuration, i) => visitRecord(record, configuration, i + 1, 0, [i + 1]));
  return { all, record };
}

test("whoever asks for what it lacks, until it lacks nothing, holds what the survivors held together", () => {
  fc.assert(
    fc.property(survivors, (heard) => {
      const { all, record } = frozen(heard);
      const together = Array.from({ length: HIGH }, (_, i) => i + 1).filter((seq) =>
        all.some(({ local }) => local.has(seq)),
      );
      const recoveries = all.map((configuration) => new Recovery(copyOf(record), configuration));
      recoveries.forEach((recovery, i) => {
        const { local } = all[i] as Configuration;
        const lacking = together.filter((seq) => !local.has(seq));
        const request = recovery.missing();
        expect([...(request?.missing.numbers() ?? [])]).toEqual(lacking);
        expect(recovery.commit()).toBe(lacking.length === 0);
        expect(recovery.progressed()).toBe(true);
        expect(recovery.progressed()).toBe(false);
        for (const seq of lacking) {
          expect(recovery.isCommitted).toBe(false);
          expect(recovery.counts(packetOf(seq))).toBe(true);
          local.hold(packetOf(seq));
        }
        expect(recovery.missing()).toBeUndefined();
        expect(recovery.commit()).toBe(true);
        expect(recovery.commit()).toBe(true);
        expect(Array.from({ length: HIGH }, (_, n) => n + 1).filter((seq) => local.has(seq))).toEqual(together);
        expect([...recovery.obligation].toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4]);
      });
      for (let seq = 1; seq <= HIGH + 2; seq++) {
        expect(recoveries[0]?.counts(packetOf(seq))).toBe(together.includes(seq));
      }
    }),
  );
});

test("what was learnt after the form had passed, and nobody else knows, is forgotten", () => {
  // 3 was a hole when the form passed; 15 nobody had heard of.
  const { all, record } = frozen([[1, 2], [], [], []]);
  const late = all[1] as Configuration;
  expect(late.local.hold(packetOf(3))).toBe(true);
  expect(late.local.hold(packetOf(15))).toBe(true);
  const recovery = new Recovery(record, late);
  expect([late.local.has(3), late.local.has(15)]).toEqual([false, false]);
  expect([recovery.counts(packetOf(3)), recovery.counts(packetOf(15))]).toEqual([false, false]);
});

test("what one survivor knows to be stable is stable for all", () => {
  const { all, record } = frozen([[], [], [], []]);
  record.stable = 2;
  (all[0] as Configuration).stable = 1;
  (all[1] as Configuration).stable = 5;
  for (const configuration of all) new Recovery(record, configuration);
  expect(all.map(({ stable }) => stable)).toEqual([2, 5, 2, 2]);
});

test("a configuration's record is found by its id", () => {
  const { record } = frozen([[], [], [], []]);
  expect(recordOf([record], { leader: 1, time: 7 })).toBe(record);
  expect(recordOf([record], { leader: 2, time: 7 })).toBeUndefined();
});

/** Every reader of a form has a copy of its own. */
function copyOf(record: OldConfigurationRecord): OldConfigurationRecord {
  return {
    ...record,
    streams: record.streams.map((stream) => ({ ...stream })),
    lacks: record.lacks.map((lack) => ({ ...lack, missing: lack.missing.clone() })),
    transitional: [...record.transitional],
    commit: [...record.commit],
  };
}
