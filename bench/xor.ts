/*
 * `npm run bench -- xor`: what repairs of timely groups cost a processor by the size of packets (R7): the exclusive or of one packet more, beside
 * a copy of it and an exclusive or byte by byte; a repair of eight packets made, and one packet rebuilt from it. One thread, no sockets; packets are in
 * its caches, as those are that have just come.
 *
 * Options: --ms=100 for each figure and repetition, --repetitions=7, --out=DIR: data/ricochet-xor.json and plots/r7-xor.svg are written there
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { linePlot } from "../src/cli/plot/line-plot.ts";
import type { BinPacket } from "../src/ricochet/bins.ts";
import { checksumOf } from "../src/ricochet/checksum.ts";
import { Decoder } from "../src/ricochet/decoder.ts";
import type { Missing } from "../src/ricochet/incoming.ts";
import { Xor } from "../src/ricochet/xor.ts";
import { encodeTimelyData } from "../src/wire/timely/data.ts";
import { decodeRepair, encodeRepair, type Repair, repairHeadBytes } from "../src/wire/timely/repair.ts";
import { option } from "./options.ts";
import { figure, isMain, printTable, saveResults } from "./report.ts";

const SIZES = [64, 256, 1_024, 1_400, 4_096, 8_192];
const EVERY = 8;
/** Groups of eight packets that are gone through. */
const TURNS = 8;
const MS = Number(option("ms", "100"));
const REPETITIONS = Number(option("repetitions", "7"));
const DATAGRAM_BYTES = 65_536;
const CLUSTER = 7;
const ME = 1;

type Packets = readonly BinPacket[];

/** Datagrams of this length, on words of their buffers or one byte off them. */
function packetsOf(bytes: number, offset: number): Packets[] {
  const headBytes = encodeTimelyData(
    CLUSTER,
    { sender: 2, group: 1, seq: 1 },
    { view: 1, before: 0, joined: 1 },
    new Uint8Array(0),
  ).length;
  return Array.from({ length: TURNS }, (_, turn) =>
    Array.from({ length: EVERY }, (_, i): BinPacket => {
      const id = { sender: 2, group: 1, seq: 1 + turn * EVERY + i };
      const payload = Uint8Array.from({ length: bytes - headBytes }, (_, at) => at * 31 + id.seq * 7);
      const buffer = new Uint8Array(bytes + offset);
      buffer.set(encodeTimelyData(CLUSTER, id, { view: 1, before: 0, joined: 1 }, payload), offset);
      return { id, bytes: buffer.subarray(offset), at: 0, checksum: undefined };
    }),
  );
}

/** Nanoseconds of processor time of one call, the least of the repetitions, which others have disturbed least; `act` makes so many. */
function nanosOf(calls: number, act: () => void): number {
  const once = (): number => {
    const begin = performance.now();
    const before = process.cpuUsage();
    let rounds = 0;
    while (performance.now() - begin < MS) {
      for (let i = 0; i < 20; i++) act();
      rounds += 20;
    }
    const { user, system } = process.cpuUsage(before);
    return ((user + system) * 1e3) / (rounds * calls);
  };
  once();
  return Math.min(...Array.from({ length: REPETITIONS }, once));
}

/** Byte by byte. */
function xorBytes(target: Uint8Array, source: Uint8Array): void {
  for (let i = 0; i < source.length; i++) target[i] = (target[i] as number) ^ (source[i] as number);
}

/** As a node makes it: packets are asked for their checksums for the first time. */
function repairOf(xor: Xor, packets: Packets): Uint8Array {
  xor.clear();
  let [lengths, checksum] = [0, 0];
  for (const packet of packets) {
    packet.checksum = undefined;
    xor.add(packet.bytes);
    lengths ^= packet.bytes.length;
    checksum ^= checksumOf(packet);
  }
  const ids = packets.map(({ id }) => id);
  const bytes = encodeRepair(CLUSTER, ME, ids, [], { lengths, checksum }, xor.length);
  xor.copyTo(bytes, repairHeadBytes(ids.length, 0));
  return bytes;
}

