import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Random } from "../base/random.ts";
import { AlignedBins } from "./aligned-bins.ts";
import { AssignedBins } from "./assigned-bins.ts";
import { planBins } from "./bin-plan.ts";
import { type BinPacket, type Bins, type Fire, StaggeredBin } from "./bins.ts";
import { RandomBins } from "./random-bins.ts";

const GROUP = 1;
const [COPIES, EVERY] = [5, 8];
const limits = { packetsMax: EVERY, datagramBytes: 1_472 };

/** A packet whose number says at which place it came. */
function packetAt(place: number): BinPacket {
  return { id: { sender: 1, group: GROUP, seq: place }, bytes: new Uint8Array(20), at: place, checksum: undefined };
}

/** How far neighbours in these repairs are from each other, least and most. */
function distances(repairs: readonly (readonly BinPacket[])[]): { readonly least: number; readonly most: number } {
  const apart = repairs.flatMap((packets) =>
    packets.slice(1).map(({ id }, i) => id.seq - (packets[i] as BinPacket).id.seq),
  );
  return { least: Math.min(...apart), most: Math.max(...apart) };
}

describe("packets of one repair came so far apart that a burst takes one of them at most (K48)", () => {
  test("in a bin for every n-th packet, and no further than that takes", () => {
    const options = { burst: fc.integer({ min: 1, max: 20 }), nth: fc.integer({ min: 1, max: 6 }) };
    fc.assert(
      fc.property(fc.record(options), ({ burst, nth }) => {
        const traffic = { packets: 0 };
        const repairs: (readonly BinPacket[])[] = [];
        const bin = new StaggeredBin(limits, burst, traffic, (packets) => repairs.push(packets));
        while (traffic.packets < 4_000) {
          traffic.packets++;
          if (traffic.packets % nth === 0) bin.add(packetAt(traffic.packets));
        }
        // The bin knows its share by then.
        const settled = repairs.filter(([first]) => (first as BinPacket).id.seq > 500);
        expect(settled.length).toBeGreaterThan(20);
        expect(settled.every(({ length }) => length === EVERY)).toBe(true);
        const { least, most } = distances(settled);
        expect(least).toBeGreaterThanOrEqual(burst);
        expect(most).toBeLessThan(burst + nth);
      }),
    );
  });

  test("in aligned bins of every member, where repairs come between the packets", () => {
    const options = { burst: fc.integer({ min: 1, max: 20 }), members: fc.integer({ min: 7, max: 40 }) };
    fc.assert(
      fc.property(fc.record(options), fc.nat(), ({ burst, members }, nat) => {
        const everybody = Array.from({ length: members }, (_, i) => i + 1);
        const me = 1 + (nat % members);
        const [plan] = planBins(me, [{ group: GROUP, members: everybody, repairs: COPIES }]);
        if (plan === undefined) throw new Error("one region, one bin");
        const repairs: (readonly BinPacket[])[] = [];
        const bins = new AlignedBins(me, plan, limits, burst, (_targets, packets) => repairs.push(packets));
        for (let place = 1; place <= 2_000; place++) {
          bins.advance(GROUP, 1);
          bins.add(packetAt(place));
        }
        expect(repairs.length).toBeGreaterThan(100);
        expect(distances(repairs).least * (1 + COPIES / EVERY)).toBeGreaterThanOrEqual(burst);
      }),
    );
  });
});

test("with random targets, of a share that is no whole number, two packets in a row are not always in the same repairs", () => {
  // One of the nine other members of a group: five in nine of its packets are repaired there.
  const plan = { groups: [GROUP], region: [2], targets: COPIES / 9 };
  const repairs: (readonly BinPacket[])[] = [];
  const random = new Random(3);
  const bins = new RandomBins(
    plan,
    limits,
    1,
    { packets: 0 },
    () => random.unit(),
    (targets, packets) => {
      expect(targets).toEqual([2]);
      repairs.push(packets);
    },
  );
  for (let place = 1; place <= 2_000; place++) bins.add(packetAt(place));
  const covered = new Set(repairs.flat().map(({ id }) => id.seq));
  const alone = [...covered].filter((seq) => !covered.has(seq + 1));
  expect(covered.size / 2_000).toBeCloseTo(5 / 9, 1);
  expect(alone.length / covered.size).toBeCloseTo(4 / 9, 1);
});

describe("repairs cost what the rate of fire says, c / r, within 5 % (K47)", () => {
  const MEMBERS = Array.from({ length: 12 }, (_, i) => i + 1);
  const PACKETS = 4_000;
  const shape = { group: GROUP, members: MEMBERS, repairs: COPIES };

  /** Repairs that members send among them for the packets of the first one. */
  function repairsOf(make: (me: number, fire: Fire) => Bins): number {
    let sent = 0;
    const all = MEMBERS.map((me) => make(me, (targets) => (sent += targets.length)));
    for (let place = 1; place <= PACKETS; place++) {
      for (const bins of all) {
        bins.advance(GROUP, 1);
        bins.add(packetAt(place));
      }
    }
    return sent;
  }

  function plan(me: number) {
    const [only] = planBins(me, [shape]);
    if (only === undefined) throw new Error("one region, one bin");
    return only;
  }

  function expectShare(sent: number, packets: number): void {
    const share = sent / packets / (COPIES / EVERY);
    expect(share).toBeGreaterThan(0.95);
    expect(share).toBeLessThan(1.05);
  }

  test("for each packet that a member received, with assigned targets: a sender is not repaired what it sent", () => {
    const traffic = { packets: 0 };
    const sent = repairsOf((me, fire) => new AssignedBins(me, [shape], () => true, limits, 1, traffic, fire));
    expectShare(sent, PACKETS * (MEMBERS.length - 1));
  });

  test("for each packet that a member received or sent, with aligned targets", () => {
    expectShare(
      repairsOf((me, fire) => new AlignedBins(me, plan(me), limits, 1, fire)),
      PACKETS * MEMBERS.length,
    );
  });

  test("for each packet that a member received or sent, with random targets", () => {
    const random = new Random(1);
    const traffic = { packets: 0 };
    const chance = (): number => random.unit();
    const sent = repairsOf((me, fire) => new RandomBins(plan(me), limits, 1, traffic, chance, fire));
    expectShare(sent, PACKETS * MEMBERS.length);
  });
});
