import type { Random } from "../base/random.ts";

/**
 * How a network loses datagrams, independently on every link from one node to another (Q1). Probabilities are per
 * datagram, 0 … 1.
 */
export type LossModel =
  | { readonly kind: "none" }
  | { readonly kind: "uniform"; readonly probability: number }
  /** Each loss takes the next `length` − 1 datagrams of the link with it. */
  | { readonly kind: "burst"; readonly probability: number; readonly length: number }
  /** Gilbert-Elliott: a link is good or bad, changes by chance with every datagram, and loses accordingly. */
  | {
      readonly kind: "gilbertElliott";
      readonly toBad: number;
      readonly toGood: number;
      readonly lossGood: number;
      readonly lossBad: number;
    }
  /** Loses everything in the first `lengthMs` of every `everyMs` (Q10). */
  | { readonly kind: "periodic"; readonly everyMs: number; readonly lengthMs: number };

export const NO_LOSS: LossModel = { kind: "none" };

/** The state of the loss models of all links; `link` is any small integer. */
export class LossState {
  /** Remaining datagrams of a burst, or 1 for a bad link. */
  readonly #state: Int32Array;

  constructor(links: number) {
    this.#state = new Int32Array(links);
  }

  /** Decides the fate of the next datagram on the link. */
  isLost(link: number, model: LossModel, random: Random, now: number): boolean {
    switch (model.kind) {
      case "none":
        return false;
      case "uniform":
        return random.chance(model.probability);
      case "burst": {
        const left = this.#state[link] as number;
        if (left > 0) {
          this.#state[link] = left - 1;
          return true;
        }
        if (!random.chance(model.probability)) return false;
        this.#state[link] = model.length - 1;
        return true;
      }
      case "gilbertElliott": {
        let bad = this.#state[link] !== 0;
        if (random.chance(bad ? model.toGood : model.toBad)) {
          bad = !bad;
          this.#state[link] = bad ? 1 : 0;
        }
        return random.chance(bad ? model.lossBad : model.lossGood);
      }
      case "periodic":
        return now % model.everyMs < model.lengthMs;
    }
  }

  /** Forgets bursts and bad states, as when another model takes over. */
  reset(): void {
    this.#state.fill(0);
  }
}
