import { assert } from "../base/assert.ts";
import type { NodeId } from "../base/ids.ts";
import { NEVER } from "../machine/machine.ts";
import { clusterOf, kindOf, NodeKind, originOf } from "../wire/region/head.ts";
import { decodeLinkAck, decodeLinkData, encodeLinkAck, encodeLinkData, type LinkData } from "../wire/region/link.ts";
import { LinkReceiver } from "./link-receiver.ts";
import { type LinkLimits, type LinkMessage, LinkSender, type PieceSink } from "./link-sender.ts";

export type LinkConfig = LinkLimits & {
  readonly me: NodeId;
  readonly cluster: number;
};

export const linkDefaults: Omit<LinkConfig, "me" | "cluster"> = {
  datagramBytes: 1400,
  messageBytesMax: 1024 * 1024,
  messagesMax: 256,
  peerBytesMax: 4 * 1024 * 1024,
  windowBytes: 64 * 1024,
};

export interface LinkOutbox {
  /** A datagram for the control channel of another node. The bytes are given away. */
  transmit(to: NodeId, datagram: Uint8Array): void;
}

/** Counters for people and metrics. */
export type LinkStatistics = {
  messagesSent: number;
  messagesReceived: number;
  piecesSent: number;
  /** Pieces sent again because no acknowledgement came in time. */
  piecesRepeated: number;
  /** Pieces that had come before. */
  duplicates: number;
  acksSent: number;
  /** Datagrams that are malformed, of another cluster or for another node, and pieces beyond the limits. */
  refused: number;
};

/**
 * Small messages between this node and others, over datagrams that may be lost, repeated or reordered: tokens, acknowledgements and
 * requests of a region. Each is delivered whole and once, or the other node is never heard of again; in any order, since a token must
 * not wait for an older request that was lost.
 *
 * Whatever comes in one turn is acknowledged together at its end, by `flush`. What is not acknowledged is sent again by round-trip time
 * (`RoundTrip`), for as long as the other node is not declared failed: then `forget` ends it. Datagrams of a failed incarnation
 * must not be given to `receive` any more; its numbers would begin anew. A node that is idle costs its numbers and its
 * round-trip time, and no timer.
 */
export class Links {
  readonly #config: LinkConfig;
  readonly #outbox: LinkOutbox;
  readonly #senders = new Map<NodeId, LinkSender>();
  readonly #receivers = new Map<NodeId, LinkReceiver>();
  /** Those with something to send, now or if it is not acknowledged. */
  readonly #busy = new Set<LinkSender>();
  /** Those with something to acknowledge. */
  readonly #owing = new Map<NodeId, LinkReceiver>();
  readonly statistics: LinkStatistics = {
    messagesSent: 0,
    messagesReceived: 0,
    piecesSent: 0,
    piecesRepeated: 0,
    duplicates: 0,
    acksSent: 0,
    refused: 0,
  };

  constructor(config: LinkConfig, outbox: LinkOutbox) {
    this.#config = config;
    this.#outbox = outbox;
  }

  /** When `flush` wants to be called. */
  get deadline(): number {
    if (this.#owing.size > 0) return Number.NEGATIVE_INFINITY;
    let deadline = NEVER;
    for (const sender of this.#busy) if (sender.deadline < deadline) deadline = sender.deadline;
    return deadline;
  }

  /**
   * Takes a message for another node; it leaves at the next `flush`. `false` when too much for that node is unacknowledged: what
   * is asked or told every round had better be dropped then, since the next one says it anew.
   */
  send(to: NodeId, message: LinkMessage): boolean {
    assert(to !== this.#config.me, "a node has no link to itself");
    let sender = this.#senders.get(to);
    if (sender === undefined) {
      sender = new LinkSender(to, this.#config);
      this.#senders.set(to, sender);
    }
    if (!sender.offer(message)) return false;
    this.#busy.add(sender);
    this.statistics.messagesSent += 1;
    return true;
  }

  /** Messages for this node that are not acknowledged. */
  unacknowledgedMessages(to: NodeId): number {
    return this.#senders.get(to)?.messages ?? 0;
  }

  /** Nodes from which nothing has come for so long while something was to be acknowledged. */
  *silent(now: number, ms: number): Generator<NodeId> {
    for (const [node, sender] of this.#senders) if (sender.silentSince <= now - ms) yield node;
  }

  /** Bytes for this node that are not acknowledged; without those of messages that are yet to be made. */
  unacknowledgedBytes(to: NodeId): number {
    return this.#senders.get(to)?.bytes ?? 0;
  }

  /**
   * A datagram of kind linkData or linkAck whose head has been checked (`headFault`). Returns the message that it completes; its bytes
   * are a view of the datagram or of memory of their own, and are never changed.
   */
  receive(datagram: Uint8Array, now: number): Uint8Array | undefined {
    const from = originOf(datagram);
    const isOurs = clusterOf(datagram) === this.#config.cluster && from !== this.#config.me;
    const message = kindOf(datagram) === NodeKind.linkAck ? undefined : decodeLinkData(datagram);
    const ack = message === undefined ? decodeLinkAck(datagram) : undefined;
    if (!isOurs || (message ?? ack)?.receiver !== this.#config.me) {
      this.statistics.refused += 1;
    } else if (message !== undefined) {
      return this.#onData(from, message);
    } else if (ack !== undefined) {
      this.#senders.get(from)?.onAck(ack, now);
    }
    return undefined;
  }

  /** Sends what can be sent and what is due again, and acknowledges what has come. */
  flush(now: number): void {
    for (const [from, receiver] of this.#owing) {
      for (const ack of receiver.takeAcks()) {
        this.statistics.acksSent += 1;
        this.#outbox.transmit(from, encodeLinkAck(this.#config.cluster, this.#config.me, ack));
      }
    }
    this.#owing.clear();
    for (const sender of this.#busy) {
      if (sender.deadline <= now) sender.flush(now, this.#sink);
      if (sender.deadline === NEVER) this.#busy.delete(sender);
    }
  }

  /** The node has failed: nothing more is sent to it, and what it sent in part is gone. */
  forget(node: NodeId): void {
    const sender = this.#senders.get(node);
    if (sender !== undefined) this.#busy.delete(sender);
    this.#senders.delete(node);
    this.#receivers.delete(node);
    this.#owing.delete(node);
  }

  #onData(from: NodeId, data: LinkData): Uint8Array | undefined {
    let receiver = this.#receivers.get(from);
    if (receiver === undefined) {
      receiver = new LinkReceiver(from, this.#config);
      this.#receivers.set(from, receiver);
    }
    const outcome = receiver.onData(data);
    if (receiver.isAckDue) this.#owing.set(from, receiver);
    if (outcome === "refused") this.statistics.refused += 1;
    if (outcome === "duplicate") this.statistics.duplicates += 1;
    if (typeof outcome === "string") return undefined;
    this.statistics.messagesReceived += 1;
    return outcome;
  }

  readonly #sink: PieceSink = {
    piece: (data, isRepeated) => {
      this.statistics.piecesSent += 1;
      if (isRepeated) this.statistics.piecesRepeated += 1;
      this.#outbox.transmit(data.receiver, encodeLinkData(this.#config.cluster, this.#config.me, data));
    },
  };
}
