import { assert } from "../../base/assert.ts";
import { type GroupNumber, type NodeId, type RegionViewId, regionViewKey, sameRegionView } from "../../base/ids.ts";
import type { Random } from "../../base/random.ts";
import type { SettledStream } from "../../cms/settled.ts";
import type { Change, NodeInfo } from "../../cms/views.ts";
import { type NodeConfig, nodeDefaults } from "../../qsm/config.ts";
import { Node } from "../../qsm/node.ts";
import type { NodeChannel, NodeOutbox } from "../../qsm/outbox.ts";
import { isData, itemsAt, regionOf, seqOf, viewOf } from "../../wire/region/data.ts";
import { kindOf, NodeKind, originOf } from "../../wire/region/head.ts";
import {
  hybridCountOf,
  hybridItemsAt,
  hybridRegionOf,
  hybridSeqOf,
  hybridViewOf,
  isHybrid,
  isHybridResent,
} from "../../wire/region/hybrid.ts";
import { ItemCursor } from "../../wire/region/items.ts";
import { decodeLast } from "../../wire/region/last.ts";
import { decodePayload, encodePayload, PAYLOAD_BYTES_MIN } from "../payload.ts";
import type { SimChannel, SimProcess } from "../sim-process.ts";
import { type MessageNumber, messageNumber } from "../trace.ts";
import { coverChange } from "./cells.ts";
import type { FirstPiece, RegionEvent } from "./event.ts";
import { NodeProbe } from "./node-probe.ts";
import { ControlTap } from "./control-tap.ts";

/** What a node process uses of the simulated network and of its path to the membership service. */
export type NodeNetwork = {
  multicast(address: number, bytes: Uint8Array): void;
  unicast(machine: number, channel: SimChannel, bytes: Uint8Array): void;
  /** As this machine finds it: otherwise what it sends goes to each by itself, or is passed on. */
  readonly canMulticast: boolean;
  listen(address: number): void;
  unlisten(address: number): void;
};

export type NodeReports = Pick<NodeOutbox, "installed" | "retired" | "inquire" | "settled">;

export type NodeSettings = {
  readonly config: Omit<NodeConfig, "me" | "cluster">;
  /** Forwarded packets share a class with tokens, as in the paper's measured system (protocols.md A57). */
  readonly twoClass: boolean;
};

/** `RegionEvent` without its time. */
export type Happening = RegionEvent extends infer E ? (E extends RegionEvent ? Omit<E, "at"> : never) : never;

const CLUSTER = 7;

/** One life of a node on a simulated machine. Tells what it does and what is done to it. */
export class NodeProcess implements SimProcess {
  readonly info: NodeInfo;
  readonly node: Node;
  readonly #number: number;
  readonly #twoClass: boolean;
  readonly #tell: (event: Happening) => void;
  readonly #network: NodeNetwork;
  readonly #probe: NodeProbe;
  readonly #tap: ControlTap;
  readonly #cursor = new ItemCursor();
  readonly #fenced = new Set<NodeId>();
  /** The message that a piece which is not a first one continues, by region view. */
  readonly #begun = new Map<string, MessageNumber>();
  /** Messages of which nothing has gone out yet, with their groups. */
  readonly #submitted = new Map<MessageNumber, GroupNumber>();
  /** Messages that wait for room. */
  #waiting: { readonly group: string; readonly bytes: number }[] = [];
  #isFull = false;
  #counter = 0;
  #appliedSeq = 0;
  #turn = 0;
  #untold = 0;
  #hasEnded = false;

