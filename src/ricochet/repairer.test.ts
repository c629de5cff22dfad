import { describe, expect, test } from "vitest";
import type { NodeId } from "../base/ids.ts";
import type { PacketId } from "../wire/timely/data.ts";
import { encodeTimelyData } from "../wire/timely/data.ts";
import { decodeRepair, type Repair } from "../wire/timely/repair.ts";
import type { GroupShape } from "./bin-plan.ts";
import { type TimelyConfig, timelyDefaults } from "./config.ts";
import type { RateOfFire } from "./rate-of-fire.ts";
import { Repairer } from "./repairer.ts";

const RECOVERY = 0.99;
const GROUP = 1;

type Sent = { readonly origin: NodeId; readonly target: NodeId; readonly bytes: Uint8Array; readonly repair: Repair };

/** Members of one group that all get all packets. */
class Members {
  readonly sent: Sent[] = [];
  readonly repairers: Repairer[];
  #seq = 0;

  constructor(count: number, shape: Partial<GroupShape>, config: Partial<TimelyConfig> = {}) {
    const members = Array.from({ length: count }, (_, i) => i + 1);
    this.repairers = members.map((me) => {
      const repairer = new Repairer(
        { ...timelyDefaults, me, cluster: 1, ...config },
        {
          repair: (target, bytes) => {
            const repair = decodeRepair(bytes);
            if (repair !== undefined) this.sent.push({ origin: me, target, bytes, repair });
          },
          random: () => 0.5,
        },
      );
      repairer.setGroups([{ group: GROUP, members, repairs: 5, ...shape }], () => 0);
      return repairer;
    });
  }

