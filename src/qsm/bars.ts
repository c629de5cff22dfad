import { cover } from "../base/coverage.ts";
import { type NodeId, type RegionViewId, sameRegionView } from "../base/ids.ts";
import type { SealedView } from "../wire/region/data.ts";
import type { RegionMember } from "./region.ts";

/**
 * The views of a node in which packets wait for those of earlier ones (region-views.md, rule 11). Some of them may have been retired
 * since.
 */
export class Bars {
  #members: RegionMember[] = [];

  /** Packets of this view wait from now on. */
  add(member: RegionMember): void {
    this.#members.push(member);
  }

  of(id: RegionViewId): RegionMember | undefined {
    return this.#members.find((member) => sameRegionView(member.id, id));
  }

  /** Views from before this one in which packets of a sender wait, and up to where. */
  before({ order }: RegionMember, sender: NodeId): SealedView[] {
    return this.#members.flatMap((member) => (member.order < order ? (member.behindBar(sender) ?? []) : []));
  }

  /** Delivers what need not wait any more. What one view lets go may be what a later one waits for. */
  lift(): void {
    if (this.#members.length === 0) return;
    cover("regions order waits");
    for (let isOver = false; !isOver; ) {
      isOver = true;
      for (const member of this.#members) if (member.unbar()) isOver = false;
    }
    this.#members = this.#members.filter((member) => member.hasBars);
  }

  [Symbol.iterator](): Iterator<RegionMember> {
    return this.#members.values();
  }
}
