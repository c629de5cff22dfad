import type { Computer } from "./computer.ts";
import type { Station } from "./station.ts";

/**
 * What acknowledgements with ranges of numbers (Q7) would let a sender forget besides what the greatest contiguous one does: of the packets that
 * had been sent when a round began, those behind a gap that every member holds when it comes back. A token can bring no more, so
 * this is what they bring at most. Packets, as simulated, of one sender in its first region.
 */
export class AckRanges {
  readonly #sender: Station;
  readonly #stations: readonly Station[];
  readonly #computers: readonly Computer[];
  #sentAtOpening = 0;
  /** Ascending. */
  #held: readonly number[] = [];
  #rounds = 0;
  #ranges = 0;

  constructor(sender: Station, stations: readonly Station[], computers: readonly Computer[]) {
    this.#sender = sender;
    this.#stations = stations;
    this.#computers = computers;
  }

  /** Packets beyond the acknowledged one that could be forgotten now. */
  get clearable(): number {
    const stable = this.#sender.node.senders[0]?.stable ?? 0;
    return this.#held.reduce((count, seq) => count + Number(seq > stable), 0);
  }

  /** How many ranges a round's acknowledgement would have, on average. */
  get rangesMean(): number {
    return this.#ranges / Math.max(1, this.#rounds);
  }

  /** A round begins. */
  opened(): void {
    this.#sentAtOpening = this.#sender.node.senders[0]?.last ?? 0;
  }

  /** It has come back, and what it acknowledges is known to the sender. */
  completed(): void {
    const [sending] = this.#sender.node.senders;
    if (sending === undefined) return;
    const [view] = this.#sender.node.regions;
    const streams = this.#stations
      .filter((_, index) => this.#computers[index]?.isRunning === true)
      .flatMap(({ node }) => [...node.regions].filter(({ id }) => id.region === view?.id.region))
      .map((member) => member.streams.get(this.#sender.id));
    const isEverywhere = (seq: number): boolean => streams.every((stream) => stream?.has(seq) === true);
    let seq = sending.stable + 1;
    // What follows the acknowledged one without a gap has come meanwhile: it waits for the next round, with ranges or without.
    while (seq <= this.#sentAtOpening && isEverywhere(seq)) seq++;
    const held: number[] = [];
    for (; seq <= this.#sentAtOpening; seq++) {
      if (!isEverywhere(seq)) continue;
      if (held.at(-1) !== seq - 1) this.#ranges++;
      held.push(seq);
    }
    this.#held = held;
    this.#rounds++;
  }
}
