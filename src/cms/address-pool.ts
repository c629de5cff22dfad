import { assert } from "../base/assert.ts";

/**
 * Multicast addresses of regions, as indices from 0. What came back longest ago is given out first, so that stray packets to its last
 * owner have had the most time to end; a new index only when none is free, so that there are as few as possible.
 */
export class AddressPool {
  #taken = 0;
  /** In the order in which they came back. */
  readonly #free = new Set<number>();

  take(): number {
    for (const address of this.#free) {
      this.#free.delete(address);
      return address;
    }
    return this.#taken++;
  }

  put(address: number): void {
    assert(address < this.#taken && !this.#free.has(address), "an address comes back to the pool once");
    this.#free.add(address);
  }

  export(): { taken: number; free: readonly number[] } {
    return { taken: this.#taken, free: [...this.#free] };
  }

  import(state: { readonly taken: number; readonly free: readonly number[] }): void {
    this.#taken = state.taken;
    this.#free.clear();
    for (const address of state.free) this.#free.add(address);
  }
}
