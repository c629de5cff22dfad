import { sameConfiguration } from "../base/ids.ts";
import type { Configuration } from "../ring/configuration.ts";
import type { Prefix } from "../wire/prefix.ts";
import { configurationOf, isMalformed, type RingPacket, ringPacket } from "../wire/ring-data.ts";
import type { Request } from "../wire/ring-token.ts";
import type { Recovery } from "./recovery.ts";
import type { WideArea } from "./wide-area.ts";

/**
 * A configuration that forms: it is not installed yet, and its members bring their old ones to an end (recovery.md, "Moving the
 * packets"). Whoever represents a site carries packets for others as well, also of configurations that it was not in itself.
 */
export class Forming {
  readonly configuration: Configuration;
  readonly recovery: Recovery;
  readonly #old: Configuration;
  readonly #wideArea: WideArea | undefined;

  /** `wideArea`: at the representative of a site among others. */
  constructor(configuration: Configuration, recovery: Recovery, old: Configuration, wideArea: WideArea | undefined) {
    this.configuration = configuration;
    this.recovery = recovery;
    this.#old = old;
    this.#wideArea = wideArea;
    if (wideArea === undefined) return;
    wideArea.supplyDigests();
    for (const stream of old.streams) {
      for (let seq = stream.discarded + 1; seq <= stream.high; seq++) {
        const held = stream.get(seq);
        if (held === undefined) continue;
        wideArea.supply(old.id, held);
        seq = held.seq;
      }
    }
  }

  /** A packet of some old configuration has been seen on the ring. */
  take(prefix: Prefix, bytes: Uint8Array): void {
    const packet = ringPacket(prefix, bytes);
    if (isMalformed(packet)) return;
    if (this.#isMine(bytes)) this.#hold(packet);
    this.#wideArea?.supply(configurationOf(bytes), packet);
  }

  /** Such a packet has come from another site; the ring has been sent it already. */
  takeRemote(prefix: Prefix, bytes: Uint8Array): void {
    const packet = ringPacket(prefix, bytes);
    if (isMalformed(packet)) return;
    if (this.#isMine(bytes)) this.#hold(packet);
    // For members of the ring that missed it: nobody else here can have it.
    else this.#wideArea?.keepRelayed(configurationOf(bytes), packet);
  }

  /** What the ring is asked for: what this daemon lacks, and what other sites lack. */
  requests(): readonly Request[] {
    const mine = this.recovery.missing();
    const forOthers = this.#wideArea?.requests() ?? [];
    return mine === undefined ? forOthers : [mine, ...forOthers];
  }

  /** Sends what it can of a request, up to so many bytes, and takes it out. Returns the packets sent. */
  answer({ configuration, site, missing }: Request, bytesMax: number, send: (bytes: Uint8Array) => void): number {
    const isMine = sameConfiguration(configuration, this.#old.id);
    const stream = isMine ? this.#old.stream(site) : undefined;
    if (stream === undefined && this.#wideArea === undefined) return 0;
    let sent = 0;
    const done = new Set<Uint8Array>();
    for (const seq of Array.from(missing.numbers())) {
      if (sent >= bytesMax) break;
      const bytes = stream?.get(seq)?.bytes ?? this.#wideArea?.relayed(configuration, site, seq);
      if (bytes === undefined) continue;
      missing.remove(seq);
      // One that stands for several is sent once.
      if (done.has(bytes)) continue;
      done.add(bytes);
      sent += bytes.length;
      send(bytes);
    }
    return sent;
  }

  /** Whether anything was gained since the last call. */
  progressed(): boolean {
    const isWaiting = this.recovery.isCommitted && !this.configuration.hasOneSite;
    // Who waits for other sites leaves it to the representative of its own to give up: it alone hears of them.
    if (isWaiting && this.#wideArea === undefined) return true;
    return this.recovery.progressed(this.#wideArea?.recoveryProgress);
  }

  #isMine(bytes: Uint8Array): boolean {
    return sameConfiguration(configurationOf(bytes), this.#old.id);
  }

  #hold(packet: RingPacket): void {
    if (this.recovery.counts(packet) && this.#old.admits(packet)) this.#old.stream(packet.site)?.hold(packet);
  }
}
