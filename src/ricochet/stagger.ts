/** What comes to a node over the network: packets that are new, repairs, and, in their place, what it sends itself. Goes up for ever. */
export type Traffic = { packets: number };

/**
 * How many sub-bins a bin has, filled in turn, so that a burst of losses leaves at most one gap in a repair (protocols.md B10, B18): as many as packets
 * of the burst are likely to fall to this bin, which is its share of all that comes to the node, repairs like packets. More would only make repairs
 * late.
 */
export class Stagger {
  /** Datagrams in a row that a node may lose. */
  burstPackets: number;
  readonly #traffic: Traffic;
  #mine = 0;
  /** The traffic when counting began; moves up as what was counted is forgotten. */
  #from: number;

  constructor(burstPackets: number, traffic: Traffic) {
    this.burstPackets = burstPackets;
    this.#traffic = traffic;
    this.#from = traffic.packets;
  }

  /** One of the packets that came to the node, and that were counted, is for this bin. */
  countMine(): void {
    this.#mine++;
    if (this.#all < WINDOW) return;
    this.#from += this.#all / 2;
    this.#mine /= 2;
  }

  get bins(): number {
    const all = this.#all;
    const { burstPackets } = this;
    if (burstPackets === 1 || all < SAMPLES_MIN) return 1;
    return Math.max(1, Math.min(burstPackets, Math.ceil((burstPackets * this.#mine) / all)));
  }

  get #all(): number {
    return this.#traffic.packets - this.#from;
  }
}

/** Packets until the share is believed, and that are remembered. */
const SAMPLES_MIN = 32;
const WINDOW = 1_024;
