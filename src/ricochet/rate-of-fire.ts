/** How what one receiver loses is to be repaired. */
export type RateOfFire = {
  /** r: packets in a repair, at most. */
  readonly every: number;
  /** c: repairs of so many others cover each packet. */
  readonly copies: number;
  /** Packets in a row, of all that come to it, that it may lose: those of a repair are as far from each other. */
  readonly burst: number;
};

/** Until a receiver has said what it needs. */
export const RATE_START: RateOfFire = { every: 8, copies: 5, burst: 1 };

/** With one, a loss hangs on whether that one comes; and two repairs of twice as many packets cost as much. */
export const COPIES_MIN = 2;
export const COPIES_MAX = 12;
export const BURST_MAX = 64;

export function isSameRate(one: RateOfFire, other: RateOfFire): boolean {
  return one.every === other.every && one.copies === other.copies && one.burst === other.burst;
}

/**
 * The share of a receiver's losses that repairs will not bring, roughly, if each datagram is lost with this probability and repairs are spread against
 * its bursts. A repair helps if it comes and its other packets are here, at once or by the help of other repairs (the second step); two packets may be
 * lost that are in the same repairs everywhere, the likelier the fewer those are (the last term, as seen in simulated groups of 6 to 20). `isAligned`:
 * those who repair take packets at distances that make this rare (aligned-bins.ts).
 */
export function failureOf(loss: number, { every, copies, burst }: RateOfFire, isAligned: boolean): number {
  // One in `every` repairs of a packet is completed by that packet, and goes in the same burst.
  const comes = burst > 1 ? (1 - loss) * (1 - 1 / every) : 1 - loss;
  const after = (lacking: number): number => (1 - comes * (1 - loss * lacking) ** (every - 1)) ** copies;
  const { share, perCopy } = isAligned ? PAIRS_ALIGNED : PAIRS_ASSIGNED;
  return after(after(1)) + share * perCopy ** copies * Math.min(1, loss * every);
}

const PAIRS_ALIGNED = { share: 1.6, perCopy: 0.25 };
const PAIRS_ASSIGNED = { share: 0.3, perCopy: 0.5 };
