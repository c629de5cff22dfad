import type { DaemonId } from "../base/ids.ts";
import { type Machine, NEVER } from "../machine/machine.ts";
import type { Channel } from "../machine/network.ts";
import {
  isControl,
  Kind,
  packet,
  type Prefix,
  readPrefix,
  WIRE_VERSION_MAX,
  WIRE_VERSION_MIN,
} from "../wire/prefix.ts";
import {
  decodeStreamHello,
  type DisseminationSetting,
  encodeStreamHello,
  type StreamHello,
} from "../wire/stream-hello.ts";
import { PacketAssembler } from "./packet-assembler.ts";
import { type OutputBounds, type OutputCounters, outputDefaults, StreamOutput } from "./stream-output.ts";

/** Another daemon of the site, and where it listens for streams. */
export type StreamPeer = {
  readonly id: DaemonId;
  readonly name: string;
  /** `undefined` while it is not known: then only it can dial. */
  readonly address: string | undefined;
  readonly port: number;
};

export type PeerStreamsOptions = {
  readonly self: DaemonId;
  readonly name: string;
  readonly incarnation: number;
  readonly setting: DisseminationSetting;
  readonly confHash: number;
  readonly peers: readonly StreamPeer[];
  /** Something is said at least so often, and who says nothing for so long is gone. */
  readonly aliveMs: number;
  readonly silenceMs: number;
  /** A connection has to be there, and both ends known, after this. */
  readonly helloMs: number;
  /** Pause before the next attempt: doubles from the first to the second. */
  readonly retryMsMin: number;
  readonly retryMsMax: number;
  readonly bounds: OutputBounds;
};

export const peerStreamsDefaults = {
  aliveMs: 500,
  silenceMs: 3_000,
  helloMs: 1_500,
  retryMsMin: 100,
  retryMsMax: 1_000,
  bounds: outputDefaults,
} as const;

/** Connections of which it is not known yet whose they are. */
const STRANGERS_MAX = 64;

/** A connection, as its owner uses it. None of it calls back at once. */
export interface StreamSocket {
  /** Hands pieces, which are never changed, to the kernel. False: it has not taken all, `drained` will be told. */
  write(pieces: readonly Uint8Array[]): boolean;
  /** Ends it: what was written leaves before, for a bounded time. */
  end(): void;
  /** Ends it at once. */
  destroy(): void;
}

/** What a connection tells; nothing after `closed`. */
export interface StreamSocketListener {
  opened(now: number): void;
  /** Bytes in order, given away. */
  received(bytes: Uint8Array, now: number): void;
  drained(): void;
  /** `why`: a text for people, if it ended by a fault. */
  closed(why: string | undefined, now: number): void;
}

export type StreamEvent = {
  /** `refused`: somebody is not whom he should be, or cannot be talked to; `message` says who and why. */
  readonly what: "up" | "down" | "refused";
  readonly daemon: DaemonId | undefined;
  readonly message: string;
};

export interface StreamVerbs {
  dial(address: string, port: number, listener: StreamSocketListener): StreamSocket;
  receive(channel: Channel, bytes: Uint8Array, continues: boolean): void;
  happened(event: StreamEvent): void;
  /** The deadline may be sooner than it was. */
  wake(): void;
}

/** The stream to one other daemon, for people. */
export type StreamReport = {
  readonly daemon: DaemonId;
  readonly isUp: boolean;
  /** Why it is down, as far as is known. */
  readonly because: string | undefined;
  readonly waitingBytes: number;
};

type Link = {
  readonly socket: StreamSocket;
  /** Where it leads, for people. */
  readonly place: string;
  /** Whom we have dialled, or whose hello has come. */
  peer: Peer | undefined;
  readonly isDialled: boolean;
  /** Its output is there once both ends are known. */
  output: StreamOutput | undefined;
  incarnation: number;
  isEnded: boolean;
  readonly begunAt: number;
  heardAt: number;
  saidAt: number;
};

type Peer = {
  readonly id: DaemonId;
  name: string;
  address: string | undefined;
  port: number;
  /** Both ends are known: packets pass. */
  link: Link | undefined;
  dialling: Link | undefined;
  /** As its last hello says. */
  setting: DisseminationSetting | undefined;
  pauseMs: number;
  nextDialAt: number;
  fault: string | undefined;
};

/**
 * Streams between the daemons of a site, one for each pair that wants it: the daemon with the lower id dials, and again whenever it ends. Each end
 * begins with a hello, so that nobody takes a stranger for a daemon. Whatever passes is a packet as it would be in a datagram, and may be lost: when a
 * stream breaks, or does not take what is sent.
 */