  /** A packet of the first member, at all of them. */
  packet(now: number, payloadBytes = 10, sender = 1): PacketId {
    const id = { sender, group: GROUP, seq: ++this.#seq };
    const bytes = encodeTimelyData(1, id, { view: 1, before: 0, joined: 1 }, new Uint8Array(payloadBytes));
    for (const repairer of this.repairers) {
      repairer.advance(GROUP, 1);
      repairer.collect({ id, bytes, at: now, checksum: undefined }, now);
    }
    return id;
  }

  /** Everybody is told how a member wants to be repaired. */
  wish(member: NodeId, rate: RateOfFire): void {
    for (const repairer of this.repairers) repairer.setRate(member, RECOVERY, rate);
  }

  /** How many repairs cover each of these packets at the member, on average. */
  coverageOf(member: NodeId, ids: readonly PacketId[]): number {
    const seqs = new Set(ids.map(({ seq }) => seq));
    let covering = 0;
    for (const { target, repair } of this.sent) {
      if (target === member) covering += repair.packets.filter(({ seq }) => seqs.has(seq)).length;
    }
    return covering / ids.length;
  }
}

describe("repairs of groups whose members choose for themselves", () => {
  for (const [how, alignedMin] of [
    ["aligned", 1],
    ["assigned", 100],
  ] as const) {
    test(`cover each packet as often as each member wants (${how})`, () => {
      const members = new Members(12, { recovery: RECOVERY }, { alignedMin });
      for (let now = 0; now < 1_000; now++) members.packet(now);
      members.wish(3, { every: 8, copies: 2, burst: 1 });
      members.wish(4, { every: 8, copies: 9, burst: 1 });
      members.sent.length = 0;
      const ids = Array.from({ length: 4_000 }, (_, i) => members.packet(1_000 + i));
      expect(members.coverageOf(3, ids)).toBeCloseTo(2, 1);
      expect(members.coverageOf(4, ids)).toBeCloseTo(9, 1);
      expect(members.coverageOf(5, ids)).toBeCloseTo(5, 1);
    });

    test(`are of as many packets, as far apart, as members want (${how})`, () => {
      const members = new Members(8, { recovery: RECOVERY }, { alignedMin });
      for (let member = 1; member <= 8; member++) members.wish(member, { every: 6, copies: 3, burst: 4 });
      for (let now = 0; now < 2_000; now++) members.packet(now);
      const late = members.sent.filter(({ repair }) => (repair.packets[0]?.seq ?? 0) > 1_000);
      expect(late.length).toBeGreaterThan(100);
      const full = late.filter(({ repair }) => repair.packets.length === 6);
      expect(full.length / late.length).toBeGreaterThan(0.9);
      const spans = full.map(({ repair }) => (repair.packets[5] as PacketId).seq - (repair.packets[0] as PacketId).seq);
      for (const span of spans) expect(span).toBeGreaterThan(how === "aligned" ? 19 : 8);
    });
  }

  test.each([6, 7, 8, 9, 10, 13])(
    "of %i members: two packets are hardly ever together in all of three repairs",
    (count) => {
      const members = new Members(count, { recovery: RECOVERY }, { alignedMin: 1 });
      for (let member = 1; member <= count; member++) members.wish(member, { every: 16, copies: 3, burst: 1 });
      for (let now = 0; now < 500; now++) members.packet(now);
      members.sent.length = 0;
      const last = 1_300;
      for (let now = 500; now < last; now++) members.packet(now);
      const repairs = new Map<number, ReadonlySet<number>[]>();
      for (const { target, repair } of members.sent) {
        if (target !== 2) continue;
        const seqs = new Set(repair.packets.map(({ seq }) => seq));
        for (const seq of seqs) repairs.set(seq, [...(repairs.get(seq) ?? []), seqs]);
      }
      let [packets, together] = [0, 0];
      // Windows of before and after are not whole here.
      for (let seq = 650; seq < last - 150; seq++, packets++) {
        const mine = repairs.get(seq) ?? [];
        expect(mine.length).toBe(3);
        for (let d = 1; d < 16; d++) if (mine.every((seqs) => seqs.has(seq + d))) together++;
      }
      // At 1 % loss a partner that is lost too, before or behind it, keeps fewer than one loss in two hundred from being repaired.
      expect(together / packets).toBeLessThan(0.25);
    },
  );

  test("do not heed nodes that are no members", () => {
    const members = new Members(8, { recovery: RECOVERY });
    members.wish(99, { every: 2, copies: 1, burst: 9 });
    const ids = Array.from({ length: 2_000 }, (_, i) => members.packet(i));
    expect(members.coverageOf(3, ids)).toBeCloseTo(5, 1);
    expect(members.sent.some(({ target }) => target === 99)).toBe(false);
    expect(members.sent.filter(({ repair }) => repair.packets.length === 8).length).toBeGreaterThan(1_000);
  });

  test("go back to what is usual for a member that comes anew", () => {
    const members = new Members(8, { recovery: RECOVERY });
    members.wish(3, { every: 8, copies: 1, burst: 1 });
    for (const [i, repairer] of members.repairers.entries()) {
      const others = [1, 2, 4, 5, 6, 7, 8];
      if (i !== 2) repairer.setGroups([{ group: GROUP, members: others, repairs: 5, recovery: RECOVERY }], () => 0);
      const all = [...others, 3].sort((a, b) => a - b);
      repairer.setGroups([{ group: GROUP, members: all, repairs: 5, recovery: RECOVERY }], () => 0);
    }
    const ids = Array.from({ length: 2_000 }, (_, i) => members.packet(i));
    expect(members.coverageOf(3, ids)).toBeCloseTo(5, 1);
  });
});

describe("repairs", () => {
  test("are of fewer packets where more would not fit into a datagram", () => {
    const members = new Members(8, { packetsPerRepair: 32, targets: "aligned" });
    for (let now = 0; now < 200; now++) members.packet(now, 1_160);
    expect(members.sent.length).toBeGreaterThan(50);
    for (const { bytes } of members.sent) expect(bytes.length).toBeLessThanOrEqual(timelyDefaults.datagramBytes);
  });

  test("tell, not too often, which packets of other streams came last (B18)", () => {
    const members = new Members(3, { repairs: 2, packetsPerRepair: 4, targets: "random" });
    const last = members.packet(0, 10, 2);
    for (let now = 1; now < 200; now++) members.packet(now);
    const toThird = members.sent.filter(({ origin, target }) => origin === 1 && target === 3);
    const telling = toThird.filter(({ repair }) => repair.lasts.length > 0);
    // It is in the first repair itself; those told of later do not name it as a packet, but as the last of its stream.
    expect(toThird[0]?.repair.packets).toContainEqual(last);
    expect(telling.length).toBeGreaterThan(0);
    expect(telling.length).toBeLessThanOrEqual(200 / 50);
    for (const { repair } of telling) expect(repair.lasts).toEqual([last]);
  });
});
