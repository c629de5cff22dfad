import type { NodeId } from "../base/ids.ts";
import type { Links } from "./link.ts";
import type { RegionSender } from "./sender.ts";

/**
 * Whom a node waits for that may have failed without its being told: the membership service tells of a failure those who are in a view
 * with the failed node, or could send in one. Who was, may still have a last acknowledgement to give or to get after the view is
 * forgotten everywhere; so it asks, now and then, as long as it waits.
 */
export class Inquiry {
  readonly #ms: number;
  #at = Number.NEGATIVE_INFINITY;
  /** How far superseded views were stable when this was looked at last. */
  #stable: ReadonlyMap<RegionSender, number> = new Map();

  /** `ms`: how long it waits before it asks, and asks again. */
  constructor(ms: number) {
    this.#ms = ms;
  }

  /** Those to ask for now, ascending. `isToldOf`: whether this node would have been told if that one had failed. */
  due(
    links: Links,
    senders: readonly RegionSender[],
    isToldOf: (node: NodeId) => boolean,
    now: number,
  ): readonly NodeId[] {
    if (now < this.#at + this.#ms) return NOBODY;
    this.#at = now;
    const awaited = new Set(links.silent(now, this.#ms));
    const stable = new Map<RegionSender, number>();
    for (const sender of senders) {
      if (!sender.isSealed || sender.isDone) continue;
      stable.set(sender, sender.stable);
      // Any member would answer: so nobody may be left.
      if (this.#stable.get(sender) === sender.stable) for (const { id } of sender.view.members) awaited.add(id);
    }
    this.#stable = stable;
    return [...awaited].filter((node) => !isToldOf(node)).sort((a, b) => a - b);
  }
}

const NOBODY: readonly NodeId[] = [];
