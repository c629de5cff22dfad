import type { NodeId } from "../base/ids.ts";
import { AdmissionEstimator, admissionDefaults, type Reception } from "./admission.ts";
import type { NodeConfig } from "./config.ts";
import type { RegionMember } from "./region.ts";
import { StandingDelay } from "./standing-delay.ts";

/** What a node can take, over all its region views, by what it has received and how long that has waited (ADR 5). */
export class Capacity {
  readonly #admission: AdmissionEstimator;
  readonly #delay = new StandingDelay();
  /** What was received in views that have been retired. */
  readonly #past = { received: 0, expected: 0, gaps: 0 };

  constructor({ rateStart, rateMin, rateMax }: NodeConfig, now: number) {
    this.#admission = new AdmissionEstimator({ ...admissionDefaults, rateStart, rateMin, rateMax }, now);
  }

  /** Packets per second; `undefined`: nothing is known yet. */
  get rate(): number | undefined {
    return this.#admission.isInformed ? this.#admission.rate : undefined;
  }

  /** A packet that its sender made at `stamp`, of its own clock, has come. */
  stamped(sender: NodeId, stamp: number, now: number): void {
    this.#delay.sample(sender, stamp, now);
  }

  /** Looks at what has been received, if it is time to. `members`: the views that live. */
  observe(members: Iterable<RegionMember>, now: number): void {
    if (!this.#admission.isDue(now)) return;
    const all = { ...this.#past };
    for (const { reception } of members) add(all, reception);
    this.#admission.observe(all, this.#delay.take(), now);
  }

  /** A view has been retired. */
  retired({ reception }: RegionMember): void {
    add(this.#past, reception);
  }
}

function add(sum: { -readonly [K in keyof Reception]: number }, part: Reception): void {
  sum.received += part.received;
  sum.expected += part.expected;
  sum.gaps += part.gaps;
}
