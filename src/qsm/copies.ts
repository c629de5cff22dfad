import type { NodeInfo } from "../cms/views.ts";
import type { NodeChannel } from "./outbox.ts";

/** A packet that this node passes on: to repair what another member lacks, or because there is no multicast. */
export type Copy = { readonly to: NodeInfo; readonly channel: NodeChannel; readonly packet: Uint8Array };

/** Copies that may wait. */
const COPIES_MAX = 65_536;

/** Copies for other members that wait to be sent: repairs before data (A54), and each of the two in order. */
export class Copies {
  readonly #repairs: Copy[] = [];
  readonly #data: Copy[] = [];

  get size(): number {
    return this.#repairs.length + this.#data.length;
  }

  /** False: too many wait, and it was dropped. */
  add(copy: Copy): boolean {
    if (this.size >= COPIES_MAX) return false;
    (copy.channel === "repair" ? this.#repairs : this.#data).push(copy);
    return true;
  }

  take(count: number): readonly Copy[] {
    const repairs = this.#repairs.splice(0, count);
    return repairs.length === count ? repairs : [...repairs, ...this.#data.splice(0, count - repairs.length)];
  }
}
