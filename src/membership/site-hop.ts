import type { DaemonId } from "../base/ids.ts";
import type { HopConfig } from "../hop/config.ts";
import { Hop, type HopFailure } from "../hop/hop.ts";
import { HOP_CLASSES } from "../hop/hop.ts";
import type { Feed } from "../machine/feed.ts";

/** Urgency of what a representative sends to another site: a class of objects on a hop. */
export const HopClass = { control: 0, urgent: 1, repair: 2, data: 3 } as const;

/** A hop may have so much waiting that it needs to reach its rate, and no more: what waits here is stamped already, and late. */
const WAITING_MS = 50;
const WAITING_BYTES_MIN = 64 * 1024;
/** Unreliable messages beyond this are dropped: nothing else bounds them. */
const UNRELIABLE_BYTES_MAX = 1024 * 1024;

/** What a hop between sites asks of its host. */
export interface SiteHopOutbox {
  transmit(to: DaemonId, bytes: Uint8Array): void;
  object(from: number, object: Uint8Array, now: number): void;
  failed(site: number, why: HopFailure): void;
}

/** The hop to the representative of a neighbouring site, and what waits for it. */
export class SiteHop {
  readonly site: number;
  readonly peer: DaemonId;
  readonly hop: Hop;
  readonly #queues: readonly ObjectQueue[] = Array.from({ length: HOP_CLASSES }, () => new ObjectQueue());

  constructor(site: number, peer: DaemonId, config: HopConfig, outbox: SiteHopOutbox, now: number) {
    this.site = site;
    this.peer = peer;
    this.hop = new Hop(
      config,
      {
        transmit: (bytes) => outbox.transmit(peer, bytes),
        opened: () => undefined,
        deliver: (object, at) => outbox.object(site, object, at),
        failed: (why) => outbox.failed(site, why),
      },
      now,
    );
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
  send(object: Uint8Array, hopClass: number): void {
    const queue = this.#queues[hopClass] as ObjectQueue;
    queue.push(object);
    this.hop.sink(hopClass).register(queue);
  }

  /** The same for an object that may be lost. */
  sendUnreliable(object: Uint8Array): void {
    if (this.waitingBytes < UNRELIABLE_BYTES_MAX) this.send(object, HopClass.data);
  }
}

/** Objects of one class in the order in which they came. Bounded by what may be unstable of all sites together. */
class ObjectQueue implements Feed {
  #objects: Uint8Array[] = [];
  #head = 0;
  bytes = 0;

  push(object: Uint8Array): void {
    this.#objects.push(object);
    this.bytes += object.length;
  }

  pull(itemsMax: number, bytesMax: number, out: Uint8Array[]): boolean {
    let room = bytesMax;
    for (let items = 0; items < itemsMax; items++) {
      const object = this.#objects[this.#head];
      if (object === undefined || object.length > room) break;
      room -= object.length;
      this.bytes -= object.length;
      out.push(object);
      this.#head++;
    }
    if (this.#head === this.#objects.length || this.#head >= 1024) {
      this.#objects = this.#objects.slice(this.#head);
      this.#head = 0;
    }
    return this.#objects.length > this.#head;
  }
}