type Row = {
  readonly bytes: number;
  readonly words: number;
  readonly askew: number;
  readonly bytewise: number;
  readonly copy: number;
  readonly made: number;
  readonly rebuilt: number;
};

function measured(bytes: number): Row {
  const xor = new Xor(DATAGRAM_BYTES);
  const target = new Uint8Array(bytes);
  const [even, odd] = [packetsOf(bytes, 0), packetsOf(bytes, 1)];
  const each = (turns: readonly Packets[], act: (packet: BinPacket) => void) =>
    nanosOf(TURNS * EVERY, () => {
      for (const packets of turns) for (const packet of packets) act(packet);
    });
  const repairs = even.map((packets) => decodeRepair(repairOf(xor, packets)) as Repair);
  let absent: Missing | undefined;
  let present: Packets = [];
  const decoder = new Decoder(
    { find: ({ seq }) => (seq === absent?.seq ? absent : present[(seq - 1) % EVERY]) },
    EVERY,
    DATAGRAM_BYTES,
  );
  const rebuild = (repair: Repair, turn: number): void => {
    present = even[turn] as Packets;
    const { seq } = (present[turn % EVERY] as BinPacket).id;
    absent = { seq, since: 0, repairs: [], askAt: 0, asked: 0 };
    if (decoder.receive(repair)?.length !== bytes) throw new Error("the packet that was missing was not rebuilt");
  };
  return {
    bytes,
    words: each(even, (packet) => xor.add(packet.bytes)),
    askew: each(odd, (packet) => xor.add(packet.bytes)),
    bytewise: each(even, (packet) => xorBytes(target, packet.bytes)),
    copy: each(even, (packet) => target.set(packet.bytes)),
    made: nanosOf(TURNS, () => {
      for (const packets of even) repairOf(xor, packets);
    }),
    rebuilt: nanosOf(TURNS, () => repairs.forEach(rebuild)),
  };
}

async function main(): Promise<void> {
  // Once for the compiler.
  measured(SIZES[0] as number);
  const rows = SIZES.map(measured);
  console.log(`Nanoseconds of processor time, of a repair of ${EVERY} packets; the least of ${REPETITIONS}`);
  printTable(
    ["packet", "xor", "GB/s", "not on words", "byte by byte", "copy", "repair made", "packet rebuilt"],
    rows.map(({ bytes, words, askew, bytewise, copy, made, rebuilt }) => [
      `${bytes} bytes`,
      ...[words, bytes / words, askew, bytewise, copy, made, rebuilt].map(figure),
    ]),
  );
  saveResults("xor", { every: EVERY, rows });
  const out = option("out", "");
  if (out === "") return;
  const curve = (name: string, value: (row: Row) => number) => ({
    name,
    points: rows.map((row) => ({ x: row.bytes, y: value(row) / 1_000 })),
  });
  const plot = linePlot({
    title: "What repairs cost a processor, r = 8",
    x: "bytes of a packet",
    y: "µs",
    log: "both",
    curves: [
      curve("a repair made", ({ made }) => made),
      curve("a packet rebuilt", ({ rebuilt }) => rebuilt),
      curve("exclusive or of a packet", ({ words }) => words),
      curve("byte by byte", ({ bytewise }) => bytewise),
      curve("copy", ({ copy }) => copy),
    ],
  });
  await mkdir(join(out, "plots"), { recursive: true });
  await mkdir(join(out, "data"), { recursive: true });
  await writeFile(join(out, "plots", "r7-xor.svg"), plot);
  await writeFile(join(out, "data", "ricochet-xor.json"), `${JSON.stringify(rows, null, 1)}\n`);
}

if (isMain(import.meta.url)) await main();
