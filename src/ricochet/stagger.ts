/**
 * How many sub-bins a bin has, filled in turn, so that a burst of losses leaves at most one gap in a repair (protocols.md B10, B18): as many as packets
 * of the burst are likely to fall to this bin, which is its share of all packets that the node gets. More would only make repairs late.
 */
export class Stagger {
  readonly #burstPackets: number;
  #mine = 0;
  #all = 0;

  /** `burstPackets`: packets in a row that a node may lose. */
  constructor(burstPackets: number) {
    this.#burstPackets = burstPackets;
  }

  /** One of the packets that came to the node, and that were counted, is for this bin. */
  countMine(): void {
    this.#mine++;
  }

  /** A packet came to the node. */
  countAny(): void {
    this.#all++;
    if (this.#all < WINDOW) return;
    this.#all /= 2;
    this.#mine /= 2;
  }

  get bins(): number {
    if (this.#burstPackets === 1 || this.#all < SAMPLES_MIN) return 1;
    return Math.max(1, Math.min(this.#burstPackets, Math.ceil((this.#burstPackets * this.#mine) / this.#all)));
  }
}

/** Packets until the share is believed, and that are remembered. */
const SAMPLES_MIN = 32;
const WINDOW = 1_024;
