import type { Announcement } from "../wire/interest.ts";

/** So many groups that nobody here is in any more stay announced: clients may come back. */
const IDLE_MAX = 64;

/** What this daemon has announced of a group. */
type Interest = {
  readonly number: number;
  /** Whether all daemons of the configuration are known to have noted it. */
  isNoted: boolean;
  /** Joins that may have been stamped and are not delivered yet. */
  readonly joins: Set<object>;
};

/**
 * Which groups this daemon has told the others that clients of it may join (docs/protocols/wide-area.md, "Pruning"). A join waits until all daemons have noted that: whoever
 * stamps a message after it then knows, and what was stamped before it is not for who joins. That holds for one configuration.
 *
 * It does not help that other daemons of the site are interested, as it is they who withdraw that.
 */
export class OwnInterests {
  readonly #announce: (announcement: Announcement) => void;
  readonly #groups = new Map<string, Interest>();
  /** Those of which nobody here is a member, longest first. */
  readonly #idle = new Set<string>();
  #number = 0;

  constructor(announce: (announcement: Announcement) => void) {
    this.#announce = announce;
  }

  /** A new configuration: nobody knows anything of this daemon's interests. */
  restart(): void {
    this.#groups.clear();
    this.#idle.clear();
  }

  /** Whether a request to join the group may be stamped now. Otherwise the group has been announced: `noted` tells when to ask again. */
  mayJoin(group: string, request: object): boolean {
    const interest = this.#groups.get(group);
    if (interest?.isNoted === true) {
      interest.joins.add(request);
      this.#idle.delete(group);
      return true;
    }
    if (interest === undefined) {
      const number = ++this.#number;
      this.#groups.set(group, { number, isNoted: false, joins: new Set() });
      this.#announce({ number, wants: true, group });
    }
    return false;
  }

  /** An announcement of this daemon is stable in the present configuration. Whether joins wait for it. */
  noted({ number, wants, group }: Announcement): boolean {
    const interest = this.#groups.get(group);
    if (!wants || interest?.number !== number) return false;
    interest.isNoted = true;
    return true;
  }

  /** A request of a client here to join the group has been delivered. */
  delivered(group: string): void {
    const joins = this.#groups.get(group)?.joins;
    for (const request of joins ?? []) {
      joins?.delete(request);
      return;
    }
  }

  /** Somebody here has joined the group, or left it: whether any client of this daemon is in it now. */
  changed(group: string, hasMember: boolean): void {
    const interest = this.#groups.get(group);
    if (interest === undefined) return;
    this.#idle.delete(group);
    if (hasMember || !interest.isNoted || interest.joins.size > 0) return;
    this.#idle.add(group);
    if (this.#idle.size <= IDLE_MAX) return;
    const [oldest] = this.#idle;
    if (oldest !== undefined) this.#withdraw(oldest);
  }

  #withdraw(group: string): void {
    const { number } = this.#groups.get(group) as Interest;
    this.#groups.delete(group);
    this.#idle.delete(group);
    this.#announce({ number, wants: false, group });
  }
}
