import { expect, test } from "vitest";
import { RangeSet } from "../base/range-set.ts";
import { Configuration } from "../ring/configuration.ts";
import { Kind, type Prefix, readPrefix, writePrefix } from "../wire/prefix.ts";
import { PacketFlag, RING_DATA_HEAD_BYTES, type RingPacket, writeRingDataHead } from "../wire/ring-data.ts";
import { NumbersWriter } from "../wire/ring-digest.ts";
import { Forming } from "./forming.ts";
import { emptyRecord, visitRecord } from "./obligation.ts";
import { Recovery } from "./recovery.ts";
import type { WideArea } from "./wide-area.ts";

const OLD = { leader: 1, time: 7 };
const OTHER = { leader: 4, time: 5 };

function configuration(time: number): Configuration {
  return new Configuration({ leader: 1, time }, [1, 2], [0, 1], 1, (daemon) => daemon - 1);
}

/** A digest of site 0's packets `first` to `seq`, of the old configuration or of one that daemon 2 was not in. */
function digest(first: number, seq: number, id = OLD, tail: readonly number[] = []): Uint8Array {
  const body = Uint8Array.of(...new NumbersWriter(first, first).finish(), ...tail);
  const bytes = new Uint8Array(RING_DATA_HEAD_BYTES + body.length);
  writePrefix(bytes, 0, 3, Kind.ringData, 9, bytes.length - 16, 1);
  writeRingDataHead(bytes, id, 0, seq, seq, first, PacketFlag.digest);
  bytes.set(body, RING_DATA_HEAD_BYTES);
  return bytes;
}

/** Daemon 2 lacks the packets 1 to 20 of site 0; what it passes on, and what it keeps for its ring. */
function forming(): { forming: Forming; old: Configuration; supplied: RingPacket[]; relayed: RingPacket[] } {
  const old = configuration(7);
  const record = emptyRecord(old);
  visitRecord(record, old, 2, 1, [2]);
  Object.assign(record.streams[0] as object, { high: 20 });
  for (const lack of record.lacks) if (lack.stream === 0) lack.missing = RangeSet.of([1, 20]);
  record.lacks.push({ newSite: 0, stream: 0, missing: new RangeSet() });
  const supplied: RingPacket[] = [];
  const relayed: RingPacket[] = [];
  const wideArea = {
    supplyDigests: () => undefined,
    supply: (_: unknown, packet: RingPacket) => supplied.push(packet),
    keepRelayed: (_: unknown, packet: RingPacket) => relayed.push(packet),
    requests: () => [],
  } as unknown as WideArea;
  const made = new Forming(configuration(9), new Recovery(record, old), old, wideArea);
  return { forming: made, old, supplied, relayed };
}

const prefixOf = (bytes: Uint8Array): Prefix => readPrefix(bytes) as Prefix;

test("a digest takes the place of packets of the old configuration, and of others' for the ring", () => {
  const { forming: one, old, supplied, relayed } = forming();
  one.takeRemote(prefixOf(digest(1, 15)), digest(1, 15));
  one.takeRemote(prefixOf(digest(3, 4, OTHER)), digest(3, 4, OTHER));
  one.take(prefixOf(digest(16, 20)), digest(16, 20));
  expect(old.streams[0]?.prefix).toBe(20);
  expect(relayed.map(({ first, seq }) => [first, seq])).toEqual([[3, 4]]);
  expect(supplied.map(({ first, seq }) => [first, seq])).toEqual([[16, 20]]);
});

test("a digest that is malformed, or stands for more packets than any can, is nobody's", () => {
  const { forming: one, old, supplied, relayed } = forming();
  for (const bytes of [
    digest(1, 0xffff_ffff, OTHER),
    digest(0, 9, OTHER),
    digest(9, 3, OTHER),
    digest(1, 15, OLD, [1]),
  ]) {
    one.takeRemote(prefixOf(bytes), bytes);
    one.take(prefixOf(bytes), bytes);
  }
  expect([supplied, relayed, old.streams[0]?.prefix]).toEqual([[], [], 0]);
});
