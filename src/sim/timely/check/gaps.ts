import type { GroupNumber, NodeId } from "../../../base/ids.ts";
import { timelyDefaults } from "../../../ricochet/config.ts";
import type { TimelyCheckerFactory } from "./checker.ts";
import { nameOf, packetKey, packetName, type PacketRecord } from "./history.ts";

/** Clocks differ by less; and a node that was behind needs so long to catch up with what is known of it. */
const CLOCKS = 0.99;
const BEHIND_MS = 1_500;
/** The time between two requests doubles so often. */
const DOUBLINGS_MAX = 4;
/** Without faults everything is there after this. */
const CALM_MS = 100;
/** After `quietAt` everybody is back, and knows of it. */
export const SETTLED_AFTER_MS = 3_000;

/** For how long a packet is asked for before it is lost, as its receiver is set (requests.ts). */
export function patienceMs({ nakMs = timelyDefaults.nakMs, nakMax = timelyDefaults.nakMax }): number {
  let sum = 0;
  for (let asked = 0; asked <= nakMax; asked++) sum += nakMs * 2 ** Math.min(asked, DOUBLINGS_MAX);
  return sum;
}

/**
 * K49: while sender and receiver are both members, every packet comes or is told as lost, and none of a stream is left out without a word; what is
 * lost was asked for as long as it should be, or not kept any more; what is asked for when nothing is lost any more comes; and what is sent then comes
 * at once.
 */
export const gaps: TimelyCheckerFactory = (history, report) => {
  /** By node: what has become of packets there, and when; and the first that it has of a stream. */
  const fates = new Map<NodeId, Map<string, number>>();
  const firsts = new Map<string, number>();
  const { timely, quietAt } = history.schedule;
  const { sentMs = timelyDefaults.sentMs } = timely;
  const leastMs = Math.min(patienceMs(timely), sentMs) * CLOCKS;
  const pauseMaxMs = Math.min(patienceMs(timely), (timely.nakMs ?? timelyDefaults.nakMs) * 2 ** DOUBLINGS_MAX);
  const askedAgainAt = quietAt + pauseMaxMs + CALM_MS;

  function settle(node: NodeId, key: string, at: number): void {
    let known = fates.get(node);
    if (known === undefined) fates.set(node, (known = new Map()));
    if (!known.has(key)) known.set(key, at);
  }

  return {
    observe(event) {
      if (event.kind === "arrive" && event.how !== "sent") {
        settle(event.node, packetKey(event.id), event.at);
        const stream = streamKey(event.node, event.id.sender, event.id.group);
        firsts.set(stream, Math.min(firsts.get(stream) ?? Number.POSITIVE_INFINITY, event.id.seq));
      } else if (event.kind === "lost") {
        for (let i = 0; i < event.count; i++) {
          const id = { ...event.first, seq: event.first.seq + i };
          settle(event.node, packetKey(id), event.at);
          onLost(event.node, history.packets.get(packetKey(id)), event.at);
        }
      } else if (event.kind === "over") {
        for (const packet of history.packets.values()) onOver(packet, event.at);
        for (const { node, missing } of event.remains) {
          if (missing > 0) report(`${nameOf(history, node)} still misses ${missing} packets`, event.at);
        }
      }
    },
  };

  function onLost(node: NodeId, packet: PacketRecord | undefined, at: number): void {
    const receiver = packet?.receivers.find((one) => one.node === node);
    if (packet === undefined || receiver === undefined || !history.isEntitled(packet, receiver)) return;
    const { isBehind, behindAt } = history.node(node);
    if (isBehind || at < behindAt + BEHIND_MS) return;
    const age = at - packet.at;
    const what = `${packetName(history, packet.id)} is given up at ${nameOf(history, node)} after ${Math.round(age)} ms`;
    if (age < leastMs) report(what, at);
    // By then it has been asked for once more, and both that and the answer come.
    else if (at > askedAgainAt && age < sentMs * CLOCKS)
      report(`${what}, though its sender has it and nothing is lost any more`, at);
  }

  function onOver(packet: PacketRecord, now: number): void {
    for (const receiver of packet.receivers) {
      const { node } = receiver;
      if (node === packet.id.sender || !history.isEntitled(packet, receiver)) continue;
      const at = fates.get(node)?.get(packet.key);
      const where = `${packetName(history, packet.id)} at ${nameOf(history, node)}`;
      if (at === undefined) {
        const first = firsts.get(streamKey(node, packet.id.sender, packet.id.group));
        const isFirst = first === undefined || packet.id.seq < first;
        report(`${where} has neither come nor been told as lost${isFirst ? " (a first one)" : ""}`, now);
      } else if (packet.at > quietAt + SETTLED_AFTER_MS && at > packet.at + CALM_MS) {
        report(`${where} took ${Math.round(at - packet.at)} ms, though there are no faults`, now);
      }
    }
  }
};

function streamKey(node: NodeId, sender: NodeId, group: GroupNumber): string {
  return `${node} ${sender} ${group}`;
}
