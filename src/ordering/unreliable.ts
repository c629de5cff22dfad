import type { DaemonId } from "../base/ids.ts";
import { FragmentCursor } from "../wire/fragment.ts";
import { RING_DATA_HEAD_BYTES, type RingPacket } from "../wire/ring-data.ts";
import type { Delivery } from "./upcall.ts";

/** A partial message that got nothing new for so long is given up. */
const PARTIAL_MS = 1_000;
/** Partial messages kept per origin; the oldest gives way. */
const PARTIALS_MAX = 64;
/** Bytes of all partial messages of an origin; a longer message is not put together. */
const PARTIAL_BYTES_MAX = 64 * 1024 * 1024;
/** How far back a repeated packet is recognised; what is older counts as repeated. */
const MEMORY = 1024;

type Partial = { readonly bytes: Uint8Array; received: number; touchedAt: number };

/**
 * The receiving side of unreliable messages (protocols.md G25): never repeated, possibly lost, delivered when
 * complete, in no particular order; memory is bounded in number and in time.
 */
export class UnreliableReceiver {
  readonly #deliver: (delivery: Delivery) => void;
  readonly #origins = new Map<DaemonId, Origin>();
  readonly #fragment = new FragmentCursor();

  constructor(deliver: (delivery: Delivery) => void) {
    this.#deliver = deliver;
  }

  receive(packet: RingPacket, now: number): void {
    let origin = this.#origins.get(packet.origin);
    if (origin === undefined) {
      origin = new Origin();
      this.#origins.set(packet.origin, origin);
    }
    if (!origin.isNew(packet.seq)) return;
    const fragment = this.#fragment;
    fragment.open(packet.bytes, RING_DATA_HEAD_BYTES, packet.end);
    while (fragment.advance()) {
      const payload = fragment.isWhole ? fragment.data() : origin.add(fragment, now);
      if (payload === undefined) continue;
      const { session, content } = fragment;
      this.#deliver({ sender: packet.origin, session, service: "unreliable", content, head: payload, tail: undefined });
    }
  }
}

class Origin {
  readonly #seen = new Float64Array(MEMORY);
  readonly #partials = new Map<number, Partial>();
  #bytes = 0;
  #high = 0;

  isNew(seq: number): boolean {
    const slot = seq % MEMORY;
    if (seq + MEMORY <= this.#high || this.#seen[slot] === seq) return false;
    this.#seen[slot] = seq;
    this.#high = Math.max(this.#high, seq);
    return true;
  }

  /** Adds a part; returns the message once it is complete. */
  add(fragment: FragmentCursor, now: number): Uint8Array | undefined {
    let partial = this.#partials.get(fragment.message);
    if (partial === undefined && fragment.total > PARTIAL_BYTES_MAX) return undefined;
    const newBytes = partial === undefined ? fragment.total : 0;
    for (const [message, { touchedAt }] of this.#partials) {
      const fits = this.#partials.size < PARTIALS_MAX && this.#bytes + newBytes <= PARTIAL_BYTES_MAX;
      if ((now - touchedAt < PARTIAL_MS && fits) || message === fragment.message) break;
      this.#drop(message);
    }
    if (partial === undefined) partial = { bytes: new Uint8Array(fragment.total), received: 0, touchedAt: now };
    const data = fragment.data();
    if (partial.bytes.length !== fragment.total || fragment.offset + data.length > fragment.total) return undefined;
    partial.bytes.set(data, fragment.offset);
    partial.received += data.length;
    partial.touchedAt = now;
    // Insertion order is order of age: the part that came last goes to the end.
    this.#drop(fragment.message);
    if (partial.received === partial.bytes.length) return partial.bytes;
    this.#partials.set(fragment.message, partial);
    this.#bytes += partial.bytes.length;
    return undefined;
  }

  #drop(message: number): void {
    this.#bytes -= this.#partials.get(message)?.bytes.length ?? 0;
    this.#partials.delete(message);
  }
}
