import type { NodeOutbox } from "./outbox.ts";

/** The multicast addresses that a node listens to: each as long as one of its views, or of its groups, uses it. */
export class Listening {
  readonly #outbox: Pick<NodeOutbox, "listen" | "unlisten">;
  /** How many use an address. */
  readonly #uses = new Map<number, number>();

  constructor(outbox: Pick<NodeOutbox, "listen" | "unlisten">) {
    this.#outbox = outbox;
  }

  add(address: number): void {
    const count = this.#uses.get(address) ?? 0;
    this.#uses.set(address, count + 1);
    if (count === 0) this.#outbox.listen(address);
  }

  remove(address: number): void {
    const count = (this.#uses.get(address) ?? 0) - 1;
    if (count > 0) this.#uses.set(address, count);
    else {
      this.#uses.delete(address);
      this.#outbox.unlisten(address);
    }
  }
}
