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
  /** No messages of this group are delivered here: only members send, and who only sends need not read. Views and the like still come. */
  readonly sendOnly?: boolean;
};

/** A join that waits for its first view. */
export type Joining = {
  readonly group: Group;
  readonly resolve: (group: Group) => void;
  readonly reject: (error: unknown) => void;
};