  /** `number`: of this life, among all of the run. */
  constructor(
    info: NodeInfo,
    number: number,
    settings: NodeSettings,
    network: NodeNetwork,
    reports: NodeReports,
    random: Random,
    now: number,
    tell: (event: Happening) => void,
  ) {
    this.info = info;
    this.#number = number;
    this.#twoClass = settings.twoClass;
    this.#network = network;
    this.#tell = tell;
    const config = { ...nodeDefaults, ...settings.config, me: info.id, cluster: CLUSTER };
    this.node = new Node(config, this.#outbox(reports, random), now);
    this.#probe = new NodeProbe(this.node, info.id, tell);
    this.#tap = new ControlTap(info.id);
  }

  /** The last change that was applied. */
  get appliedSeq(): number {
    return this.#appliedSeq;
  }

  /** Position in the service's log up to which changes are applied. */
  get applied(): number {
    return this.node.applied;
  }

  get deadline(): number {
    return this.#hasEnded ? Number.POSITIVE_INFINITY : this.node.deadline;
  }

  tick(now: number): void {
    if (this.#hasEnded) return;
    this.#turn++;
    this.node.relays = !this.#network.canMulticast;
    this.node.tick(now);
    this.#noteUntold();
    this.#probe.look();
    this.#tell({ kind: "ticked", node: this.info.id });
  }

  receive(socket: SimChannel, bytes: Uint8Array, now: number): void {
    if (this.#hasEnded) return;
    const channel = channelOf(socket, bytes);
    const from = originOf(bytes);
    const isFenced = this.#fenced.has(from) && channel !== "repair";
    const before = isFenced ? this.#traceOf(bytes) : undefined;
    const numbers = channel === "control" ? [] : numbersOf(bytes);
    const fresh = numbers.filter(({ id, seq }) => this.#streamOf(id, from)?.has(seq) === false);
    this.node.receive(channel, bytes, now);
    for (const number of fresh) {
      if (this.#streamOf(number.id, from)?.has(number.seq) !== true) continue;
      this.#taken(number, from, channel === "data" && !isAgain(bytes));
    }
    if (isFenced) {
      const isAccepted = this.#traceOf(bytes) !== before;
      this.#tell({ kind: "fencedHeard", node: this.info.id, from, isAccepted });
    }
    this.#endTurn(now);
    if (channel !== "control") return;
    const token = this.#tap.token(bytes);
    if (token !== undefined) this.#probe.visited(token);
    this.#probe.look();
  }

  apply(change: Change, now: number): void {
    if (this.#hasEnded) return;
    coverChange(change);
    this.#appliedSeq = change.seq;
    this.#tell({ kind: "applying", node: this.info.id });
    for (const node of change.failed) this.#fenced.add(node);
    const before = new Set([...this.node.regions].map(({ id }) => regionViewKey(id)));
    this.node.apply(change, now);
    for (const { id, streams } of this.node.regions) {
      if (before.has(regionViewKey(id))) continue;
      for (const { sender, maxCome: seq } of streams.values()) {
        if (seq > 0) this.#tell({ kind: "awaited", node: this.info.id, id, sender, seq });
      }
    }
    const known = [...this.node.views.regions.values()];
    this.#tell({ kind: "applied", node: this.info.id, change, known });
    this.#endTurn(now);
    this.#probe.look();
  }

  /** The application sends a message, if the node is in the group by then. */
  send(group: string, bytes: number, now: number): void {
    if (this.#hasEnded) return;
    if (this.#isFull) this.#waiting.push({ group, bytes });
    else this.#send(group, bytes, now);
    this.#endTurn(now);
  }

  /** The application stops to keep up, or does again. */
  hold(isHeld: boolean, now: number): void {
    if (this.#hasEnded) return;
    this.node.hold(isHeld);
    this.#endTurn(now);
  }

  /** The membership service has given up this life: it does nothing any more. What was accepted of it is stable. */
  expelled(settled: readonly SettledStream[]): void {
    this.node.expelled(settled);
    this.#hasEnded = true;
  }

  /** Packets that are kept, and views in which not everything is stable. */
  remains() {
    let keptPackets = 0;
    const current = new Set([...this.node.views.regions.values()].map(({ id }) => regionViewKey(id)));
    const views = [];
    for (const region of this.node.regions) {
      if (!current.has(regionViewKey(region.id))) views.push(region.id);
      for (const stream of region.streams.values()) keptPackets += stream.kept.packets;
    }
    const unstable = this.node.senders.filter(({ stable, last }) => stable < last).map(({ id }) => id);
    return { node: this.info.id, views, keptPackets, unstable };
  }

  #send(group: string, bytes: number, now: number): void {
    const view = [...this.node.views.groups.values()].find(({ name }) => name === group);
    if (view === undefined || this.node.group(view.group) === undefined) return;
    const message = messageNumber(this.#number, ++this.#counter);
    this.#tell({ kind: "submit", node: this.info.id, group: view.group, message });
    this.#submitted.set(message, view.group);
    this.#isFull = !this.node.send(view.group, encodePayload(message, bytes), message, now);
  }

  #endTurn(now: number): void {
    this.#flush(now);
    while (!this.#isFull && this.#waiting.length > 0) {
      const next = this.#waiting.shift();
      if (next !== undefined) this.#send(next.group, next.bytes, now);
      this.#flush(now);
    }
    this.#noteUntold();
  }

  #noteUntold(): void {
    const { untold } = this.node.drops;
    if (untold === this.#untold) return;
    this.#untold = untold;
    this.#tell({ kind: "untold", node: this.info.id });
  }

  #flush(now: number): void {
    this.#turn++;
    this.node.relays = !this.#network.canMulticast;
    this.node.flush(now);
  }

  /** The stream of a sender in a region view of this node; one that has nothing yet if there is none. */
  #streamOf(id: RegionViewId, sender: NodeId): { has(seq: number): boolean } | undefined {
    for (const member of this.node.regions) {
      if (sameRegionView(member.id, id)) return member.streams.get(sender) ?? EMPTY_STREAM;
    }
    return undefined;
  }

  #taken({ id, seq }: PacketNumber, sender: NodeId, isDirect: boolean): void {
    this.#tell({ kind: "taken", node: this.info.id, id, sender, seq, isDirect });
  }

  /** What a datagram of a failed node could change. */
  #traceOf(bytes: Uint8Array): string {
    const sender = originOf(bytes);
    const streams = [...this.node.regions].map(({ id, streams: all }) => {
      const stream = all.get(sender);
      return `${regionViewKey(id)} ${stream?.maxSeen ?? 0} ${stream?.kept.packets ?? 0} ${stream?.contiguous ?? 0}`;
    });
    return streams.join("; ");
  }

  #outbox(reports: NodeReports, random: Random): NodeOutbox {
    const node = this.info.id;
    return {
      multicast: (address, bytes, members) => {
        this.#onMulticast(bytes);
        const turn = kindOf(bytes) === NodeKind.regionLast ? undefined : this.#turn;
        this.#tell({ kind: "sent", node, channel: "data", turn });
        if (this.#network.canMulticast) this.#network.multicast(address, bytes);
        else this.#toEach(members, bytes);
      },
      unicast: (to, channel, bytes) => {
        if (channel === "control") this.#onControl(bytes);
        const turn = kindOf(bytes) === NodeKind.regionLast ? undefined : this.#turn;
        this.#tell({ kind: "sent", node, channel, turn });
        this.#network.unicast(machineOf(to.host), this.#socketFor(channel), bytes);
      },
      relay: (to, bytes) => {
        this.#onMulticast(bytes);
        this.#tell({ kind: "sent", node, channel: "data", turn: this.#turn });
        this.#toEach(to, bytes);
      },
      listen: (address) => this.#network.listen(address),
      unlisten: (address) => this.#network.unlisten(address),
      deliver: (group, sender, payload) =>
        this.#tell({ kind: "deliver", node, group, sender, message: decodePayload(payload) }),
      lost: (groups, sender) => this.#tell({ kind: "lost", node, groups, sender }),
      view: (view) => this.#tell({ kind: "group", node, view }),
      left: (group) => this.#tell({ kind: "left", node, group }),
      stable: (message) => this.#tell({ kind: "stable", node, message }),
      writable: () => {
        this.#isFull = false;
      },
      installed: (n, sealed) => reports.installed(n, sealed),
      retired: (id) => reports.retired(id),
      inquire: (nodes) => reports.inquire(nodes),
      settled: (stream) => reports.settled(stream),
      random: () => random.unit(),
    };
  }

  #toEach(members: readonly NodeInfo[], bytes: Uint8Array): void {
    for (const { id, address } of members) {
      if (id !== this.info.id) this.#network.unicast(machineOf(address.host), "data", bytes);
    }
  }

  #socketFor(channel: NodeChannel): SimChannel {
    if (channel === "data") return "data";
    return channel === "control" || this.#twoClass ? "token" : "repair";
  }

  #onMulticast(bytes: Uint8Array): void {
    if (kindOf(bytes) === NodeKind.regionLast) {
      const last = decodeLast(bytes);
      assert(last !== undefined, "a node can read what it sends");
      this.#tell({ kind: "last", node: this.info.id, id: last.id, seq: last.seq });
      return;
    }
    const numbers = numbersOf(bytes);
    const { messages, firsts } = numbers.length > 0 ? this.#contentOf(bytes) : NO_CONTENT;
    const isResent = isAgain(bytes);
    for (const [i, { id, seq }] of numbers.entries()) {
      if (!isResent && this.#streamOf(id, this.info.id) !== undefined) this.#taken({ id, seq }, this.info.id, true);
      const pinned = i === 0 ? firsts : [];
      this.#tell({ kind: "packet", node: this.info.id, id, seq, isResent, messages, firsts: pinned });
    }
  }

  /** Which messages have pieces in a packet of this node that goes out for the first time; packets of a view go out in order. */
  #contentOf(packet: Uint8Array): { messages: readonly MessageNumber[]; firsts: readonly FirstPiece[] } {
    if (isAgain(packet)) return NO_CONTENT;
    // The pieces of a message to several regions may need several packets each: the first region of each goes on.
    const [{ id }] = numbersOf(packet) as [PacketNumber];
    const key = `${isHybrid(packet)} ${regionViewKey(id)}`;
    const messages: MessageNumber[] = [];
    const firsts: FirstPiece[] = [];
    const cursor = this.#cursor;
    cursor.open(packet, isHybrid(packet) ? hybridItemsAt(packet) : itemsAt(packet));
    while (cursor.advance()) {
      const message = cursor.isFirst ? headOf(cursor.data()) : this.#begun.get(key);
      if (message === undefined) continue;
      this.#begun.set(key, message);
      messages.push(message);
      const first = cursor.isFirst ? this.#pin(message) : undefined;
      if (first !== undefined) firsts.push(first);
    }
    return { messages, firsts };
  }

  /** The views that a message is sent in: those that are known here when its first piece goes out. */
  #pin(message: MessageNumber): FirstPiece | undefined {
    const number = this.#submitted.get(message);
    if (number === undefined) return undefined;
    this.#submitted.delete(message);
    const group = this.node.views.groups.get(number);
    if (group === undefined) return undefined;
    const regions = group.regions.flatMap((region) => this.node.views.regions.get(region) ?? []);
    return { message, group, regions };
  }

