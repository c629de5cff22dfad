import fc from "fast-check";
import { expect, test } from "vitest";
import { Random } from "../../src/base/random.ts";
import { RangeSet } from "../../src/base/range-set.ts";
import {
  afterOf,
  asResent,
  isData,
  itemsAt,
  regionOf,
  seqOf,
  stampOf,
  viewOf,
  writeDataHead,
} from "../../src/wire/region/data.ts";
import {
  bodyEndOf,
  headFault,
  kindOf,
  NODE_HEAD_BYTES,
  NodeKind,
  originOf,
  packetAt,
  setPacketEnd,
} from "../../src/wire/region/head.ts";
import {
  asResentHybrid,
  hybridCountOf,
  hybridGroupOf,
  hybridItemsAt,
  hybridRegionOf,
  hybridSeqOf,
  hybridViewOf,
  isHybrid,
  writeHybridHead,
} from "../../src/wire/region/hybrid.ts";
import { ItemCursor, writeItemHead } from "../../src/wire/region/items.ts";
import { decodeLast, encodeLast } from "../../src/wire/region/last.ts";
import { decodeLinkAck, decodeLinkData, encodeLinkAck, encodeLinkData } from "../../src/wire/region/link.ts";
import { decodeRegionMessage, encodeRegionMessage, type RegionMessage } from "../../src/wire/region/message.ts";
import { newPartitionPart } from "../../src/wire/region/token.ts";
import { mutated, type PacketFormat, pick } from "./mutation.ts";

const RUNS = Number(process.env["FUZZ_RUNS"] ?? 5_000);
const ORIGINS = [1, 2, 7];
const BETWEEN_NODES: PacketFormat = {
  headBytes: NODE_HEAD_BYTES,
  originAt: 16,
  kinds: [0, ...Object.values(NodeKind), 0x36],
};

const id = { region: 2 ** 33 + 5, view: 3 };
const ranges = RangeSet.of([1, 4], [9, 9], [300, 420]);

function messages(): readonly RegionMessage[] {
  const record = {
    sender: 7,
    maximumSeen: 500,
    cutOff: 400,
    maxContiguous: 90,
    toClean: 80,
    keptContiguous: 85,
    toTrim: 82,
    ...newPartitionPart(),
    naks: ranges,
    settle: undefined,
  };
  const settle = { candidates: ranges, orphans: new RangeSet(), lost: RangeSet.of([2, 2]) };
  return [
    {
      kind: "token",
      id,
      phase: "visit",
      failure: 4,
      round: 9,
      level: 0,
      partition: 1,
      partitions: 2,
      quiesce: true,
      quiesceCommit: false,
      retire: false,
      admissible: { least: 900, sum: 2_000, greatest: 1_100, count: 2 },
      records: [record, { ...record, sender: 8, settle }],
    },
    { kind: "ack", id, acknowledged: 80, grant: 400, least: 900, average: 1_000, greatest: 1_100, isolated: ranges },
    { kind: "nak", id, failure: 4, round: 9, partition: 1, partitions: 2, ranges },
    { kind: "pull", id, sender: 7, round: 9, partition: 0, ranges },
    { kind: "wake", id },
    { kind: "retired", id },
  ];
}

function datagrams(): Uint8Array[] {
  const filled = (begin: (bytes: Uint8Array) => number): Uint8Array => {
    const bytes = new Uint8Array(1_400);
    let end = begin(bytes);
    for (const [groupIndex, length] of [
      [0, 3],
      [2, 200],
      [8191, 0],
    ] as const) {
      end = writeItemHead(bytes, end, groupIndex, true, length > 0, length) + length;
    }
    setPacketEnd(bytes, 0, end);
    return bytes.slice(0, end);
  };
  const head = { cluster: 1, origin: 7, id, seq: 2 ** 33 };
  const after = [
    { id: { region: 6, view: 1 }, last: 9 },
    { id: { region: 7, view: 1 }, last: 2 ** 40 },
  ];
  const entries = after.map((sealed, i) => ({ id: sealed.id, seq: i + 1 }));
  return [
    filled((bytes) => writeDataHead(bytes, 0, { ...head, after: [], stamp: undefined, isRelayed: false })),
    filled((bytes) => writeDataHead(bytes, 0, { ...head, after, stamp: 800, isRelayed: true })),
    filled((bytes) => writeHybridHead(bytes, 0, { cluster: 1, origin: 7, entries, group: 11 })),
    encodeLast(1, 7, { id, seq: 40, stamp: 9 }),
    encodeLinkAck(1, 7, { receiver: 2, upTo: 4, parts: [{ message: 6, received: ranges }] }),
    ...messages().map((message, i) => {
      const bytes = encodeRegionMessage(message);
      return encodeLinkData(1, 7, { receiver: 2, message: i + 1, offset: 0, total: bytes.length, bytes });
    }),
  ];
}

