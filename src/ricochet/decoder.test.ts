import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeTimelyData, type PacketId } from "../wire/timely/data.ts";
import { decodeRepair, encodeRepair, type Repair, repairHeadBytes } from "../wire/timely/repair.ts";
import type { BinPacket } from "./bins.ts";
import { checksumOf } from "./checksum.ts";
import { Decoder } from "./decoder.ts";
import type { Missing } from "./incoming.ts";
import { Xor } from "./xor.ts";

const CLUSTER = 3;
const SENDER = 11;
const GROUP = 7;

function packet(seq: number, size = 20 + 3 * seq): BinPacket {
  const id = { sender: SENDER, group: GROUP, seq };
  const payload = Uint8Array.from({ length: size }, (_, i) => (i * 31 + seq) & 0xff);
  return {
    id,
    bytes: encodeTimelyData(CLUSTER, id, { view: 1, before: 0, joined: 1 }, payload),
    at: 0,
    checksum: undefined,
  };
}

function repairOf(packets: readonly BinPacket[]): Repair {
  const xor = new Xor(1_400);
  let lengths = 0;
  let checksum = 0;
  for (const one of packets) {
    xor.add(one.bytes);
    lengths ^= one.bytes.length;
    checksum ^= checksumOf(one);
  }
  const bytes = encodeRepair(
    CLUSTER,
    99,
    packets.map(({ id }) => id),
    [],
    { lengths, checksum },
    xor.length,
  );
  xor.copyTo(bytes, repairHeadBytes(packets.length, 0));
  return decodeRepair(bytes) as Repair;
}

/** A receiver that has some packets of one stream and takes what is rebuilt. */
class Receiver {
  readonly decoder: Decoder;
  readonly held = new Map<number, BinPacket>();
  readonly missing = new Map<number, Missing>();
  readonly rebuilt: number[] = [];

  constructor(known: readonly BinPacket[], upTo: number, pendingMax = 64) {
    for (const one of known) this.held.set(one.id.seq, one);
    for (let seq = 1; seq <= upTo; seq++) {
      if (!this.held.has(seq)) this.missing.set(seq, { seq, since: 0, repairs: [], askAt: 0, asked: 0 });
    }
    const find = ({ seq }: PacketId) => this.held.get(seq) ?? this.missing.get(seq);
    this.decoder = new Decoder({ find }, pendingMax, 1_400);
  }

  receive(repair: Repair): void {
    const bytes = this.decoder.receive(repair);
    if (bytes !== undefined) this.#take(bytes);
  }

  #take(bytes: Uint8Array): void {
    const found = [...this.missing.values()].find(({ seq }) => {
      const sent = packet(seq).bytes;
      return sent.length === bytes.length && sent.every((byte, i) => byte === bytes[i]);
    });
    expect(found).toBeDefined();
    const { seq } = found as Missing;
    this.missing.delete(seq);
    this.held.set(seq, packet(seq));
    this.rebuilt.push(seq);
    for (const more of this.decoder.arrived(found as Missing)) this.#take(more);
  }
}

describe("the decoder", () => {
  test("the worked example: one repair completes another that waits (O9)", () => {
    const [p1, p2, p3, p4] = [1, 2, 3, 4].map((seq) => packet(seq)) as [BinPacket, BinPacket, BinPacket, BinPacket];
    const receiver = new Receiver([p1, p2], 4);
    receiver.receive(repairOf([p2, p3, p4]));
    expect(receiver.rebuilt).toEqual([]);
    receiver.receive(repairOf([p1, p4]));
    expect(receiver.rebuilt).toEqual([4, 3]);
  });

  test("gives back exactly what was sent, whatever repairs come (K46)", () => {
    const sets = fc.array(fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 6 }), {
      maxLength: 25,
    });
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 12 })), sets, (known, repairs) => {
        const receiver = new Receiver(
          known.map((seq) => packet(seq)),
          12,
        );
        for (const seqs of repairs) receiver.receive(repairOf(seqs.map((seq) => packet(seq))));
        expect(new Set(receiver.rebuilt).size).toBe(receiver.rebuilt.length);
        // Nothing more could be had by taking repairs with one unknown again and again.
        for (const seqs of repairs) expect(seqs.filter((seq) => receiver.missing.has(seq)).length).not.toBe(1);
        expect(receiver.decoder.statistics.damaged).toBe(0);
      }),
    );
  });

  test("takes nothing from a repair in which something else went in than it says", () => {
    const receiver = new Receiver([packet(1)], 3);
    const repair = repairOf([packet(1), packet(2)]);
    receiver.receive({
      ...repair,
      packets: [
        { sender: SENDER, group: GROUP, seq: 1 },
        { sender: SENDER, group: GROUP, seq: 3 },
      ],
    });
    receiver.receive({ ...repair, lengths: repair.lengths ^ 1 });
    receiver.receive({ ...repair, xor: repair.xor.map((byte, i) => (i === repair.xor.length - 1 ? byte ^ 1 : byte)) });
    expect(receiver.rebuilt).toEqual([]);
    expect(receiver.decoder.statistics.damaged).toBe(3);
  });

  test("drops repairs of packets that can be neither had nor missed", () => {
    const receiver = new Receiver([packet(1)], 2);
    receiver.receive(repairOf([packet(1), packet(9)]));
    expect(receiver.decoder.statistics.undecodable).toBe(1);
  });

  test("keeps no more repairs than it is set to", () => {
    const receiver = new Receiver([], 100, 10);
    for (let seq = 1; seq < 60; seq += 2) receiver.receive(repairOf([packet(seq), packet(seq + 1)]));
    expect(receiver.decoder.statistics.overflowed).toBeGreaterThan(0);
  });
});