  #onControl(bytes: Uint8Array): void {
    const sent = this.#tap.sent(bytes);
    if (sent === undefined) return;
    const { to, message } = sent;
    if (message.kind === "token") {
      const seen = this.#probe.seen(message);
      this.#tell({ kind: "token", node: this.info.id, to, token: message, seen });
    } else this.#tell({ kind: "told", node: this.info.id, to, message });
  }
}

/** A number that a packet has. */
type PacketNumber = { readonly id: RegionViewId; readonly seq: number };

/** One, or one for each region; none, if it is no packet of a sender. */
function numbersOf(packet: Uint8Array): PacketNumber[] {
  if (isData(packet)) return [{ id: { region: regionOf(packet), view: viewOf(packet) }, seq: seqOf(packet) }];
  if (!isHybrid(packet)) return [];
  return Array.from({ length: hybridCountOf(packet) }, (_, entry) => ({
    id: { region: hybridRegionOf(packet, entry), view: hybridViewOf(packet, entry) },
    seq: hybridSeqOf(packet, entry),
  }));
}

/** Sent again by its sender, to one region. */
function isAgain(packet: Uint8Array): boolean {
  return isHybrid(packet) ? isHybridResent(packet) : kindOf(packet) === NodeKind.regionResent;
}

const EMPTY_STREAM = { has: () => false };
const NO_CONTENT = { messages: [], firsts: [] };

/** Forwarded packets may come through the socket for control; what they are, they say themselves. */
export function channelOf(socket: SimChannel, bytes: Uint8Array): NodeChannel {
  if (socket !== "token") return socket;
  const kind = kindOf(bytes);
  return kind === NodeKind.linkData || kind === NodeKind.linkAck ? "control" : "repair";
}

export function hostOf(machine: number): string {
  return `m${machine}`;
}

export function machineOf(host: string): number {
  return Number(host.slice(1));
}

/** The message that begins with these bytes. */
function headOf(bytes: Uint8Array): MessageNumber | undefined {
  if (bytes.length < PAYLOAD_BYTES_MIN) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return messageNumber(view.getUint32(0), view.getUint32(4));
}
