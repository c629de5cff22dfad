import type { Service } from "../ordering/service.ts";
import type { ViewCause, ViewId } from "../wire/spread/membership.ts";

/** A message that was delivered. */
export type Message = {
  readonly kind: "message";
  /** The private group of the sender: `#user#daemon`. */
  readonly sender: string;
  /** All destinations, as the sender named them: groups, and private groups. */
  readonly groups: readonly string[];
  readonly service: Service;
  /** The sender's 16-bit message type. */
  readonly type: number;
  /** A view of received memory that never changes. Copy it if you keep a small part for long. */
  readonly payload: Uint8Array;
  /** Sent by this connection itself. */
  readonly own: boolean;
  /** The sender's integers are big endian; only of interest if the payload holds integers in native order. */
  readonly bigEndian: boolean;
  /** In a timely group, of others' messages: it came, or was rebuilt from repairs, or was asked for. */
  readonly arrival?: "received" | "rebuilt" | "resent";
  /** In a totally ordered group: its place, or the one that it will likely have. Places ascend; some are left out. */
  readonly position?: number;
};

/**
 * A new membership of a group. Members see the same views, and messages at the same places between them; in a scalable group only the
 * views: there no message belongs to one at all members alike.
 */
export type View = {
  readonly kind: "view";
  readonly group: string;
  /** In a scalable group only `index` says something: it grows, and two members whose views have the same one have the same view. */
  readonly id: ViewId;
  /** Private groups of all members, in the same order at every member. */
  readonly members: readonly string[];
  /** This connection's place in `members`. */
  readonly index: number;
  readonly cause: ViewCause;
  /** Members that were not in this connection's previous view of the group. */
  readonly joined: readonly string[];
  /** Members of the previous view that are gone. */
  readonly left: readonly string[];
  /**
   * Who came from where: the members of one set were together in their previous view and delivered the same in it. Empty in a scalable group,
   * which does not promise that.
   */
  readonly sets: readonly (readonly string[])[];
  /** The set that this connection belongs to; empty in a scalable group. */
  readonly ownSet: readonly string[];
  /** Whether this side of a split may decide for all; `undefined` when a stock Spread daemon cannot tell. */
  readonly primary: boolean | undefined;
};

/** Until the next view, safe and agreed messages are promised only among those who come along into it. */
export type Transitional = {
  readonly kind: "transitional";
  readonly group: string;
};

/** Messages of this group were missed. */
export type Gap = {
  readonly kind: "gap";
  readonly group: string;
  /**
   * `slow`: this client read too slowly and the group's policy is to drop; `reconnected`: it came back at another
   * daemon or too late, and is a new member; `window`: more than the daemon kept happened while it was away (the client
   * then leaves and joins again, in case a view is among what is gone).
   */
  readonly reason: "slow" | "reconnected" | "window";
  /** How many, where that is known. */
  readonly count: number | undefined;
  /** In a scalable group, of whom: how many messages of each sender. */
  readonly senders?: Readonly<Record<string, number>>;
};

/** In flush mode: finish what you send in this view, then call `group.flush()`. */
export type FlushRequest = { readonly kind: "flushRequest"; readonly group: string };

/** The last event of a group that was left. `slow`: not as the program asked, but because it reads too slowly. */
export type Left = { readonly kind: "left"; readonly group: string; readonly reason?: "slow" };

/**
 * Scalable groups: what a sender that has failed had sent here is nowhere any more, and nobody in this member's region delivers it; members
 * in other regions may have. Timely groups: packets of this sender were lost here, and neither repairs nor requests have brought them; others
 * may have them.
 */
export type Lost = {
  readonly kind: "lost";
  readonly group: string;
  readonly sender: string;
  /** How many packets, which may hold messages of this group, or of others that the two are in. */
  readonly packets: number;
};

/**
 * Scalable groups: nothing is heard of a primary configuration of the daemons. Members go on sending to each other in the views that they
 * have, which do not change; what is sent meanwhile may turn out not to be accepted (`expelled`).
 */
export type Suspended = {
  readonly kind: "suspended";
  /** The daemon is on the lesser side of a split, or there is no connection to one. */
  readonly reason: "minority" | "disconnected";
};

/** Scalable groups: views change again. */
export type Resumed = { readonly kind: "resumed" };

/**
 * Scalable groups: the daemons have declared this node failed. The others have seen it leave, and take nothing of it; what they sent from then
 * until the next view, in which this connection is a new member, is missed here.
 */
export type Expelled = {
  readonly kind: "expelled";
  readonly group: string;
  /** So many own messages are not known to be everywhere: their `delivered` rejects with `EXPELLED`. */
  readonly unconfirmed: number;
};

/** The connection to the daemon is lost; it is being restored. */
export type Disconnected = { readonly kind: "disconnected"; readonly reason: string };

/** The connection is there again. */
export type Reconnected = {
  readonly kind: "reconnected";
  /** Of the daemon, as it was dialled. */
  readonly address: string;
  /** May differ from before: then other members see a new member. */
  readonly privateGroup: string;
  /** Nothing was missed. Otherwise each group shows a gap before its new view. */
  readonly resumed: boolean;
};

/**
 * The daemon's configuration has become, or is no longer, the primary one: the only one that may decide for all. A view tells that as
 * well; this is for groups whose members have not changed. In a group's stream if its view said otherwise, in the
 * connection's once. A stock Spread daemon cannot tell.
 */
export type Primary = { readonly kind: "primary"; readonly primary: boolean };

/** What a group's stream consists of. */
export type GroupEvent = Message | View | Primary | Transitional | Gap | FlushRequest | Left;

/** Totally ordered groups: what was delivered up to this place stays, and is the same at all members. */
export type Commit = { readonly kind: "commit"; readonly group: string; readonly position: number };

/**
 * Totally ordered groups: all messages that were delivered behind this place are taken back, the last first; they are delivered again in their right
 * places.
 */
export type Rollback = { readonly kind: "rollback"; readonly group: string; readonly position: number };

/** What the stream of a scalable group consists of. */
export type ScalableEvent = Message | View | Gap | Lost | Suspended | Resumed | Expelled | Left;

/** What the stream of a timely group consists of. */
export type TimelyEvent = ScalableEvent;

/** A message of a totally ordered group. */
export type PlacedMessage = Message & { readonly position: number };

/** What the stream of a totally ordered timely group consists of. */
export type OrderedTimelyEvent = PlacedMessage | Commit | Rollback | View | Suspended | Resumed | Expelled | Left;

/** What is told of groups whose members send straight to each other. */
export type NodeGroupEvent = ScalableEvent | OrderedTimelyEvent;

/** What the connection's stream consists of: everything of all groups, private messages, and its own state. */
export type ConnectionEvent = GroupEvent | NodeGroupEvent | Disconnected | Reconnected;
