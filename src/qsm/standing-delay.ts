import type { NodeId } from "../base/ids.ts";

/** What is usual for a sender's packets is the least delay of a time between this and twice this. */
const USUAL_MS = 30_000;
/** Fewer samples say nothing: all of them may have met one pause. */
const SAMPLES_MIN = 4;

/** The least delays of a sender, in this stretch of time and in the one before; `undefined`: nothing has come. */
type Usual = { least: number | undefined; before: number | undefined };

/**
 * How long packets wait until this node processes them, wherever that is: found from the times of day that senders write on some of
 * them. Clocks need not agree: a delay counts as far as it exceeds the least one of that sender in the last half minute or
 * so, since clocks drift and ways change.
 *
 * What is told of a stretch of time is the least delay in it (CoDel's rule): a queue that was empty for a moment keeps up, whatever a
 * pause of the process or a burst has put into it meanwhile; one that never was does not.
 */
export class StandingDelay {
  readonly #usual = new Map<NodeId, Usual>();
  #turnedAt = Number.NEGATIVE_INFINITY;
  #least = Number.POSITIVE_INFINITY;
  #samples = 0;

  /** A packet that its sender made at `stamp` (ms of its clock, modulo 2³²) is processed at `now`. */
  sample(sender: NodeId, stamp: number, now: number): void {
    if (now >= this.#turnedAt + USUAL_MS) this.#turn(now);
    let usual = this.#usual.get(sender);
    if (usual === undefined) this.#usual.set(sender, (usual = { least: undefined, before: undefined }));
    const delay = asSigned(Math.floor(now) - stamp);
    if (usual.least === undefined || exceeds(usual.least, delay) > 0) usual.least = delay;
    const beyond = Math.max(exceeds(delay, usual.least), exceeds(delay, usual.before ?? usual.least));
    if (beyond < this.#least) this.#least = beyond;
    this.#samples++;
  }

  /** Milliseconds, of the time since the last call; 0 where too little has come to tell. */
  take(): number {
    const standing = this.#samples < SAMPLES_MIN ? 0 : this.#least;
    this.#least = Number.POSITIVE_INFINITY;
    this.#samples = 0;
    return standing;
  }

  #turn(now: number): void {
    this.#turnedAt = now;
    for (const [sender, usual] of this.#usual) {
      if (usual.least === undefined) this.#usual.delete(sender);
      usual.before = usual.least;
      usual.least = undefined;
    }
  }
}

/** Clocks may be anything; their differences are of 32 bits, and the differences of these are small. */
function asSigned(ms: number): number {
  return ms | 0;
}

function exceeds(delay: number, other: number): number {
  return asSigned(delay - other);
}
