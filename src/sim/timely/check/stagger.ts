import type { NodeId } from "../../../base/ids.ts";
import { timelyDefaults } from "../../../ricochet/config.ts";
import type { PacketId } from "../../../wire/timely/data.ts";
import type { TimelyCheckerFactory } from "./checker.ts";
import { packetKey } from "./history.ts";

/** What has come to a node so far, packets and repairs, each once; and where in that each packet is. */
type Arrivals = { all: number; readonly places: Map<string, number>; since: number };

/** Of bins that are new it is not known yet what share of all packets falls to them. */
const SETTLED = 100;
/** Neighbours in repairs until their distances say something; and the share of a burst that they are apart on average, at least. */
const PAIRS_MIN = 150;
const SHARE = 0.5;

/**
 * K48: packets that are neighbours in a repair came to its origin so far apart, by what came there in between, that a burst of losses takes one of them as
 * a rule: on average as far as bursts are long. (Which packets fall to a bin is partly chance, and its share is known from what was lately: half of that is asked for.)
 */
export const stagger: TimelyCheckerFactory = (history, report) => {
  const { burstPackets = timelyDefaults.burstPackets } = history.schedule.timely;
  const arrivals = new Map<NodeId, Arrivals>();
  /** Of all repairs, by how their targets are chosen. */
  const distances = new Map<string, { pairs: number; sum: number }>();

  function at(node: NodeId): Arrivals {
    let known = arrivals.get(node);
    if (known === undefined) arrivals.set(node, (known = { all: 0, places: new Map(), since: 0 }));
    return known;
  }

  return {
    observe(event) {
      if (burstPackets === 1) return;
      if (event.kind === "repaired") at(event.node).all++;
      else if (event.kind === "arrive" && (event.how === "sent" || event.how === "received")) {
        at(event.node).places.set(packetKey(event.id), at(event.node).all++);
      } else if (event.kind === "members") {
        // Bins begin anew.
        at(event.node).since = at(event.node).all;
      } else if (event.kind === "repair") measure(event.node, event.repair.packets);
      else if (event.kind === "over") {
        for (const [targets, { pairs, sum }] of distances) {
          if (pairs < PAIRS_MIN || sum / pairs >= burstPackets * SHARE) continue;
          const apart = (sum / pairs).toFixed(1);
          const what = `packets of ${targets} repairs are ${apart} apart`;
          report(`${what}, which bursts of ${burstPackets} take together`, event.at);
        }
      }
    },
  };

  function measure(node: NodeId, packets: readonly PacketId[]): void {
    const { places, since } = at(node);
    const found = packets.map((id) => places.get(packetKey(id)) ?? 0);
    const repairs = history.plans.get(packets[0]?.group ?? 0)?.repairs;
    if (repairs === undefined || repairs.recovery !== undefined || (found[0] ?? 0) < since + SETTLED) return;
    let known = distances.get(repairs.targets);
    if (known === undefined) distances.set(repairs.targets, (known = { pairs: 0, sum: 0 }));
    known.pairs += found.length - 1;
    known.sum += (found.at(-1) ?? 0) - (found[0] ?? 0);
  }
};
