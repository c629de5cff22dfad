import type { NodeId } from "../base/ids.ts";
import { NEVER } from "../machine/machine.ts";
import {
  AGE_UNKNOWN,
  type AckBody,
  ORDER_ENTRY_BYTES,
  ORDER_HEAD_BYTES,
  type OrderBody,
  type OrderEntry,
} from "../wire/plato/bodies.ts";
import type { PlatoConfig } from "./config.ts";
import type { Message } from "./message.ts";

/** How far its member is. */
export type SequencerState = {
  /** The last place in the order; this member has all up to `held`; all members have up to `stable`. */
  readonly end: number;
  readonly held: number;
  readonly stable: number;
  /** Messages without a place, in the order of their times. */
  readonly unordered: readonly Message[];
};

/** What a sequencer asks of its member. */
export interface SequencerHost {
  state(): SequencerState;
  /** The order goes on like this, at all members. */
  tell(order: OrderBody): void;
  /** It has been told. */
  settle(): void;
  /** All members have everything up to there. */
  stabilize(stable: number): void;
}

/**
 * The member of a view that makes the order (protocols.md C4, C6): of what has come since, every few milliseconds; how far all members have
 * everything; and both again while not all are known to know it.
 */
export class Sequencer {
  readonly #config: PlatoConfig;
  readonly #view: number;
  readonly #others: readonly NodeId[];
  readonly #host: SequencerHost;
  /** How far each member has everything, and knows that all have. */
  readonly #acks = new Map<NodeId, AckBody>();
  #toldStable: number;
  #orderAt = NEVER;
  #idleAt = NEVER;

  /** Of a view with these members, this one included. */
  constructor(config: PlatoConfig, view: number, members: readonly NodeId[], host: SequencerHost) {
    this.#config = config;
    this.#view = view;
    this.#others = members.filter((member) => member !== config.me);
    this.#host = host;
    this.#toldStable = host.state().stable;
  }

  get deadline(): number {
    return Math.min(this.#orderAt, this.#idleAt);
  }

  tick(now: number): void {
    if (now >= this.#orderAt) this.#order(now);
    if (now >= this.#idleAt) this.tellOrder([], now);
  }

  /** There is something to order, or to tell. */
  orderSoon(now: number): void {
    const { orderMs } = this.#config;
    const at = orderMs === 0 ? now : (Math.floor(now / orderMs) + 1) * orderMs;
    this.#orderAt = Math.min(this.#orderAt, at);
  }

  tellOrder(entries: readonly OrderEntry[], now: number, base = Math.floor(now * 1_000)): void {
    const { bodyBytesMax, idleMs } = this.#config;
    const each = Math.floor((bodyBytesMax - ORDER_HEAD_BYTES) / ORDER_ENTRY_BYTES);
    for (let i = 0; i === 0 || i < entries.length; i += each) {
      const { end, stable } = this.#host.state();
      const some = entries.slice(i, i + each);
      this.#host.tell({ kind: "order", view: this.#view, first: end + 1, stable, base, entries: some });
    }
    this.#toldStable = this.#host.state().stable;
    this.#idleAt = this.#isQuiet ? NEVER : now + idleMs;
    this.#host.settle();
  }

  onAck(from: NodeId, ack: AckBody, now: number): void {
    const known = this.#acks.get(from);
    if (known !== undefined && known.held >= ack.held && known.stable >= ack.stable) return;
    this.#acks.set(from, ack);
    this.noteProgress(now);
  }

  /** This member, or another one, has more than before. */
  noteProgress(now: number): void {
    let least = this.#host.state().held;
    for (const member of this.#others) least = Math.min(least, this.#acks.get(member)?.held ?? 0);
    if (least > this.#host.state().stable) {
      this.#host.stabilize(least);
      this.orderSoon(now);
    }
    if (this.#isQuiet) this.#idleAt = NEVER;
  }

  #order(now: number): void {
    this.#orderAt = NEVER;
    const base = Math.floor(now * 1_000);
    const entries = this.#host.state().unordered.map(({ sender, seq, at, isExact }) => ({
      sender,
      seq,
      age: isExact ? Math.max(0, base - Math.floor(at * 1_000)) : AGE_UNKNOWN,
    }));
    if (entries.length > 0 || this.#host.state().stable > this.#toldStable) this.tellOrder(entries, now, base);
  }

  /** Whether all members are known to have everything, and to know that all have. */
  get #isQuiet(): boolean {
    const { end, stable } = this.#host.state();
    if (stable !== end) return false;
    return this.#others.every((member) => {
      const ack = this.#acks.get(member);
      return ack !== undefined && ack.held === end && ack.stable === end;
    });
  }
}
