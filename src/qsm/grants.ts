import type { NodeId } from "../base/ids.ts";
import { maxMinShares } from "./max-min.ts";

/** Rounds without a packet after which a sender has no share any more. */
const IDLE_ROUNDS = 2;
/** Who uses less than this share of its grant does not want more; it is then given so many times what it sends. */
const SATISFIED = 0.8;
const HEADROOM = 1.5;

type Demand = { seen: number; at: number; round: number; grant: number; want: number };

/**
 * What the leader of a region lets each sender send: what the weakest member can take, split max-min over the senders (protocols.md A45,
 * K43). What a sender wants is seen from what it does with its grant: who uses it up is taken to want more.
 */
export class Grants {
  readonly #rateMin: number;
  readonly #demands = new Map<NodeId, Demand>();
  #round = 0;

  /** `rateMin`: nobody is held below; packets per second. */
  constructor(rateMin: number) {
    this.#rateMin = rateMin;
  }

  /** A round has come back. `capacity`: packets per second; `seen`: up to which number of each sender. */
  completed(capacity: number, seen: Iterable<readonly [NodeId, number]>, now: number): void {
    this.#round++;
    for (const [sender, seq] of seen) this.#observe(sender, seq, now);
    const active = [...this.#demands.values()].filter(({ round }) => this.#round - round <= IDLE_ROUNDS);
    const shares = maxMinShares(
      capacity,
      active.map(({ want }) => want),
    );
    // What nobody wants may be used by whoever comes to want it.
    const spare = (capacity - shares.reduce((sum, share) => sum + share, 0)) / active.length;
    active.forEach((demand, i) => {
      demand.grant = Math.max((shares[i] as number) + spare, this.#rateMin);
    });
    const [free] = maxMinShares(capacity, [Number.POSITIVE_INFINITY, ...active.map(({ want }) => want)]);
    for (const demand of this.#demands.values()) {
      if (!active.includes(demand)) demand.grant = Math.max(free as number, this.#rateMin);
    }
  }

  /** Packets per second; `undefined` before the first round that has met the sender. */
  of(sender: NodeId): number | undefined {
    return this.#demands.get(sender)?.grant;
  }

  #observe(sender: NodeId, seq: number, now: number): void {
    const demand = this.#demands.get(sender);
    if (demand === undefined) {
      this.#demands.set(sender, { seen: seq, at: now, round: this.#round, grant: 0, want: Number.POSITIVE_INFINITY });
      return;
    }
    const rate = now > demand.at ? ((seq - demand.seen) * 1_000) / (now - demand.at) : 0;
    if (seq > demand.seen) demand.round = this.#round;
    demand.want = rate < SATISFIED * demand.grant ? rate * HEADROOM + this.#rateMin : Number.POSITIVE_INFINITY;
    demand.seen = seq;
    demand.at = now;
  }
}
