import type { RegionId, RegionViewId } from "../base/ids.ts";

/** Things that belong to region views: found for each packet, so without a key that has to be made. Few views of a region live at a time. */
export class ViewTable<T extends { readonly id: RegionViewId }> {
  readonly #byRegion = new Map<RegionId, T[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(region: RegionId, view: number): T | undefined {
    const entries = this.#byRegion.get(region);
    if (entries === undefined) return undefined;
    for (let i = entries.length - 1; i >= 0; i--) {
      const entry = entries[i] as T;
      if (entry.id.view === view) return entry;
    }
    return undefined;
  }

  of({ region, view }: RegionViewId): T | undefined {
    return this.get(region, view);
  }

  add(entry: T): void {
    const entries = this.#byRegion.get(entry.id.region);
    if (entries === undefined) this.#byRegion.set(entry.id.region, [entry]);
    else entries.push(entry);
    this.#size++;
  }

  delete({ region, view }: RegionViewId): void {
    const entries = this.#byRegion.get(region);
    const at = entries?.findIndex((entry) => entry.id.view === view) ?? -1;
    if (entries === undefined || at < 0) return;
    entries.splice(at, 1);
    if (entries.length === 0) this.#byRegion.delete(region);
    this.#size--;
  }

  *[Symbol.iterator](): Generator<T> {
    for (const entries of this.#byRegion.values()) yield* entries;
  }
}
