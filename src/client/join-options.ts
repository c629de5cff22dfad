import type { Repairs } from "../wire/timely/repairs.ts";
import type { Group } from "./group.ts";

/** How a group is joined. */
export type JoinOptions = {
  /** The daemons order the group's messages; the default. A group has one quality, fixed by its first join. */
  readonly quality?: "ordered";
  /** Gives up waiting for the first view; the group is left again. */
  readonly signal?: AbortSignal;
  /**
   * What the daemons do with a member that reads too slowly: `wait` makes senders wait, `drop` loses messages and tells
   * it by a `gap`, `expel` ends its membership. The first join of a group fixes it. Native protocol only.
   */
  readonly slow?: "wait" | "drop" | "expel";
  /** Virtual synchrony: every message is delivered in the view in which it was sent. All members have to use it. */
  readonly flush?: boolean;
  /** In flush mode: agree to each new view at once, instead of asking by a `flushRequest`. Sends wait meanwhile. */
  readonly autoFlush?: boolean;
};

/** How a scalable group is joined. */
export type ScalableJoinOptions = {
  /** Members multicast straight to each other, and the daemons keep the membership only. */
  readonly quality: "scalable";
  /** Gives up waiting for the first view; the group is left again. */
  readonly signal?: AbortSignal;
  /**
   * What becomes of a member that reads too slowly (`NodeOptions.waitingMax`): `wait` makes those wait who send to its region, `drop` loses
   * messages here and tells it by a `gap`, `expel` leaves the group. The first join of a group that names one fixes it; otherwise `expel`.
   */
  readonly slow?: "wait" | "drop" | "expel";
  /**
   * No messages of this group are delivered here, nor notices of what is lost: only members send, and who only sends need not read. Views and the like
   * still come; until the program begins to read, only the last one is kept.
   */
  readonly sendOnly?: boolean;
};

/** How a timely group is joined. */
export type TimelyJoinOptions = {
  /** Members multicast straight to each other and deliver at once; what is lost they rebuild from repairs that others send unasked. */
  readonly quality: "timely";
  /**
   * How members repair each other: after every `every` packets (2 to 32, default 8) that a member has received it sends a repair of them, so that
   * repairs of `copies` others (0 to 64, default 5) cover each packet at each member. `targets`: how it is chosen who repairs whom; leave it at
   * `auto` unless you compare. Instead, `recovery` (0.9 to 0.9999) says which share of what is lost repairs shall bring: each member measures
   * what it loses and asks the others for as few repairs as that takes. The first join of a group fixes them; one that names none takes what there is.
   */
  readonly repairs?: Partial<Repairs>;
  /** Without order: see `OrderedTimelyJoinOptions`. */
  readonly order?: undefined;
  /** Gives up waiting for the first view; the group is left again. */
  readonly signal?: AbortSignal;
  /** What becomes of a member that reads too slowly: `drop` (if no join names one) loses messages here and tells it by a `gap`, `expel` leaves the group. */
  readonly slow?: "drop" | "expel";
  /** As in `ScalableJoinOptions`. */
  readonly sendOnly?: boolean;
};

/** How a totally ordered timely group is joined. */
export type OrderedTimelyJoinOptions = Omit<TimelyJoinOptions, "order" | "slow"> & {
  /**
   * All members get the messages in one order (PLATO): each is delivered as soon as its place is likely, `rollback` takes back what was ordered
   * otherwise, and `commit` says what stays. A fact of the group, fixed by its first join.
   */
  readonly order: "total";
  /** Of this member: `false` delivers only what is committed, so nothing is ever taken back. Default `true`. */
  readonly optimistic?: boolean;
  /** A member that reads too slowly leaves the group: nothing is left out of an order. */
  readonly slow?: "expel";
};

/** How a group of any quality is joined. */
export type AnyJoinOptions = JoinOptions | ScalableJoinOptions | TimelyJoinOptions | OrderedTimelyJoinOptions;

/** Which options are only for groups of some qualities. */
const QUALITIES_OF: ReadonlyMap<string, readonly string[]> = new Map([
  ["flush", ["ordered"]],
  ["autoFlush", ["ordered"]],
  ["sendOnly", ["scalable", "timely"]],
  ["repairs", ["timely"]],
  ["order", ["timely"]],
  ["optimistic", ["timely"]],
]);

/**
 * Throws a `RangeError` that names an option which groups of the quality that is asked for do not have: a program without types may give it, and would be in
 * another group than it thinks.
 */
export function checkJoinOptions(options: AnyJoinOptions): void {
  const { quality = "ordered" } = options;
  if (!["ordered", "scalable", "timely"].includes(quality)) {
    throw new RangeError(`quality: ${JSON.stringify(quality)} is none of "ordered", "scalable", "timely"`);
  }
  for (const [name, value] of Object.entries(options)) {
    const qualities = QUALITIES_OF.get(name);
    if (value === undefined || value === false || qualities === undefined || qualities.includes(quality)) continue;
    throw new RangeError(
      `${name}: only for groups of the quality ${qualities.join(" or ")}, and this join asks for ${quality}`,
    );
  }
}

/** A join that waits for its first view. */
export type Joining = {
  readonly group: Group;
  readonly resolve: (group: Group) => void;
  readonly reject: (error: unknown) => void;
};
