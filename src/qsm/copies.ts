import type { NodeInfo } from "../cms/views.ts";
import type { NodeChannel } from "./outbox.ts";

/** A packet that this node passes on: to repair what another member lacks, or because there is no multicast. */
export type Copy = { readonly to: NodeInfo; readonly channel: NodeChannel; readonly packet: Uint8Array };

/** Copies that may wait. */
const COPIES_MAX = 65_536;

/** Copies for other members that wait to be sent, in order. */
export class Copies {
  readonly #waiting: Copy[] = [];

  get size(): number {
    return this.#waiting.length;
  }

  /** False: too many wait, and it was dropped. */
  add(copy: Copy): boolean {
    if (this.#waiting.length >= COPIES_MAX) return false;
    this.#waiting.push(copy);
    return true;
  }

  take(count: number): readonly Copy[] {
    return this.#waiting.splice(0, count);
  }
}
