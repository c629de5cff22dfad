import type { NodeId } from "../../../base/ids.ts";
import type { TimelyCheckerFactory } from "./checker.ts";
import { nameOf, packetKey, packetName } from "./history.ts";

/**
 * K46: what is handed over is what was sent, once, however it has come; not after it was told as lost; and only to members. What is told as lost was not
 * handed over, and is told once. Both are only of packets that are for this node. A number is used once.
 */
export const soundness: TimelyCheckerFactory = (history, report) => {
  /** By node: what it has been given, and what it was told not to expect. */
  const given = new Map<NodeId, Set<string>>();
  const lost = new Map<NodeId, Set<string>>();
  const used = new Set<string>();
  return {
    observe(event) {
      if (event.kind === "lost") {
        const { first, count } = event;
        for (let i = 0; i < count; i++) {
          const id = { ...first, seq: first.seq + i };
          const key = packetKey(id);
          const where = `${packetName(history, id)} at ${nameOf(history, event.node)}`;
          if (given.get(event.node)?.has(key) === true) report(`${where} is told as lost, and was delivered`, event.at);
          if (setAt(lost, event.node).has(key)) report(`${where} is told as lost twice`, event.at);
          const sent = history.packets.get(key);
          if (sent === undefined) report(`${where} is told as lost, and was never sent`, event.at);
          else if (!history.isFor(sent, event.node)) report(`${where} is told as lost, and is not for it`, event.at);
          setAt(lost, event.node).add(key);
        }
        return;
      }
      if (event.kind !== "arrive") return;
      const key = packetKey(event.id);
      const where = `${packetName(history, event.id)} at ${nameOf(history, event.node)}`;
      if (event.how === "sent") {
        if (event.id.sender !== event.node) report(`${where} was sent by another node`, event.at);
        if (used.has(key)) report(`${where}: the number is used twice`, event.at);
        used.add(key);
        return;
      }
      if (event.id.sender === event.node) report(`${where} comes back to its sender`, event.at);
      if (setAt(given, event.node).has(key)) report(`${where} is delivered twice`, event.at);
      setAt(given, event.node).add(key);
      if (lost.get(event.node)?.has(key) === true) report(`${where} is delivered, and was told as lost`, event.at);
      const sent = history.packets.get(key);
      if (sent === undefined) report(`${where} was never sent`, event.at);
      else if (!history.isFor(sent, event.node)) report(`${where} is not for it`, event.at);
      else if (!equal(sent.payload, event.payload)) report(`${where} is not what was sent (${event.how})`, event.at);
      const membership = history.membership(event.node, event.id.group);
      if (membership?.members === undefined) report(`${where} is delivered to who is not in the group`, event.at);
    },
  };
};

/** K46, at its source: a repair is the exclusive or of the very packets that it names, as they were sent. */
export const repairContent: TimelyCheckerFactory = (history, report) => ({
  observe(event) {
    if (event.kind !== "repair") return;
    const { packets, xor, lengths } = event.repair;
    const expected = new Uint8Array(xor.length);
    let expectedLengths = 0;
    for (const id of packets) {
      const bytes = history.packets.get(packetKey(id))?.bytes;
      if (bytes === undefined || bytes.length > xor.length) {
        report(`${nameOf(history, event.node)} repairs ${packetName(history, id)}, which was not sent so`, event.at);
        return;
      }
      expectedLengths ^= bytes.length;
      for (let i = 0; i < bytes.length; i++) expected[i] = (expected[i] as number) ^ (bytes[i] as number);
    }
    if (lengths === expectedLengths && equal(xor, expected)) return;
    report(`${nameOf(history, event.node)} sends a repair that is not the exclusive or of its packets`, event.at);
  },
});

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function setAt<K>(sets: Map<K, Set<string>>, key: K): Set<string> {
  let set = sets.get(key);
  if (set === undefined) sets.set(key, (set = new Set()));
  return set;
}
