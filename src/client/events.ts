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
};

/** A new membership of a group. Members see the same views, and messages at the same places between them. */
export type View = {
  readonly kind: "view";
  readonly group: string;
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
  /** Who came from where: the members of one set were together in their previous view and delivered the same in it. */
  readonly sets: readonly (readonly string[])[];
  /** The set that this connection belongs to. */
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
  /** How many, where the daemon knows. */
  readonly count: number | undefined;
};

/** In flush mode: finish what you send in this view, then call `group.flush()`. */
export type FlushRequest = { readonly kind: "flushRequest"; readonly group: string };

/** The last event of a group that was left. */
export type Left = { readonly kind: "left"; readonly group: string };

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

/** What the connection's stream consists of: everything of all groups, private messages, and its own state. */
export type ConnectionEvent = GroupEvent | Disconnected | Reconnected;
