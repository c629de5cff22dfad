import type { DaemonId } from "../base/ids.ts";
import type { Network } from "../machine/network.ts";
import type { Configuration } from "../ring/configuration.ts";
import type { Ring } from "../ring/ring.ts";
import { Kind, type Prefix, unroutedCopy } from "../wire/prefix.ts";
import { isOfConfiguration, isRingData, type RingPacket, ringPacket } from "../wire/ring-data.ts";
import type { EvsConfig } from "./config.ts";
import type { MembershipStateName } from "./events.ts";
import type { Forming } from "./forming.ts";
import type { DropStatistics } from "./intake.ts";
import type { WideArea } from "./wide-area.ts";

/** What the way of data packets depends on: how things stand at the daemon at that moment. */
export interface DataPathHost {
  ring(): Ring | undefined;
  /** The one installed last. */
  configuration(): Configuration;
  forming(): Forming | undefined;
  wideArea(): WideArea | undefined;
  state(): MembershipStateName;
  isTokenAlive(): boolean;
  /** An unreliable packet of the configuration. */
  unreliable(packet: RingPacket, now: number): void;
  /** Sign of another ring. */
  foreignTraffic(from: DaemonId, now: number): void;
}

/**
 * Where a data packet goes that has come: to the ring, to what is carried over from an old configuration, to the other daemons of the segment
 * or of other sites, or nowhere, because it shows only that there is another ring.
 */
export class DataPath {
  readonly #config: EvsConfig;
  readonly #host: DataPathHost;
  readonly #network: Network;
  readonly #drops: DropStatistics;
  #forwardedForeign = false;

  constructor(config: EvsConfig, host: DataPathHost, network: Network, drops: DropStatistics) {
    this.#config = config;
    this.#host = host;
    this.#network = network;
    this.#drops = drops;
  }

  /** A configuration is installed: whoever is foreign to it has not been told of. */
  installed(): void {
    this.#forwardedForeign = false;
  }

  /** A packet of this daemon's own comes back: a repair by another one. */
  own(prefix: Prefix, bytes: Uint8Array): void {
    // Repaired by a daemon of another segment: the others of this segment may need it.
    if (prefix.routed) this.#route(bytes);
    // Somebody made it up if it is not known here. But the others hold it, and wait until this daemon holds it too.
    if (prefix.kind === Kind.ringData && isRingData(prefix)) this.#host.forming()?.take(prefix, bytes);
  }

  /**
   * RING_DATA with the hash of the configuration installed last, while daemons go over to another hash. False when it is of no use.
   */
  earlier(prefix: Prefix, received: Uint8Array): boolean {
    const configuration = this.#host.configuration();
    if (!isOfConfiguration(received, configuration.id) || !configuration.isMember(prefix.origin)) return false;
    this.#old(prefix, prefix.routed ? this.#route(received) : received);
    return true;
  }

  /** RING_DATA or RING_UNRELIABLE. False when it says to be of a configuration that its maker is not in. */
  data(prefix: Prefix, received: Uint8Array, now: number): boolean {
    const bytes = prefix.routed ? this.#route(received) : received;
    const ring = this.#host.ring();
    if (ring !== undefined && isOfConfiguration(bytes, ring.configuration.id)) {
      if (!ring.configuration.isMember(prefix.origin)) return false;
      const data = ringPacket(prefix, bytes);
      if (prefix.kind === Kind.ringData) ring.receiveData(data, now);
      else if (this.#host.isTokenAlive()) {
        if (data.site === ring.configuration.local.site) this.#host.wideArea()?.forwardUnreliable(data.bytes);
        this.#host.unreliable(data, now);
      }
      return true;
    }
    if (isOfConfiguration(bytes, this.#host.configuration().id)) {
      if (!this.#host.configuration().isMember(prefix.origin)) return false;
      if (prefix.kind === Kind.ringData) this.#old(prefix, bytes);
      return true;
    }
    this.#drops.stale++;
    if (prefix.kind === Kind.ringData) this.#host.forming()?.take(prefix, bytes);
    if (ring !== undefined && !ring.configuration.isMember(prefix.origin)) {
      this.#foreign(ring, prefix.origin, bytes, now);
    }
    return true;
  }

  /** A packet of the configuration whose ring is gone: kept while it can still count (recovery.md, "Exchange"). */
  #old(prefix: Prefix, bytes: Uint8Array): void {
    if (this.#host.state() === "form") return;
    const forming = this.#host.forming();
    if (forming !== undefined) {
      forming.take(prefix, bytes);
      return;
    }
    const data = ringPacket(prefix, bytes);
    if (this.#host.configuration().admits(data)) this.#host.configuration().stream(data.site)?.hold(data);
  }

  /** A packet of another site, at the representative of this one: the ring gets it from here. */
  remote(prefix: Prefix, bytes: Uint8Array, now: number): void {
    const ring = this.#host.ring();
    if (ring === undefined) return;
    const { id } = ring.configuration;
    const forming = this.#host.forming();
    if (isOfConfiguration(bytes, id)) {
      if (prefix.kind === Kind.ringData) ring.relay(ringPacket(prefix, bytes));
      else {
        ring.multicast(bytes);
        if (this.#host.isTokenAlive()) this.#host.unreliable(ringPacket(prefix, bytes), now);
      }
    } else if (forming !== undefined && prefix.kind === Kind.ringData) {
      ring.multicast(bytes);
      forming.takeRemote(prefix, bytes);
    }
  }

  #foreign(ring: Ring, from: DaemonId, bytes: Uint8Array, now: number): void {
    const leader = ring.configuration.members[0] as DaemonId;
    if (leader !== this.#config.me && !this.#forwardedForeign && this.#host.isTokenAlive()) {
      const { layout } = this.#config;
      const mySegment = layout.segmentOf(this.#config.me);
      const first = layout.firstOf(ring.configuration.members, mySegment);
      if (first === this.#config.me && layout.segmentOf(leader) !== mySegment) {
        this.#forwardedForeign = true;
        this.#network.unicast(leader, "data", bytes);
      }
    }
    this.#host.foreignTraffic(from, now);
  }

  /** The packet came on behalf of this segment: hands it on, and returns it as it was made. */
  #route(bytes: Uint8Array): Uint8Array {
    const plain = unroutedCopy(bytes);
    this.#network.multicast(this.#config.layout.segmentOf(this.#config.me), "data", plain);
    return plain;
  }
}
