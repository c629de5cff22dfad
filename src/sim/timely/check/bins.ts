import type { GroupNumber, NodeId } from "../../../base/ids.ts";
import { timelyDefaults } from "../../../ricochet/config.ts";
import { EVERY_MAX, type Repairs } from "../../../wire/timely/repairs.ts";
import type { PacketId } from "../../../wire/timely/data.ts";
import type { TimelyCheckerFactory } from "./checker.ts";
import { nameOf, packetKey, packetName, type TimelyHistory } from "./history.ts";

/** A packet that a node has collected for repairs: as it came by itself, or was sent there. */
type Collected = {
  readonly at: number;
  readonly id: PacketId;
  /** Members of the group, as the node knew them. */
  readonly members: number;
  readonly repairs: Repairs;
  /** In a group that shares all other members with all other groups of the node that are repaired alike. */
  readonly isWhole: boolean;
  /** Repairs with it that have left for others than its sender, and all that have left. */
  toOthers: number;
  all: number;
  /** By machine. */
  readonly targets: Map<number, number>;
};

/** What a node has collected in groups that are repaired alike, and by how many repairs it may be covered. */
type Sum = { readonly repairs: Repairs; count: number; least: number; most: number; all: number };

/** A bin that is due is fired later than that if its node stands still. */
const LATE_MS = 3_000;
/** Of the number of repairs that chance may bring more or less. */
const SIGMAS = 6;

/**
 * K47: a repair has no more packets than (r, c) says, and less only when they have waited long enough or members change; all of them its origin has got
 * as they were sent, each once, in the order in which it got them; and all are of groups that whoever gets it is in. Each packet that a node has got
 * so is covered by as many of its repairs as (r, c) says: exactly, where targets are assigned; on average elsewhere.
 */