/** Reads all that there is to be read of a packet, as a node would; returns whether it was taken. */
function read(packet: Uint8Array): boolean {
  expect(originOf(packet)).toBeGreaterThan(0);
  switch (kindOf(packet)) {
    case NodeKind.regionData:
    case NodeKind.regionResent: {
      if (!isData(packet)) return false;
      for (const number of [regionOf(packet), viewOf(packet), seqOf(packet)]) expect(number).toBeGreaterThan(0);
      for (const sealed of afterOf(packet)) expect(Number.isSafeInteger(sealed.id.region)).toBe(true);
      expect(stampOf(packet) ?? 0).toBeGreaterThanOrEqual(0);
      walk(packet, itemsAt(packet));
      expect(isData(asResent(packet))).toBe(true);
      return true;
    }
    case NodeKind.regionHybrid: {
      if (!isHybrid(packet)) return false;
      for (let i = 0; i < hybridCountOf(packet); i++) {
        const numbers = [hybridRegionOf(packet, i), hybridViewOf(packet, i), hybridSeqOf(packet, i)];
        for (const number of numbers) expect(number).toBeGreaterThan(0);
      }
      expect(hybridGroupOf(packet)).toBeGreaterThan(0);
      walk(packet, hybridItemsAt(packet));
      expect(isHybrid(asResentHybrid(packet, hybridCountOf(packet) - 1))).toBe(true);
      return true;
    }
    case NodeKind.regionLast:
      return decodeLast(packet) !== undefined;
    case NodeKind.linkAck:
      return decodeLinkAck(packet) !== undefined;
    case NodeKind.linkData: {
      const data = decodeLinkData(packet);
      const message = data && decodeRegionMessage(data.bytes);
      if (message !== undefined) expect(decodeRegionMessage(encodeRegionMessage(message))).toEqual(message);
      return message !== undefined;
    }
    default:
      return false;
  }
}

function walk(packet: Uint8Array, at: number): void {
  const cursor = new ItemCursor();
  cursor.open(packet, at);
  while (cursor.advance()) {
    expect(cursor.data().length).toBe(cursor.next - cursor.dataStart);
    expect(cursor.next).toBeLessThanOrEqual(bodyEndOf(packet));
  }
}

function receive(bytes: Uint8Array): number {
  let taken = 0;
  for (let at = 0; at < bytes.length; ) {
    if (headFault(bytes, at) !== undefined) break;
    const packet = packetAt(bytes, at);
    if (read(packet)) taken++;
    at += packet.length;
  }
  return taken;
}

test("every kind of datagram between nodes is taken", () => {
  const sent = datagrams();
  for (const bytes of sent) expect(receive(bytes)).toBe(1);
  expect(receive(Uint8Array.from(sent.flatMap((bytes) => [...bytes])))).toBe(sent.length);
});

test("mutated datagrams between nodes are dropped, or read within their bounds", () => {
  const seen = datagrams();
  let [taken, dropped] = [0, 0];
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0x7fff_ffff }), (seed) => {
      const random = new Random(seed);
      const bytes = mutated(random, seen, ORIGINS, BETWEEN_NODES);
      if (random.chance(0.1)) {
        const both = Uint8Array.of(...bytes, ...pick(random, seen));
        receive(both);
      }
      if (receive(bytes) > 0) taken++;
      else dropped++;
    }),
    { numRuns: RUNS },
  );
  // Both ways are worth walking: mutations that are all dropped at the head test nothing.
  expect(taken).toBeGreaterThan(RUNS / 20);
  expect(dropped).toBeGreaterThan(RUNS / 20);
});
