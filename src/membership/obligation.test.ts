import fc from "fast-check";
import { expect, test } from "vitest";
import { Configuration } from "../ring/configuration.ts";
import type { OldConfigurationRecord } from "../wire/form.ts";
import type { RingPacket } from "../wire/ring-data.ts";
import { emptyRecord, holesOf, visitRecord } from "./obligation.ts";

const SITES = [0, 1];
const HIGH = 12;

/** What a member holds of each of two streams, and the site in which it will be. */
type Member = { readonly newSite: number; readonly held: readonly (readonly number[])[]; readonly promised: number };

const seqs = fc.uniqueArray(fc.integer({ min: 1, max: HIGH }));
const members = fc.array(
  fc.record({
    newSite: fc.integer({ min: 4, max: 6 }),
    held: fc.tuple(seqs, seqs),
    promised: fc.integer({ min: 0, max: HIGH }),
  }),
  { minLength: 1, maxLength: 5 },
);

function packetOf(site: number, seq: number): RingPacket {
  const bytes = new Uint8Array(0);
  return {
    origin: 1,
    site,
    seq,
    lts: 10 * seq + site,
    round: 1,
    first: seq,
    bytes,
    end: 0,
    numbers: undefined,
    early: undefined,
    assembled: false,
  };
}

function configurationOf({ held, promised }: Member, ids: readonly number[]): Configuration {
  const configuration = new Configuration({ leader: 1, time: 7 }, ids, SITES, 0);
  held.forEach((numbers, site) => {
    for (const seq of numbers) configuration.stream(site)?.hold(packetOf(site, seq));
  });
  if (promised > 0) configuration.stream(1)?.announce({ seq: promised, lts: 10 * promised + 5 });
  return configuration;
}

function visit(all: readonly Member[]): { record: OldConfigurationRecord; configurations: readonly Configuration[] } {
  const ids = all.map((_, i) => i + 1);
  const configurations = all.map((member) => configurationOf(member, ids));
  const record = emptyRecord(configurations[0] as Configuration);
  all.forEach(({ newSite }, i) => {
    expect(visitRecord(record, configurations[i] as Configuration, i + 1, newSite, [100 + i])).toBe(true);
  });
  return { record, configurations };
}

const upTo = (high: number): number[] => Array.from({ length: high }, (_, i) => i + 1);

test("the record says what each new site, and everybody together, lacks of every stream", () => {
  fc.assert(
    fc.property(members, (all) => {
      const { record } = visit(all);
      for (const site of SITES) {
        const high = Math.max(0, ...all.flatMap(({ held, promised }) => [...(held[site] ?? []), site * promised]));
        const entry = record.streams.find((stream) => stream.site === site);
        expect(entry?.high).toBe(high);
        const lacking = (group: readonly Member[]): number[] =>
          upTo(high).filter((seq) => !group.some(({ held }) => held[site]?.includes(seq)));
        for (const newSite of new Set(all.map((member) => member.newSite))) {
          const lack = record.lacks.find((other) => other.newSite === newSite && other.stream === site);
          const expected = lacking(all.filter((member) => member.newSite === newSite));
          expect([...(lack?.missing.numbers() ?? [])]).toEqual(expected);
        }
        expect([...holesOf(record, site).numbers()]).toEqual(lacking(all));
      }
      expect(record.transitional).toEqual(all.map((_, i) => i + 1));
      expect(new Set(record.commit)).toEqual(new Set(all.flatMap((_, i) => [i + 1, 100 + i])));
    }),
  );
});

test("what a later member exposes is lacking in all sites visited before it, also in two new ones", () => {
  const none: readonly number[] = [];
  const { record } = visit([
    { newSite: 4, held: [[1], none], promised: 0 },
    { newSite: 5, held: [[1, 2], none], promised: 0 },
    { newSite: 6, held: [[1, 4], none], promised: 0 },
    // Heard of 5 without holding it: nobody does.
    { newSite: 5, held: [[1, 3, 5], none], promised: 0 },
  ]);
  const lacks = record.lacks.filter(({ stream }) => stream === 0);
  expect(lacks.map(({ newSite, missing }) => `${newSite}: ${missing.toString()}`)).toEqual([
    "4: 2-5",
    "5: 4",
    "6: 2-3,5",
  ]);
  expect(holesOf(record, 0).isEmpty).toBe(true);
});

test("the record carries the best promises and the greatest stability that any visited member knows", () => {
  fc.assert(
    fc.property(members, fc.array(fc.nat(100), { minLength: 5, maxLength: 5 }), (all, stables) => {
      const ids = all.map((_, i) => i + 1);
      const configurations = all.map((member) => configurationOf(member, ids));
      const record = emptyRecord(configurations[0] as Configuration);
      configurations.forEach((configuration, i) => {
        configuration.stable = stables[i] as number;
        visitRecord(record, configuration, i + 1, 0, []);
      });
      expect(record.stable).toBe(Math.max(...stables.slice(0, all.length)));
      record.streams.forEach((entry, i) => {
        const streams = configurations.map(({ streams }) => streams[i] as Configuration["local"]);
        expect(entry.known.lts).toBe(Math.max(...streams.map(({ known }) => known.lts)));
        expect(entry.announced.seq).toBe(Math.max(...streams.map(({ announced }) => announced.seq)));
      });
    }),
  );
});

test("a record with other streams is refused", () => {
  const configuration = configurationOf({ newSite: 0, held: [[], []], promised: 0 }, [1]);
  const record = emptyRecord(configuration);
  expect(visitRecord({ ...record, streams: record.streams.slice(1) }, configuration, 1, 0, [])).toBe(false);
  expect(visitRecord({ ...record, streams: record.streams.toReversed() }, configuration, 1, 0, [])).toBe(false);
});
