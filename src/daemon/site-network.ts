import { randomInt } from "node:crypto";
import { chooseDatagrams, type DatagramPath } from "../host/datagrams.ts";
import { DisseminationProbe, probeDefaults, type Way } from "../host/dissemination-probe.ts";
import { PeerStreams, peerStreamsDefaults, type StreamPeer } from "../host/peer-streams.ts";
import { outputDefaults } from "../host/stream-output.ts";
import { dialTcp, listenTcp } from "../host/tcp-streams.ts";
import { udpDefaults, UdpNetwork, type UdpOptions, type UdpPeer } from "../host/udp.ts";
import type { Machine } from "../machine/machine.ts";
import type { Channel, Network } from "../machine/network.ts";
import { getU16, getU32 } from "../wire/bytes.ts";
import { Kind, MAGIC, PREFIX_BYTES, readPrefix, WIRE_VERSION_MIN } from "../wire/prefix.ts";
import { type DisseminationSetting } from "../wire/stream-hello.ts";
import { type DaemonConfig, hasAddress, type SiteConfig, usesMulticast } from "./config/site.ts";
import { type DatagramSizes, datagramSizes } from "./datagram-size.ts";
import { DaemonError } from "./error.ts";
import type { NetworkEvent } from "./network-event.ts";
import type { Reachability } from "./node-config.ts";
import type { DatagramsStatus, DisseminationName } from "./status.ts";

export type SiteNetworkOptions = {
  readonly site: SiteConfig;
  readonly self: DaemonConfig;
  readonly incarnation: number;
  /** `RunOptions.via`, `RunOptions.datagrams`. */
  readonly via: Readonly<Record<string, { readonly address: string; readonly port: number }>>;
  readonly datagrams: DatagramPath | "auto";
};

export interface SiteNetworkVerbs {
  /** A packet of another daemon, or what is none. Given away. `continues`: it came with the one before. */
  packet(channel: Channel, bytes: Uint8Array, continues: boolean): void;
  /** Bytes on the data port that do not begin as ours do. */
  foreign(bytes: Uint8Array, from: string, continues: boolean): void;
  happened(event: NetworkEvent): void;
  now(): number;
  /** The deadline may be sooner than it was. */
  wake(): void;
}

/**
 * How packets of a daemon reach the others: by multicast, by a datagram to each, or over a stream to each (docs/protocols/dissemination.md). Streams are
 * for the daemons of the own site; between sites there are only datagrams.
 */
export class SiteNetwork implements Network, Machine {
  #site: SiteConfig;
  #self: DaemonConfig;
  /** As the daemon was started. */
  readonly #setting: DisseminationSetting;
  readonly #options: SiteNetworkOptions;
  readonly #verbs: SiteNetworkVerbs;
  /** Where daemons are that the file names by their hosts: what it says, until the name leads elsewhere. */
  readonly #moved = new Map<number, string>();
  readonly #streams: PeerStreams;
  /** Of the own site, without this daemon. */
  #mates: ReadonlySet<number> = new Set();
  /** Of each segment of all sites, without this daemon. */
  #segments: ReadonlyMap<number, readonly number[]> = new Map();
  /** Mates that streams are used to. */
  #streamed: ReadonlySet<number> = new Set();
  #sizes: DatagramSizes;
  /** Long datagrams reach all daemons that there are. */
  #isLarge = false;
  /** They once did: there may be some that are still asked for. */
  #wasLarge = false;
  #hurriedAt = Number.NEGATIVE_INFINITY;
  #udp: UdpNetwork | undefined;
  #probe: DisseminationProbe;
  #listener: AsyncDisposable | undefined;
  /** Done when it listens, as far as it is going to. */
  #listening: Promise<void> = Promise.resolve();
  #isClosed = false;
  #streamFault: string | undefined;
  #openedAt = 0;

