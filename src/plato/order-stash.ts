import type { OrderBody } from "../wire/plato/bodies.ts";

/** Orders that wait for the one before them. */
const ORDERS_MAX = 64;

/** Orders that came before the one that they follow on. */
export class OrderStash {
  readonly #orders = new Map<number, OrderBody>();

  get isEmpty(): boolean {
    return this.#orders.size === 0;
  }

  clear(): void {
    this.#orders.clear();
  }

  keep(order: OrderBody): void {
    // One without messages, that only tells what is stable, has the same place as the next.
    if (order.entries.length <= (this.#orders.get(order.first)?.entries.length ?? -1)) return;
    this.#orders.set(order.first, order);
    // What comes last is needed last, and can be asked for.
    if (this.#orders.size > ORDERS_MAX) this.#orders.delete(Math.max(...this.#orders.keys()));
  }

  /** Hands over those that follow on what there is, as long as there are such; `end`: the last place that is known. */
  release(end: () => number, append: (order: OrderBody) => void): void {
    for (const [first, order] of [...this.#orders].sort(([a], [b]) => a - b)) {
      if (first > end() + 1) return;
      this.#orders.delete(first);
      append(order);
    }
  }
}
