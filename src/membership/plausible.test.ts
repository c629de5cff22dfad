import { expect, test } from "vitest";
import { Stage } from "../../test/transcripts/stage.ts";
import { type Form1, type OldConfigurationRecord, encodeForm1 } from "../wire/form.ts";
import { firstToken } from "../ring/first-token.ts";
import type { Ring } from "../ring/ring.ts";
import { Kind, packet } from "../wire/prefix.ts";
import { encodeToken } from "../wire/ring-token.ts";
import type { Evs } from "./evs.ts";
import { newForm1 } from "./form-steps.ts";
import { Layout } from "./layout.ts";
import { emptyRecord } from "./obligation.ts";

const layout = new Layout([1, 2, 3].map((id) => ({ id, segment: 0 })));

/** Daemon 1, which has just started, is handed a FORM1 by daemon 2. */
function handed(change: (evs: Evs) => Partial<Form1>): { readonly state: string; readonly malformed: number } {
  const stage = new Stage([[1, 2, 3]]);
  stage.start(1);
  const evs = stage.evs.get(1) as Evs;
  const form = { ...newForm1(2, 1, [2, 1, 3], [], layout), done: [2], pending: [1, 3], ...change(evs) };
  evs.receive(packet(1, Kind.form1, 0x51a1, 2, encodeForm1(form)), 0);
  return { state: evs.state, malformed: evs.drops.malformed };
}

test("a daemon that looks around in its segment goes along with a form that names it as a member", () => {
  expect(handed(() => ({}))).toEqual({ state: "form", malformed: 0 });
  expect(handed(() => ({ pending: [3, 1] }))).toEqual({ state: "segment", malformed: 0 });
});

test("a form that cannot be right is dropped and counted", () => {
  const withRecord = (change: (record: OldConfigurationRecord) => Partial<OldConfigurationRecord>) => (evs: Evs) => {
    const record = emptyRecord(evs.configuration);
    return { records: [{ ...record, ...change(record) }] };
  };
  const stream = (high: number, seq: number) => (record: OldConfigurationRecord) => ({
    streams: record.streams.map((entry) => ({ ...entry, high, announced: { seq, lts: seq } })),
  });
  expect(handed(withRecord(stream(9, 9)))).toEqual({ state: "form", malformed: 0 });
  const impossible: ((evs: Evs) => Partial<Form1>)[] = [
    () => ({ pending: [1, 3, 3] }),
    () => ({ pending: [1, 77] }),
    () => ({ representatives: [{ daemon: 77, segment: 0, type: "ring" }] }),
    () => ({ maxTime: 0xffff_ffff }),
    withRecord(stream(1_000_000, 0)),
    withRecord(stream(5, 6)),
    withRecord(() => ({ streams: [] })),
    withRecord(() => ({ transitional: [1] })),
    withRecord(() => ({ transitional: [2, 2] })),
  ];
  for (const change of impossible) expect(handed(change)).toEqual({ state: "segment", malformed: 1 });
});

test("a token for another member, which came with data, is passed over; one that cannot be is counted", () => {
  const stage = new Stage([[1, 2, 3]]);
  for (const id of [1, 2, 3]) stage.start(id);
  stage.network.run(2_000);
  const evs = stage.evs.get(1) as Evs;
  const { configuration, predecessor, hop } = evs.ring as Ring;
  expect(configuration.members).toHaveLength(3);
  const other = configuration.members.find((id) => id !== 1 && id !== predecessor) as number;
  const receive = (from: number, hops: number): void => {
    const token = encodeToken({ ...firstToken(configuration), hop: hop + hops, recovered: 1 });
    evs.receive(packet(evs.version, Kind.ringToken, 0x51a1, from, token), stage.network.now);
  };
  receive(other, 1);
  receive(other, 100);
  expect([evs.ring?.hop, evs.drops.malformed]).toEqual([hop, 0]);
  receive(predecessor, 100);
  expect([evs.ring?.hop, evs.drops.malformed]).toEqual([hop, 1]);
});