  constructor(options: SiteNetworkOptions, verbs: SiteNetworkVerbs) {
    this.#options = options;
    this.#verbs = verbs;
    this.#site = options.site;
    this.#self = options.self;
    this.#setting = options.site.dissemination;
    this.#sizes = { usual: options.site.datagramBytes, large: undefined, because: "nothing else was looked for" };
    this.#learnDaemons();
    const { site, self, incarnation } = options;
    this.#streams = new PeerStreams(
      {
        self: self.id,
        name: self.name,
        incarnation,
        setting: this.#setting,
        confHash: site.hash,
        peers: this.#streamPeers(),
        ...peerStreamsDefaults,
      },
      {
        dial: (address, port, listener) => dialTcp(address, port, listener, () => verbs.now()),
        receive: (channel, bytes, continues) => this.#onPacket(channel, bytes, continues),
        happened: ({ what, daemon, message }) => {
          if (what === "up") this.#probe.hurry(verbs.now());
          this.#choose();
          verbs.happened({ what, daemon: daemon === undefined ? undefined : this.#nameOf(daemon), message });
        },
        wake: () => verbs.wake(),
      },
    );
    this.#probe = this.#newProbe();
  }

  /** Binds the sockets. Rejects if that is not possible, or what the file demands is not. */
  async open(): Promise<void> {
    this.#sizes = await datagramSizes(this.#site, this.#self.address);
    this.#udp = await this.#openUdp();
    this.#demandMulticast(this.#udp);
    await this.#listen();
    this.#openedAt = this.#verbs.now();
    this.#probe = this.#newProbe();
    this.#choose();
    this.#streams.want((daemon) => {
      if (!this.#usesStreams || this.#streamFault !== undefined) return false;
      const isNeeded = this.#setting === "tcp" || this.#settingOf(daemon) === "tcp";
      return (
        isNeeded ||
        this.#isOversized(daemon) ||
        this.#probe.missesLarge(daemon) ||
        this.#probe.lacksDatagrams(daemon, this.#verbs.now())
      );
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#streams.close();
    await this.#listening;
    await this.#listener?.[Symbol.asyncDispose]();
    await this.#udp?.close();
  }

  // ---- what the daemon's machines use -----------------------------------------------------------------------------

  unicast(to: number, channel: Channel, bytes: Uint8Array): void {
    if (this.#streamed.has(to) || this.#needsStream(to, bytes)) this.#streams.send(to, channel, bytes);
    else this.#udp?.unicast(to, channel, bytes);
  }

  multicast(segment: number, channel: Channel, bytes: Uint8Array): void {
    const udp = this.#udp;
    if (udp === undefined) return;
    const isOversized = this.#wasLarge && !this.#isLarge && bytes.length > this.#sizes.usual;
    if (
      (this.#streamed.size === 0 && !isOversized) ||
      (!isOversized && udp.useMulticast && segment === this.#self.segment && udp.canMulticast)
    ) {
      udp.multicast(segment, channel, bytes);
    } else {
      for (const daemon of this.#segments.get(segment) ?? []) this.unicast(daemon, channel, bytes);
    }
  }

  /** Lets what was sent since the last time leave. */
  flush(): void {
    this.#udp?.flush();
    if (this.#streams.hasOutput) this.#streams.flush(this.#verbs.now());
  }

  get deadline(): number {
    return Math.min(this.#probe.deadline, this.#streams.deadline);
  }

  tick(now: number): void {
    if (this.#probe.deadline <= now) {
      this.#probe.tick(now);
      this.#choose();
    }
    if (this.#streams.deadline <= now) this.#streams.tick(now);
  }

  /** Packets get lost: if it is because of their length, that should be known soon. */
  packetsLost(now: number): void {
    if (!this.#isLarge || now < this.#hurriedAt + HURRY_MS) return;
    this.#hurriedAt = now;
    this.#probe.hurry(now);
  }

  /** To an address that is no daemon's, from the data socket: an answer to a monitor. */
  reply(address: string, port: number, bytes: Uint8Array): void {
    this.#udp?.reply(address, port, bytes);
  }

  // ---- changes of the configuration -------------------------------------------------------------------------------

  /** Another configuration is in force. */
  goOver(site: SiteConfig, self: DaemonConfig): void {
    this.#site = site;
    this.#self = self;
    this.#learnDaemons();
    this.#udp?.setOthers(this.#udpOthers(), self.segment);
    this.#streams.reconfigure(site.hash, this.#streamPeers());
    this.#probe = this.#newProbe();
    this.#choose();
    // Who was alone until now had nobody to listen to.
    this.#listening = this.#listening
      .then(() => this.#listen())
      .catch((error: unknown) => {
        const why = error instanceof Error ? error.message : String(error);
        const message = `no other daemon can reach this one: where it should listen for streams it cannot (${why})`;
        this.#verbs.happened({ what: "refused", daemon: undefined, message });
      });
  }

  /** The name of a daemon's host leads to another address. */
  moved(daemon: number, address: string): void {
    this.#moved.set(daemon, address);
    this.#udp?.setOthers(this.#udpOthers());
    this.#streams.reconfigure(this.#site.hash, this.#streamPeers());
  }

  /** Where datagrams for the daemon go now, by what its name led to last. */
  addressOf({ id, address }: Pick<DaemonConfig, "id" | "address">): string {
    return this.#moved.get(id) ?? address;
  }

  // ---- for its owner ----------------------------------------------------------------------------------------------

  /** How packets reach the own segment now. `tcp`: some or all of the site's daemons by streams. */
  get dissemination(): DisseminationName {
    if (this.#udp?.useMulticast === true && this.#udp.canMulticast) return "multicast";
    return this.#streamed.size > 0 || this.#setting === "tcp" ? "tcp" : "unicast";
  }

  /** How long packets are to be that this daemon makes. */
  get datagramBytes(): number {
    const { usual, large = usual } = this.#sizes;
    return this.#isLarge ? large : usual;
  }

  /** What may be on the way to this daemon without being lost: the ring's window follows from it. */
  get receiveBufferBytes(): number {
    // Streams lose nothing until the queue at their other end is full.
    return this.#setting === "tcp" ? outputDefaults.bytesMax : (this.#udp?.receiveBufferBytes ?? 0);
  }

  get datagrams(): DatagramsStatus {
    if (this.#setting === "tcp") return { path: "portable", because: "packets go over streams" };
    return this.#udp?.datagrams ?? { path: "portable", because: "there are no sockets" };
  }

  get reachability(): Reachability {
    const probes = this.#probe.reports.map(({ daemon, ...report }) => ({ daemon: this.#nameOf(daemon), ...report }));
    const streams = this.#streams.reports
      .filter(({ daemon, isUp }) => isUp || this.#streamed.has(daemon))
      .map(({ daemon, ...report }) => ({ daemon: this.#nameOf(daemon), ...report }));
    const { packetsDropped, bytesSent } = this.#streams.counters;
    return {
      because: this.#because(probes),
      setting: this.#setting,
      sizeBecause: this.#sizeBecause(),
      probes,
      streams,
      streamTraffic: { bytesSent, packetsDropped },
    };
  }

  #because(probes: Reachability["probes"]): string {
    const { segments } = this.#site;
    const dissemination = this.#setting;
    const udp = this.#udp;
    if (dissemination === "unicast" || dissemination === "tcp") return "the configuration says so";
    if (this.#streamed.size > 0 && dissemination === "auto") return this.#becauseStreams();
    if (segments[this.#self.segment]?.multicast !== true) return "the segment's address is no multicast address";
    if (udp?.multicastFault !== undefined) return `the group cannot be joined: ${udp.multicastFault}`;
    if (dissemination === "multicast") return "the configuration says so";
    const near = probes.filter(({ daemon }) => this.#nearNames.includes(daemon));
    if (near.length === 0) return "no other daemon of the segment is heard";
    const missing = near.filter(({ reached }) => reached !== "works").map(({ daemon }) => daemon);
    if (missing.length > 0) return `multicasts from here are not known to reach ${missing.join(", ")}`;
    return `it reaches all that are heard: ${near.map(({ daemon }) => daemon).join(", ")}`;
  }

  #sizeBecause(): string {
    const { large, because } = this.#sizes;
    if (large === undefined) return because;
    if (this.#isLarge) return `${because}, and datagrams of ${large} bytes reach all that are heard`;
    const failing = [...this.#mates].filter((daemon) => this.#probe.largeTo(daemon) === "fails");
    const what = `datagrams of ${large} bytes`;
    if (failing.length > 0)
      return `${because}, but ${what} do not reach ${failing.map((id) => this.#nameOf(id)).join(", ")}`;
    return `${because}, and ${what} are not known to reach all`;
  }

  #becauseStreams(): string {
    const isTold = (daemon: number): boolean => this.#settingOf(daemon) === "tcp";
    const names = (daemons: number[]): string => daemons.map((daemon) => this.#nameOf(daemon)).join(", ");
    const told = [...this.#streamed].filter(isTold);
    const cut = [...this.#streamed].filter((daemon) => !isTold(daemon));
    const others = [...this.#mates].filter((daemon) => !this.#streamed.has(daemon) && this.#probe.isHeard(daemon));
    return [
      ...(cut.length > 0 ? [`datagrams from here do not get through to ${names(cut)}`] : []),
      ...(told.length > 0 ? [`Dissemination is tcp at ${names(told)}`] : []),
      ...(others.length > 0 ? [`datagrams go to ${names(others)}`] : []),
    ].join("; ");
  }

  // ---- choosing ---------------------------------------------------------------------------------------------------

  get #usesStreams(): boolean {
    return this.#setting === "tcp" || this.#setting === "auto";
  }

  get #nearNames(): readonly string[] {
    return this.#near.map(({ name }) => name);
  }

  get #near(): readonly DaemonConfig[] {
    return this.#site.daemons.filter(({ id, segment }) => id !== this.#self.id && segment === this.#self.segment);
  }

  #settingOf(daemon: number): DisseminationSetting | undefined {
    return this.#streams.settingOf(daemon) ?? this.#probe.settingOf(daemon);
  }

  /** From what the probes say now. */
  #choose(): void {
    const dissemination = this.#setting;
    if (this.#udp !== undefined) {
      this.#udp.useMulticast =
        dissemination === "multicast" || (dissemination === "auto" && this.#probe.via === "multicast");
    }
    if (dissemination === "tcp") this.#streamed = this.#mates;
    this.#chooseSize();
    if (dissemination !== "auto") return;
    const isStreamed = (daemon: number): boolean =>
      this.#streams.isUp(daemon) && (this.#settingOf(daemon) === "tcp" || this.#probe.datagramsTo(daemon) === "fails");
    this.#streamed = new Set([...this.#mates].filter(isStreamed));
  }

  #chooseSize(): void {
    const heard = [...this.#mates].filter((daemon) => this.#probe.isHeard(daemon) && !this.#streamed.has(daemon));
    const reachesAll = heard.every((daemon) => this.#probe.largeTo(daemon) === "works");
    this.#isLarge = this.#sizes.large !== undefined && heard.length > 0 && reachesAll;
    this.#wasLarge ||= this.#isLarge;
  }

  /** Whether longer datagrams than now usual, which are still asked for, do not get through to the daemon. */
  #isOversized(daemon: number): boolean {
    return this.#wasLarge && this.#probe.largeTo(daemon) === "fails";
  }

  #needsStream(daemon: number, bytes: Uint8Array): boolean {
    return bytes.length > this.#sizes.usual && this.#isOversized(daemon) && this.#streams.isUp(daemon);
  }

  #newProbe(): DisseminationProbe {
    const ways: Way[] = ["unicast"];
    if (this.#udp?.canMulticast === true) ways.push("multicast");
    if (this.#usesStreams) ways.push("stream");
    const { large } = this.#sizes;
    if (large !== undefined) ways.push("large");
    return new DisseminationProbe(
      {
        self: this.#self.id,
        others: [...this.#mates],
        near: this.#near.map(({ id }) => id),
        ways,
        largeBytes: large,
        setting: this.#setting,
        wireVersion: WIRE_VERSION_MIN,
        confHash: this.#site.hash,
        firstRound: randomInt(2 ** 32),
        ...probeDefaults,
      },
      { probe: (way, bytes) => this.#sendProbe(way, bytes) },
    );
  }

  #sendProbe(way: Way, bytes: Uint8Array): void {
    if (way === "multicast") return this.#udp?.toGroup("data", bytes);
    for (const daemon of this.#mates) {
      if (way !== "stream") this.#udp?.unicast(daemon, "data", bytes);
      else if (this.#streams.isUp(daemon)) this.#streams.send(daemon, "data", bytes);
    }
  }

  // ---- what arrives -----------------------------------------------------------------------------------------------

  #onDatagram(channel: Channel, bytes: Uint8Array, from: string, continues: boolean): void {
    if (bytes.length < PREFIX_BYTES || getU16(bytes, 0) !== MAGIC) {
      if (channel === "data") this.#verbs.foreign(bytes, from, continues);
      else this.#verbs.packet(channel, bytes, continues);
    } else if (bytes[3] !== Kind.probe && this.#setting === "tcp" && this.#mates.has(getU32(bytes, 12))) {
      // Nothing can be said to who sends it: a ring with it would never come about, and break this one.
      this.#onUnwanted(getU32(bytes, 12));
    } else {
      this.#onPacket(channel, bytes, continues);
    }
  }

  #onPacket(channel: Channel, bytes: Uint8Array, continues: boolean): void {
    if (bytes[3] === Kind.probe) this.#onProbe(bytes);
    else this.#verbs.packet(channel, bytes, continues);
  }

  #onProbe(bytes: Uint8Array): void {
    const prefix = readPrefix(bytes);
    if (typeof prefix === "string" || prefix.confHash !== this.#site.hash) return;
    this.#probe.receive(prefix, bytes, this.#verbs.now());
    this.#choose();
    const [here, there] = [this.#setting, this.#probe.settingOf(prefix.origin)];
    const needsBoth = here === "tcp" ? there : there === "tcp" ? here : "auto";
    if (needsBoth === "unicast" || needsBoth === "multicast")
      this.#disagree(prefix.origin, `has Dissemination = ${there}`);
  }

  #onUnwanted(daemon: number): void {
    const isEarly = this.#verbs.now() < this.#openedAt + DATAGRAMS_MS;
    const mayChange = ["auto", "tcp"].includes(this.#settingOf(daemon) ?? "");
    if (!isEarly && !mayChange) this.#disagree(daemon, "sends datagrams");
  }

  #disagree(daemon: number, what: string): void {
    const name = this.#nameOf(daemon);
    const here = this.#setting;
    const message = `${name} ${what}, and here it is ${here}: they do not hear each other. All daemons of a site need tcp, or auto`;
    this.#verbs.happened({ what: "disagreement", daemon: name, message });
  }

  // ---- sockets ----------------------------------------------------------------------------------------------------

  async #openUdp(): Promise<UdpNetwork> {
    const { datagrams: wanted } = this.#options;
    const open = this.#udpOptions();
    const { self, bindAddress = self.address, multicast } = open;
    const datagrams = await chooseDatagrams(wanted, [
      bindAddress,
      ...(multicast === undefined ? [] : [multicast.address]),
    ]);
    if (wanted === "offload" && datagrams.path !== "offload") {
      throw new DaemonError("DATAGRAMS", `the offloaded datagram path is not possible here: ${datagrams.because}`);
    }
    const options = { ...open, datagrams, segmentBytes: this.#sizes.large ?? this.#sizes.usual };
    return UdpNetwork.open(options, (channel, bytes, from, _viaMulticast, continues) =>
      this.#onDatagram(channel, bytes, from, continues),
    );
  }

  #udpOptions(): UdpOptions {
    const { segments, family } = this.#site;
    const segment = segments[this.#self.segment];
    const { bindAddress } = this;
    return {
      self: this.#peerOf(this.#self),
      others: this.#udpOthers(),
      family,
      ...(bindAddress === undefined ? {} : { bindAddress }),
      ...(segment?.multicast === true && usesMulticast(this.#setting)
        ? { multicast: { address: segment.address, port: segment.port } }
        : {}),
      ...udpDefaults,
    };
  }

  /** The others send to the daemon's address: a place at another one hears nothing of them. */
  get bindAddress(): string | undefined {
    const { interfaces, address } = this.#self;
    return interfaces.find((place) => place.daemon && [address, "0.0.0.0", "::"].includes(place.address))?.address;
  }

  #demandMulticast({ multicastFault }: UdpNetwork): void {
    if (this.#setting !== "multicast" || multicastFault === undefined || this.#site.ignoreMulticastJoinErrors) return;
    throw new DaemonError(
      "MULTICAST",
      `the multicast group of the segment cannot be joined: ${multicastFault}; use Dissemination = unicast or auto`,
    );
  }

  /** For streams of other daemons, if there may be any, and unless it does already. */
  async #listen(): Promise<void> {
    if (!this.#usesStreams || this.#mates.size === 0 || this.#listener !== undefined || this.#isClosed) return;
    const { port, address } = this.#self;
    const now = (): number => this.#verbs.now();
    try {
      this.#listener = await listenTcp(
        this.bindAddress ?? address,
        streamPort(port),
        (socket, from) => this.#streams.accept(socket, from, now()),
        now,
      );
    } catch (error) {
      if (this.#setting === "tcp") throw error;
      this.#streamFault = error instanceof Error ? error.message : String(error);
    }
  }

  #learnDaemons(): void {
    const { daemons } = this.#site;
    const others = daemons.filter(({ id }) => id !== this.#self.id);
    this.#mates = new Set(others.filter(({ site }) => site === this.#self.site).map(({ id }) => id));
    const segments = new Map<number, number[]>();
    for (const { id, segment } of others) segments.set(segment, [...(segments.get(segment) ?? []), id]);
    this.#segments = segments;
  }

  #streamPeers(): StreamPeer[] {
    return this.#site.daemons
      .filter(({ id }) => this.#mates.has(id))
      .map((daemon) => {
        const place = this.#peerOf(daemon);
        const address = hasAddress(place) ? place.address : undefined;
        return { id: daemon.id, name: daemon.name, address, port: streamPort(place.port) };
      });
  }

  #udpOthers(): UdpPeer[] {
    const others = this.#site.daemons.filter(({ id }) => id !== this.#self.id);
    return others.map((daemon) => this.#peerOf(daemon)).filter(hasAddress);
  }

  #peerOf({ id, name, segment, address, port }: DaemonConfig): UdpPeer {
    const via = this.#options.via[name];
    if (via !== undefined) return { id, segment, ...via };
    return { id, segment, address: this.addressOf({ id, address }), port };
  }

  #nameOf(daemon: number): string {
    return this.#site.daemons.find(({ id }) => id === daemon)?.name ?? `#${daemon}`;
  }
}

/** So often lost packets make the daemon measure. */
const HURRY_MS = 2_000;

/** A daemon that has just started may send datagrams to one with streams until it has one. */
const DATAGRAMS_MS = 3_000;

/** Where a daemon listens for streams of others: the number of its port for tokens, which is one of UDP. */
export function streamPort(port: number): number {
  return port + 1;
}
