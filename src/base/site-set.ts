import { assert } from "./assert.ts";

/** Sites have numbers below this. */
export const SITES_MAX = 128;

const WORD_BITS = 32;

/** A set of sites: four words, as packets carry it (protocols.md G20). */
export class SiteSet {
  readonly words: Uint32Array;

  constructor(words: Uint32Array = new Uint32Array(SITES_MAX / WORD_BITS)) {
    assert(words.length === SITES_MAX / WORD_BITS, "a set of sites has a bit for each");
    this.words = words;
  }

  static of(...sites: readonly number[]): SiteSet {
    const set = new SiteSet();
    for (const site of sites) set.add(site);
    return set;
  }

  add(site: number): void {
    assert(site >= 0 && site < SITES_MAX, "a site's number is below SITES_MAX");
    this.words[site >>> 5] = (this.words[site >>> 5] as number) | (1 << (site & 31));
  }

  addAll(other: SiteSet): void {
    for (let i = 0; i < this.words.length; i++) {
      this.words[i] = (this.words[i] as number) | (other.words[i] as number);
    }
  }

  has(site: number): boolean {
    return site >= 0 && site < SITES_MAX && ((this.words[site >>> 5] as number) & (1 << (site & 31))) !== 0;
  }

  /** Whether a site is in both. */
  intersects(other: SiteSet): boolean {
    for (let i = 0; i < this.words.length; i++) {
      if (((this.words[i] as number) & (other.words[i] as number)) !== 0) return true;
    }
    return false;
  }

  /** Ascending. */
  *sites(): Generator<number> {
    for (let site = 0; site < SITES_MAX; site++) if (this.has(site)) yield site;
  }

  toString(): string {
    return `{${[...this.sites()].join(",")}}`;
  }
}
