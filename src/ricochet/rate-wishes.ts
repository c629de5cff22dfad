import type { GroupNumber, NodeId } from "../base/ids.ts";
import { NEVER } from "../machine/machine.ts";
import type { RateWish } from "../wire/timely/rate.ts";
import type { GroupShape } from "./bin-plan.ts";
import { FireControl, type Repairers } from "./fire-control.ts";
import type { RateOfFire } from "./rate-of-fire.ts";

/** How often rates are worked out while packets come. */
const UPDATE_MS = 200;
/** How often they are told though nothing has changed, since that may have been lost; more seldom with many to tell. */
const REPEAT_MS = 1_000;
const REPEAT_MS_PER_PEER = 20;

/** The groups that are set to one recovery. */
type Kind = {
  readonly control: FireControl;
  /** All other members of these groups; how many there are in the largest, and how they repair. */
  members: ReadonlySet<NodeId>;
  by: Repairers;
  repeatAt: number;
};

/**
 * How this node wants to be repaired in groups that adapt: it watches what becomes of their packets (fire-control.ts), and tells their other members
 * what follows from that.
 */
export class RateWishes {
  readonly #tell: (to: NodeId, wishes: readonly RateWish[]) => void;
  /** By recovery. */
  readonly #kinds = new Map<number, Kind>();
  readonly #kindOf = new Map<GroupNumber, Kind>();
  /**
   * Packets may be here that the node has not looked at. What is lost meanwhile is lost for want of time, of which more repairs would take even more:
   * it does not count.
   */
  isBehind = false;
  /** When rates are to be worked out. */
  deadline = NEVER;

  constructor(tell: (to: NodeId, wishes: readonly RateWish[]) => void) {
    this.#tell = tell;
  }

  /** How this node wants to be repaired in such groups now; undefined: it is in none. */
  rateOf(recovery: number): RateOfFire | undefined {
    return this.#kinds.get(recovery)?.control.rate;
  }

  /** `isAligned`: whether most members of groups with this recovery repair each other in aligned bins. */
  setGroups(groups: Iterable<GroupShape>, me: NodeId, isAligned: (recovery: number) => boolean, now: number): void {
    this.#kindOf.clear();
    const present = new Map<number, { readonly members: Set<NodeId>; others: number }>();
    for (const { group, members, recovery } of groups) {
      if (recovery === undefined) continue;
      let those = present.get(recovery);
      if (those === undefined) present.set(recovery, (those = { members: new Set(), others: 0 }));
      for (const member of members) if (member !== me) those.members.add(member);
      those.others = Math.max(those.others, members.length - 1);
      let kind = this.#kinds.get(recovery);
      if (kind === undefined) this.#kinds.set(recovery, (kind = newKind(recovery)));
      this.#kindOf.set(group, kind);
    }
    for (const [recovery, kind] of this.#kinds) {
      const those = present.get(recovery);
      if (those === undefined) {
        this.#kinds.delete(recovery);
        continue;
      }
      kind.members = those.members;
      kind.by = { others: those.others, isAligned: isAligned(recovery) };
      // Who is new has not heard of it.
      kind.repeatAt = now;
    }
    this.deadline = this.#kinds.size > 0 ? Math.min(this.deadline, now + UPDATE_MS) : NEVER;
  }

  /** What has become of a packet that should have come then. */
  arrived(group: GroupNumber, how: "received" | "rebuilt" | "resent" | "lost", since: number, now: number): void {
    const kind = this.#kindOf.get(group);
    if (kind === undefined || this.isBehind) return;
    if (how === "received") kind.control.came(now);
    else kind.control.missed(since, how === "rebuilt");
    this.deadline = Math.min(this.deadline, now + UPDATE_MS);
  }

  /** A packet that was rebuilt, and should have come then, has come by itself. */
  cameAfterAll(group: GroupNumber, since: number): void {
    this.#kindOf.get(group)?.control.cameAfterAll(since);
  }

  /** A repair of so many packets came, of which the last had come so long after the first. */
  filled(group: GroupNumber, packets: number, fillMs: number): void {
    this.#kindOf.get(group)?.control.filled(packets, fillMs);
  }

  tick(now: number): void {
    this.deadline = NEVER;
    for (const [recovery, kind] of this.#kinds) {
      const isOther = kind.control.update(now, kind.by);
      if (!isOther && now < kind.repeatAt) continue;
      kind.repeatAt = now + Math.max(REPEAT_MS, REPEAT_MS_PER_PEER * kind.members.size);
      const { every, copies, burst } = kind.control.rate;
      for (const member of kind.members) this.#tell(member, [{ recovery, every, copies, burst }]);
    }
  }
}

function newKind(recovery: number): Kind {
  return { control: new FireControl(recovery), members: new Set(), by: { others: 0, isAligned: false }, repeatAt: 0 };
}
