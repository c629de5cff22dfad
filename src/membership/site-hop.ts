import type { DaemonId } from "../base/ids.ts";
import type { HopConfig } from "../hop/config.ts";
import { Hop, type HopFailure } from "../hop/hop.ts";
import { HOP_CLASSES } from "../hop/hop.ts";
import { HeardHeads, KnownHeads } from "../hop/known-heads.ts";
import type { Feed } from "../machine/feed.ts";
import { decodeSiteObject, encodeSiteObject, SITE_OBJECT_BYTES_MAX, type SiteObject } from "../wire/site-object.ts";

/** Urgency of what a representative sends to another site: a class of objects on a hop. */
export const HopClass = { control: 0, urgent: 1, repair: 2, data: 3 } as const;

/** A hop may have so much waiting that it needs to reach its rate, and no more: what waits here is stamped already, and late. */
const WAITING_MS = 50;
const WAITING_BYTES_MIN = 64 * 1024;
/** Unreliable messages beyond this are dropped: nothing else bounds them. */
const UNRELIABLE_BYTES_MAX = 1024 * 1024;

const NOT_BEGUN = { sent: 0, acknowledged: 0 };

/** What a hop between sites asks of its host. */
export interface SiteHopOutbox {
  transmit(to: DaemonId, bytes: Uint8Array): void;
  /** Undefined: it was malformed. */
  object(from: number, object: SiteObject | undefined, now: number): void;
  failed(site: number, why: HopFailure): void;
}

/** The hop to the representative of a neighbouring site, and what waits for it. */
export class SiteHop {
  readonly site: number;
  readonly peer: DaemonId;
  readonly hop: Hop;
  readonly #queues: readonly ObjectQueue[];

  /** `usualOf`: what heads of packets of a source are like (wire/site-object.ts). */
  constructor(
    site: number,
    peer: DaemonId,
    config: HopConfig,
    usualOf: (source: number) => Uint8Array | undefined,
    outbox: SiteHopOutbox,
    now: number,
  ) {
    this.site = site;
    this.peer = peer;
    const heard = new HeardHeads();
    this.hop = new Hop(
      config,
      {
        transmit: (bytes) => outbox.transmit(peer, bytes),
        opened: () => undefined,
        deliver: (object, at) => outbox.object(site, decodeSiteObject(object, usualOf, heard), at),
        failed: (why) => outbox.failed(site, why),
      },
      now,
    );
    const known = new KnownHeads(() => this.hop.sender ?? NOT_BEGUN);
    const encode = (object: SiteObject): Uint8Array =>
      encodeSiteObject(object, usualOf(object.source) as Uint8Array, known);
    this.#queues = Array.from({ length: HOP_CLASSES }, () => new ObjectQueue(encode));
  }

  get waitingBytes(): number {
    return this.#queues.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Bytes that may be added to what waits. */
  get credit(): number {
    const rate = this.hop.sender?.pacing ?? 0;
    return Math.max(0, Math.max(WAITING_BYTES_MIN, (rate * WAITING_MS) / 1000) - this.waitingBytes);
  }

  /** Follow it with `flush`. */
  send(object: SiteObject, hopClass: number): void {
    const queue = this.#queues[hopClass] as ObjectQueue;
    queue.push(object);
    this.hop.sink(hopClass).register(queue);
  }

  /** The same for an object that may be lost. */
  sendUnreliable(object: SiteObject): void {
    if (this.waitingBytes < UNRELIABLE_BYTES_MAX) this.send(object, HopClass.data);
  }
}

/**
 * Objects of one class in the order in which they came, encoded when they leave, as it is known then what the other end has. Bounded by what may be unstable of
 * all sites together.
 */
class ObjectQueue implements Feed {
  readonly #encode: (object: SiteObject) => Uint8Array;
  #objects: SiteObject[] = [];
  #head = 0;
  /** Of the packets, as they are on rings. */
  bytes = 0;

  constructor(encode: (object: SiteObject) => Uint8Array) {
    this.#encode = encode;
  }

  push(object: SiteObject): void {
    this.#objects.push(object);
    this.bytes += object.packet.length;
  }

  pull(itemsMax: number, bytesMax: number, out: Uint8Array[]): boolean {
    let room = bytesMax;
    for (let items = 0; items < itemsMax; items++) {
      const object = this.#objects[this.#head];
      const bytesMax = SITE_OBJECT_BYTES_MAX + (object?.sites?.length ?? 0) + (object?.packet.length ?? 0);
      if (object === undefined || bytesMax > room) break;
      const bytes = this.#encode(object);
      room -= bytes.length;
      this.bytes -= object.packet.length;
      out.push(bytes);
      this.#head++;
    }
    if (this.#head === this.#objects.length || this.#head >= 1024) {
      this.#objects = this.#objects.slice(this.#head);
      this.#head = 0;
    }
    return this.#objects.length > this.#head;
  }
}
