import type { DaemonId } from "../base/ids.ts";
import type { NodeJoin } from "../directory/join-request.ts";
import type { GroupOptions } from "../directory/options.ts";
import type { Service } from "../ordering/service.ts";

/**
 * A client session of this daemon, by the number that the session layer gave it. Numbers are not used again while
 * the daemon runs.
 */
export type SessionNumber = number;

/** What the groups layer asks of its host: the ordered transport below it, and the client sessions above it. */
export interface GroupsOutbox {
  /** Multicasts to the groups layers of all daemons of the configuration. */
  multicast(service: Service, content: number, payload: Uint8Array): void;
  /** Hands a data message over to local sessions; each is named once. `frame` is a little-endian Spread frame, `tail` the last part of its data if that is apart. */
  deliver(sessions: readonly SessionNumber[], frame: Uint8Array, tail: Uint8Array | undefined): void;
  /** Hands over a membership message: a join, leave, disconnect or network view, a transitional signal or a self leave. */
  notify(session: SessionNumber, notice: Notice): void;
  /**
   * The session's own numbered message is delivered now (or had been before: `duplicate`). Called just before its
   * `deliver` or its notices, so that a session that receives its own message knows the number.
   */
  ordered(session: SessionNumber, number: number, duplicate: boolean): void;
  /** A numbered join was refused: the group's options differ from those asked for. */
  refused(session: SessionNumber, number: number, group: string, why: string): void;
  /** The session's end has been ordered: its private name is free again. */
  ended(session: SessionNumber): void;
  /** A session of this daemon joins a scalable group, or is in it: it asks to be this node. Comes before its `scalableChanged`. */
  nodeJoins(session: SessionNumber, node: NodeJoin): void;
  /** A session of this daemon is in a group of nodes, of which these options are fixed, from now on or for it. */
  optionsFixed(session: SessionNumber, group: string, options: GroupOptions): void;
  /**
   * A client of any daemon has joined, or left, a group with quality "scalable" or "timely". Told by all daemons at the same position of the
   * order.
   */
  scalableChanged(daemon: DaemonId, user: string, group: string, joined: boolean): void;
  /** The end of a client of any daemon has been ordered: it is in no group any more. Told like `scalableChanged`, which it stands for. */
  clientEnded(daemon: DaemonId, user: string): void;
  /** A message that the session has sent to no group is ordered: it is for its daemon. */
  toldDaemon(session: SessionNumber, frame: Uint8Array): void;
  /**
   * State exchange begins: read nothing of clients, and give nothing of them to the ring, neither what is queued nor
   * what restarts from the configuration before; only `multicast` of this layer goes on.
   */
  block(): void;
  /** State exchange is complete. */
  unblock(): void;
  /** Requests to join that `Groups.interest` has held up may be stamped: ask it again. */
  mayJoin(): void;
  /**
   * The groups are as the configuration of so many daemons has them: groups that it changed have told their new views. Comes
   * before anything that is ordered in it. A group that has lost nobody has no new view to tell whether it is primary now.
   */
  configured(primary: boolean, daemons: number): void;
}

/**
 * A membership message as a Spread frame, whole; built once per group where its bytes are the same for all: then it is
 * the same object. Its bytes are never changed.
 */
export type Notice = {
  readonly kind: "join" | "leave" | "disconnect" | "network" | "transitional" | "selfLeave";
  readonly group: string;
  /** Whether the configuration it belongs to is primary. */
  readonly primary: boolean;
  readonly frame: Uint8Array;
};