export const bins: TimelyCheckerFactory = (history, report) => {
  const collected = new Map<NodeId, Map<string, Collected>>();
  const { burstPackets = timelyDefaults.burstPackets, binMs = timelyDefaults.binMs } = history.schedule.timely;

  function collect(node: NodeId, id: PacketId, at: number): void {
    const members = history.membership(node, id.group)?.members;
    const repairs = history.plans.get(id.group)?.repairs;
    if (members === undefined || repairs === undefined) return;
    let all = collected.get(node);
    if (all === undefined) collected.set(node, (all = new Map()));
    all.set(packetKey(id), {
      at,
      id,
      members: members.length,
      repairs,
      isWhole: isWhole(history, node, id.group),
      toOthers: 0,
      all: 0,
      targets: new Map(),
    });
  }

  return {
    observe(event) {
      if (event.kind === "arrive" && (event.how === "sent" || event.how === "received")) {
        collect(event.node, event.id, event.at);
        return;
      }
      if (event.kind === "over") {
        for (const [node, packets] of collected) judge(node, packets.values(), event.at);
        return;
      }
      if (event.kind !== "repair") return;
      const { node, machine, repair } = event;
      let first: Collected | undefined;
      let last = 0;
      for (const id of repair.packets) {
        const fail = (what: string): void => {
          const where = `a repair of ${nameOf(history, node)} for machine ${machine}`;
          report(`${packetName(history, id)} in ${where}: ${what}`, event.at);
        };
        const packet = collected.get(node)?.get(packetKey(id));
        if (packet === undefined) {
          return fail("it did not come there as it was sent");
        }
        first ??= packet;
        // What a node sends as it hands over another packet is collected before that.
        if (packet.at < last) fail("not in the order in which they came");
        last = packet.at;
        const sharing = sharingOn(history, node, machine, id.group);
        if (sharing.length === 0) fail("who gets it is not in the group");
        const { every, targets, recovery, copies } = packet.repairs;
        if (!sharesBins(packet.repairs, first.repairs))
          fail("others in it are of groups that are repaired differently");
        const most = recovery === undefined ? every : EVERY_MAX;
        if (repair.packets.length > most) {
          return fail(`it is of ${repair.packets.length} packets, ${most} at most`);
        }
        if (copies === 0) fail("its group is not repaired");
        packet.all++;
        if (sharing.some((member) => member !== packet.id.sender)) packet.toOthers++;
        const again = (packet.targets.get(machine) ?? 0) + 1;
        if (targets === "assigned" && again > sharing.length) fail(`it has been sent there ${again} times`);
        packet.targets.set(machine, again);
      }
      if (first === undefined || first.repairs.recovery !== undefined || burstPackets > 1) return;
      const isShort = repair.packets.length < first.repairs.every;
      const isExcused = history.node(node).isApplying || event.at - first.at >= binMs * 0.9;
      // Windows of aligned bins are of packets of the streams, whether they came or not.
      if (isShort && !isExcused && (first.repairs.targets === "random" || first.repairs.targets === "assigned")) {
        report(`${nameOf(history, node)} sends a repair of ${repair.packets.length} packets too soon`, event.at);
      }
    },
  };

  function judge(node: NodeId, packets: Iterable<Collected>, now: number): void {
    const { endedAt = now } = history.node(node);
    const sums = new Map<string, Sum>();
    for (const packet of packets) {
      const { members, repairs, id } = packet;
      const { copies, targets, recovery } = repairs;
      if (members < 2 || recovery !== undefined || packet.at + binMs + LATE_MS > endedAt) continue;
      const isOwn = id.sender === node;
      const others = members - 1;
      if (targets === "assigned") {
        const most = Math.min(copies, others);
        const isRight = packet.toOthers === most || (!isOwn && packet.toOthers === most - 1);
        if (isRight) continue;
        const what = `${packetName(history, packet.id)}, collected at ${packet.at.toFixed(3)} ms,`;
        report(`${nameOf(history, node)} repairs ${what} at ${packet.toOthers} members instead of ${most}`, now);
        return;
      }
      const kind = kindOf(repairs);
      let sum = sums.get(kind);
      if (sum === undefined) sums.set(kind, (sum = { repairs, count: 0, least: 0, most: 0, all: 0 }));
      sum.count++;
      sum.all += packet.all;
      sum.most += copies;
      // Turns of aligned bins begin with the whole part of a share; and assigned ones leave the sender out.
      const isExact = targets === "random" || (targets === "aligned" && packet.isWhole);
      if (isExact) sum.least += Math.min(copies, others);
      else if (targets === "auto" && packet.isWhole)
        sum.least += Math.min(copies, others) * (isOwn ? 1 : 1 - 1 / others);
    }
    for (const { repairs, count, least, most, all } of sums.values()) {
      const { every, copies, targets } = repairs;
      const slack = SIGMAS * Math.sqrt(most * every) + every * copies;
      if (all >= least - slack && all <= most + slack) continue;
      report(
        `${nameOf(history, node)} covers ${count} packets (${every}, ${copies}) ${targets} by ${all} repairs, not by ${Math.round(least)} to ${Math.round(most)}`,
        now,
      );
    }
  }
};

/** Lives of the machine that are members of the group for the origin: one that has failed, or that ended before it knew of itself, may still be. */
export function sharingOn(
  history: TimelyHistory,
  origin: NodeId,
  machine: number,
  group: GroupNumber,
): readonly NodeId[] {
  const membership = history.membership(origin, group);
  const known = new Set([...(membership?.members ?? []), ...(membership?.before ?? [])]);
  known.delete(origin);
  return [...known].filter((member) => history.machines.get(member) === machine);
}

function isWhole(history: TimelyHistory, node: NodeId, group: GroupNumber): boolean {
  const own = history.membership(node, group)?.members ?? [];
  const plan = history.plans.get(group)?.repairs;
  for (const { group: other, members } of history.node(node).groups.values()) {
    const repairs = history.plans.get(other)?.repairs;
    if (other === group || members === undefined || repairs === undefined || plan === undefined) continue;
    const isAlike = repairs.copies > 0 && sharesBins(repairs, plan);
    if (isAlike && (members.length !== own.length || members.some((member, i) => member !== own[i]))) return false;
  }
  return true;
}

export function sharesBins(one: Repairs, other: Repairs): boolean {
  return one.every === other.every && one.targets === other.targets && one.recovery === other.recovery;
}

function kindOf({ every, copies, targets, recovery }: Repairs): string {
  return `${every} ${copies} ${targets} ${recovery}`;
}
