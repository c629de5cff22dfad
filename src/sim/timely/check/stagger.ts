import type { GroupNumber, NodeId } from "../../../base/ids.ts";
import { timelyDefaults } from "../../../ricochet/config.ts";
import type { Repairs } from "../../../wire/timely/repairs.ts";
import type { PacketId } from "../../../wire/timely/data.ts";
import { sharesBins, sharingOn } from "./bins.ts";
import type { TimelyCheckerFactory } from "./checker.ts";
import { packetKey } from "./history.ts";

/** What has come to a node so far, packets by their groups and repairs, each once; where in that each packet is; and where its bins began. */
type Arrivals = { readonly all: (GroupNumber | "repair")[]; readonly places: Map<string, number>; since: number };

/** Of bins that are new it is not known yet what share of all packets falls to them; that is known from so many of the last. */
const SETTLED = 100;
const WINDOW = 768;
/** Neighbours in repairs until their distances say something; and the share of what they should be that they are on average, at least. */
const PAIRS_MIN = 150;
const SHARE = 0.5;

/**
 * K48: of a burst of losses, as many packets fall to a bin as its share of all that comes to the node says; so many packets are between neighbours in a
 * repair, on average, of those that could be in it: others of the groups that its origin shares with its target. Aligned bins do not know this share,
 * but what (r, c) says that it is. (Which packets fall to a bin is partly chance, and shares change: half of that is asked for.)
 */
export const stagger: TimelyCheckerFactory = (history, report) => {
  const { burstPackets = timelyDefaults.burstPackets } = history.schedule.timely;
  const arrivals = new Map<NodeId, Arrivals>();
  /** Of all repairs, by how their targets are chosen. */
  const distances = new Map<string, { pairs: number; sum: number; wanted: number }>();

  function at(node: NodeId): Arrivals {
    let known = arrivals.get(node);
    if (known === undefined) arrivals.set(node, (known = { all: [], places: new Map(), since: 0 }));
    return known;
  }

  return {
    observe(event) {
      if (burstPackets === 1) return;
      if (event.kind === "repaired") at(event.node).all.push("repair");
      else if (event.kind === "arrive" && (event.how === "sent" || event.how === "received")) {
        at(event.node).places.set(packetKey(event.id), at(event.node).all.push(event.id.group) - 1);
      } else if (event.kind === "members") {
        // Bins begin anew.
        at(event.node).since = at(event.node).all.length;
      } else if (event.kind === "repair") measure(event.node, event.machine, event.repair.packets);
      else if (event.kind === "over") {
        for (const [targets, { pairs, sum, wanted }] of distances) {
          if (pairs < PAIRS_MIN || sum >= wanted * SHARE) continue;
          const apart = (sum / pairs).toFixed(1);
          const what = `packets of ${targets} repairs are ${apart} apart`;
          report(`${what}, of which bursts of ${burstPackets} take ${(wanted / pairs).toFixed(1)}`, event.at);
        }
      }
    },
  };

  function measure(node: NodeId, machine: number, packets: readonly PacketId[]): void {
    const { all, places, since } = at(node);
    const found = packets.map((id) => places.get(packetKey(id)) ?? 0);
    const [first, last] = [found[0] ?? 0, found.at(-1) ?? 0];
    const repairs = history.plans.get(packets[0]?.group ?? 0)?.repairs;
    if (repairs === undefined || repairs.recovery !== undefined || first < since + SETTLED) return;
    const isMine = eligible(node, machine, repairs);
    const count = (from: number, to: number): number => {
      let sum = 0;
      for (let i = from; i < to; i++) if (isMine.has(all[i] as GroupNumber | "repair")) sum++;
      return sum;
    };
    const from = Math.max(since, last - WINDOW);
    const { every, copies, targets } = repairs;
    const ofBurst = (burstPackets * count(from, last)) / (last - from);
    const isAligned = targets === "aligned" || targets === "auto";
    const wanted = isAligned ? Math.min(ofBurst, burstPackets / (1 + copies / every)) : ofBurst;
    let known = distances.get(targets);
    if (known === undefined) distances.set(targets, (known = { pairs: 0, sum: 0, wanted: 0 }));
    known.pairs += found.length - 1;
    known.sum += count(first, last);
    known.wanted += (found.length - 1) * Math.max(1, wanted);
  }

  /** The groups that may share repairs with each other, and that whoever runs on the machine is in, for the node. */
  function eligible(node: NodeId, machine: number, repairs: Repairs): ReadonlySet<GroupNumber | "repair"> {
    const groups = new Set<GroupNumber | "repair">();
    for (const group of history.node(node).groups.keys()) {
      const plan = history.plans.get(group)?.repairs;
      if (plan === undefined || plan.copies === 0 || !sharesBins(plan, repairs)) continue;
      if (sharingOn(history, node, machine, group).length > 0) groups.add(group);
    }
    return groups;
  }
};