export class PeerStreams implements Machine {
  readonly counters: OutputCounters = { packetsSent: 0, bytesSent: 0, writes: 0, packetsDropped: 0 };
  #options: PeerStreamsOptions;
  readonly #verbs: StreamVerbs;
  #peers: ReadonlyMap<DaemonId, Peer> = new Map();
  #isWanted: (daemon: DaemonId) => boolean = () => false;
  /** Accepted connections whose hello has not come. */
  readonly #strangers = new Set<Link>();
  /** Links with something to flush. */
  #filled: Link[] = [];
  #nextAt = 0;

  constructor(options: PeerStreamsOptions, verbs: StreamVerbs) {
    this.#options = options;
    this.#verbs = verbs;
    this.#setPeers(options.peers);
  }

  get deadline(): number {
    return this.#nextAt;
  }

  get reports(): StreamReport[] {
    return [...this.#peers.values()].map(({ id, link, fault }) => ({
      daemon: id,
      isUp: link !== undefined,
      because: link === undefined ? fault : undefined,
      waitingBytes: link?.output?.waitingBytes ?? 0,
    }));
  }

  /** Whether there is anything to flush. */
  get hasOutput(): boolean {
    return this.#filled.length > 0;
  }

  isUp(daemon: DaemonId): boolean {
    return this.#peers.get(daemon)?.link !== undefined;
  }

  /** How the daemon is configured, as it has said on its last stream. */
  settingOf(daemon: DaemonId): DisseminationSetting | undefined {
    return this.#peers.get(daemon)?.setting;
  }

  /** Which daemons streams are wanted to, from now on; asked at every `tick`. */
  want(isWanted: (daemon: DaemonId) => boolean): void {
    this.#isWanted = isWanted;
    this.#wakeAt(0);
  }

  /** Other daemons, other places of them, or another configuration: streams that are up to daemons that stay are kept. */
  reconfigure(confHash: number, peers: readonly StreamPeer[]): void {
    this.#options = { ...this.#options, confHash };
    this.#setPeers(peers);
    this.#wakeAt(0);
  }

  /** A connection of somebody else, from a numeric address. */
  accept(socket: StreamSocket, from: string, now: number): StreamSocketListener {
    const link = this.#newLink(socket, from, undefined, now);
    if (this.#strangers.size >= STRANGERS_MAX) this.#drop(link, undefined, now);
    else this.#strangers.add(link);
    this.#wakeAt(now + this.#options.helloMs);
    return this.#listenerOf(link);
  }

  /** Takes a packet for another daemon, given away; it leaves with `flush`. Without a stream it is lost. */
  send(to: DaemonId, channel: Channel, bytes: Uint8Array): void {
    const link = this.#peers.get(to)?.link;
    if (link?.output === undefined) {
      this.counters.packetsDropped += 1;
      return;
    }
    if (link.output.waitingBytes === 0) this.#filled.push(link);
    link.output.send(channel, bytes);
  }

  /** Lets what was sent since the last time leave, as far as the kernel takes it. */
  flush(now: number): void {
    if (this.#filled.length === 0) return;
    const filled = this.#filled;
    this.#filled = [];
    for (const link of filled) {
      if (link.isEnded) continue;
      link.saidAt = now;
      link.output?.flush();
    }
  }

  tick(now: number): void {
    if (now < this.#nextAt) return;
    for (const peer of this.#peers.values()) this.#tickPeer(peer, now);
    for (const link of this.#strangers) {
      if (now >= link.begunAt + this.#options.helloMs) this.#drop(link, undefined, now);
    }
    this.#nextAt = this.#earliest(now);
  }

  /** Ends all of them. */
  close(): void {
    for (const link of [...this.#strangers, ...[...this.#peers.values()].flatMap(linksOf)]) {
      link.isEnded = true;
      // What was sent last, that this daemon leaves, is to arrive.
      link.output?.flush();
      link.socket.end();
    }
    this.#peers = new Map();
    this.#strangers.clear();
    this.#nextAt = NEVER;
  }

  #tickPeer(peer: Peer, now: number): void {
    const { aliveMs, silenceMs, helloMs } = this.#options;
    const { link, dialling } = peer;
    if (dialling !== undefined && now >= dialling.begunAt + helloMs) {
      this.#drop(dialling, `${dialling.place} does not answer`, now);
    }
    if (link !== undefined) {
      if (now >= link.heardAt + silenceMs) this.#drop(link, "it was silent for too long", now);
      else if (now >= link.saidAt + aliveMs) this.#sayAlive(link, now);
    } else if (this.#isDialler(peer) && peer.dialling === undefined && now >= peer.nextDialAt) {
      if (peer.address !== undefined && this.#isWanted(peer.id)) this.#dial(peer, peer.address, now);
      else peer.nextDialAt = now + this.#options.retryMsMin;
    }
  }

  #earliest(now: number): number {
    const { aliveMs, silenceMs, helloMs } = this.#options;
    let at = NEVER;
    for (const peer of this.#peers.values()) {
      const { link, dialling } = peer;
      if (dialling !== undefined) at = Math.min(at, dialling.begunAt + helloMs);
      if (link !== undefined) at = Math.min(at, link.heardAt + silenceMs, link.saidAt + aliveMs);
      else if (dialling === undefined && this.#isDialler(peer)) at = Math.min(at, peer.nextDialAt);
    }
    for (const { begunAt } of this.#strangers) at = Math.min(at, begunAt + helloMs);
    return Math.max(at, now + 1);
  }

  #isDialler({ id }: Peer): boolean {
    return this.#options.self < id;
  }

  #sayAlive(link: Link, now: number): void {
    link.saidAt = now;
    // Who takes nothing is not helped by more.
    if (link.output === undefined || link.output.isBlocked) return;
    const { confHash, self } = this.#options;
    link.output.send("token", packet(WIRE_VERSION_MIN, Kind.streamAlive, confHash, self, new Uint8Array(0)));
    link.output.flush();
  }

  // ---- connections ------------------------------------------------------------------------------------------------

  #dial(peer: Peer, address: string, now: number): void {
    const { port } = peer;
    let link: Link | undefined;
    let listener: StreamSocketListener | undefined;
    const socket = this.#verbs.dial(address, port, {
      opened: (at) => {
        if (link !== undefined && !link.isEnded) this.#sayHello(link, at);
      },
      received: (bytes, at) => listener?.received(bytes, at),
      drained: () => listener?.drained(),
      closed: (why, at) => listener?.closed(why, at),
    });
    link = this.#newLink(socket, shownPlace(address, port), peer, now);
    listener = this.#listenerOf(link);
    peer.dialling = link;
  }

  #newLink(socket: StreamSocket, place: string, peer: Peer | undefined, now: number): Link {
    return {
      socket,
      place,
      peer,
      isDialled: peer !== undefined,
      output: undefined,
      incarnation: 0,
      isEnded: false,
      begunAt: now,
      heardAt: now,
      saidAt: now,
    };
  }

  #listenerOf(link: Link): StreamSocketListener {
    let now = link.begunAt;
    const assembler = new PacketAssembler((bytes, continues) => {
      if (link.output === undefined) this.#onHello(link, bytes, now);
      else this.#onPacket(bytes, continues);
      return !link.isEnded;
    });
    return {
      opened: () => undefined,
      received: (bytes, at) => {
        if (link.isEnded) return;
        now = at;
        link.heardAt = at;
        if (!assembler.push(bytes)) this.#refuse(link, `${link.place} sends what is no packet of a daemon`, at);
      },
      drained: () => link.output?.drained(),
      closed: (why, at) => this.#drop(link, why ?? "the other end has closed it", at),
    };
  }

  #onPacket(bytes: Uint8Array, continues: boolean): void {
    const kind = bytes[3] as number;
    if (kind !== Kind.streamAlive && kind !== Kind.streamHello) {
      this.#verbs.receive(isControl(kind) ? "token" : "data", bytes, continues);
    }
  }

  #onHello(link: Link, bytes: Uint8Array, now: number): void {
    const prefix = readPrefix(bytes);
    const isHello = typeof prefix !== "string" && prefix.kind === Kind.streamHello;
    const hello = isHello ? decodeStreamHello(bytes, prefix) : undefined;
    if (!isHello || hello === undefined) {
      const version = `speaks version ${bytes[2]} of the datagrams, and this daemon ${WIRE_VERSION_MIN} to ${WIRE_VERSION_MAX}`;
      this.#refuse(link, `${link.place} ${prefix === "version" ? version : "does not say who it is"}`, now);
      return;
    }
    const peer = this.#peers.get(prefix.origin);
    const why = this.#whyNot(link, hello, prefix);
    if (!link.isDialled) {
      link.peer = peer;
      // Who is refused learns from it whom he has reached.
      this.#sayHello(link, now, prefix.origin);
    }
    if (why !== undefined || peer === undefined) {
      this.#refuse(link, `${link.place} ${why}`, now);
      return;
    }
    this.#strangers.delete(link);
    if (peer.link !== undefined) this.#replace(peer.link);
    peer.dialling = undefined;
    peer.link = link;
    peer.setting = hello.setting;
    peer.fault = undefined;
    link.incarnation = hello.incarnation;
    link.output = new StreamOutput((pieces) => link.socket.write(pieces), this.counters, this.#options.bounds);
    this.#wakeAt(now + this.#options.aliveMs);
    this.#verbs.happened({
      what: "up",
      daemon: peer.id,
      message: `a stream to ${peer.name} is there (${link.isDialled ? "to" : "from"} ${link.place})`,
    });
  }

  /** What is wrong with a hello, as the rest of a sentence about its sender; `undefined`: nothing. */
  #whyNot(link: Link, { to, incarnation }: StreamHello, { origin, confHash }: Prefix): string | undefined {
    const { self, name } = this.#options;
    const peer = this.#peers.get(origin);
    const who = peer?.name ?? `the daemon with the id ${origin}`;
    if (confHash !== this.#options.confHash) {
      return `is ${who} with another configuration (hash ${confHash}, here ${this.#options.confHash}): all daemons need the same file`;
    }
    if (origin === self) return `says that it is ${name}, as this daemon is: two run under one name`;
    if (peer === undefined) return `is ${who}, and no daemon of this site has it`;
    if (to !== self)
      return `is ${who} and means to talk to the daemon with the id ${to}, but this is ${name}: the addresses in the file are not theirs`;
    if (link.isDialled && link.peer !== peer) {
      return `is ${who}, not ${link.peer?.name}: the addresses in the file are not theirs`;
    }
    if (incarnation < (peer.link?.incarnation ?? 0)) return `is an earlier life of ${who}`;
    return undefined;
  }

  #sayHello(link: Link, now: number, to = link.peer?.id ?? 0): void {
    const { confHash, self, incarnation, setting } = this.#options;
    link.saidAt = now;
    link.socket.write([encodeStreamHello(confHash, self, { to, incarnation }, setting)]);
  }

  #refuse(link: Link, message: string, now: number): void {
    const { peer } = link;
    if (peer !== undefined) peer.pauseMs = this.#options.retryMsMax;
    this.#verbs.happened({ what: "refused", daemon: peer?.id, message });
    this.#drop(link, message, now, "end");
  }

  /** There is a newer one to the same daemon. */
  #replace(link: Link): void {
    link.isEnded = true;
    link.socket.destroy();
  }

  #drop(link: Link, why: string | undefined, now: number, how: "destroy" | "end" = "destroy"): void {
    if (link.isEnded) return;
    link.isEnded = true;
    this.#strangers.delete(link);
    link.socket[how]();
    const { peer } = link;
    if (peer === undefined) return;
    const { retryMsMin, retryMsMax } = this.#options;
    const wasUp = peer.link === link;
    if (wasUp) peer.link = undefined;
    if (peer.dialling === link) peer.dialling = undefined;
    peer.fault = why;
    if (wasUp && now - link.begunAt > retryMsMax) peer.pauseMs = retryMsMin;
    peer.nextDialAt = now + peer.pauseMs;
    peer.pauseMs = Math.min(retryMsMax, 2 * peer.pauseMs);
    this.#wakeAt(peer.nextDialAt);
    if (wasUp) {
      const message = `the stream to ${peer.name} has ended: ${why ?? "its other end is gone"}`;
      this.#verbs.happened({ what: "down", daemon: peer.id, message });
    }
  }

  #setPeers(list: readonly StreamPeer[]): void {
    const before = this.#peers;
    const others = list.filter(({ id }) => id !== this.#options.self);
    const pauseMs = this.#options.retryMsMin;
    this.#peers = new Map(
      others.map(({ id, name, address, port }) => {
        const known = before.get(id);
        if (known !== undefined) return [id, Object.assign(known, { name, address, port })];
        const none = { link: undefined, dialling: undefined, setting: undefined, fault: undefined };
        return [id, { id, name, address, port, pauseMs, nextDialAt: 0, ...none }];
      }),
    );
    for (const [id, peer] of before) if (!this.#peers.has(id)) for (const link of linksOf(peer)) this.#replace(link);
  }

  #wakeAt(at: number): void {
    if (at >= this.#nextAt) return;
    this.#nextAt = at;
    this.#verbs.wake();
  }
}

function linksOf({ link, dialling }: Peer): Link[] {
  return [link, dialling].filter((one) => one !== undefined);
}

function shownPlace(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
