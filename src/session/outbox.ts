import type { SessionNumber } from "../groups/outbox.ts";

/** A TCP or Unix socket connection, or one within the process, as numbered by the host. Numbers are not used again while it is open. */
export type ConnectionNumber = number;

/** Where a connection comes from. */
export type Peer = { readonly kind: "unix" | "process" } | { readonly kind: "tcp"; readonly address: string };

/** For people and logs: an address, `unix` or `process`. */
export function shownPeer(peer: Peer): string {
  return peer.kind === "tcp" ? peer.address : peer.kind;
}

/** Whether two connections come from the same host, as far as addresses tell. */
export function isSamePlace(a: Peer, b: Peer): boolean {
  if (a.kind === "tcp" && b.kind === "tcp" && a.address === b.address) return true;
  return isThisHost(a) && isThisHost(b);
}

function isThisHost(peer: Peer): boolean {
  return peer.kind !== "tcp" || peer.address === "::1" || /^(::ffff:)?127\./.test(peer.address);
}

/** What to do about a receiver of a group that does not keep up. */
export type SlowPolicy = "wait" | "drop" | "expel";

/** A session, as the groups layer has to know it before its first join is delivered. */
export type AttachedSession = {
  readonly number: SessionNumber;
  readonly user: string;
  readonly privateGroup: string;
  /** Wants membership messages. */
  readonly membership: boolean;
  /** Identifies a native client over its reconnections (16 bytes). */
  readonly token?: Uint8Array;
};

/** What the session layer asks of its host. */
export interface SessionsOutbox {
  /**
   * Writes these chunks in one go; they are given away. Says whether the connection takes more at once; if not, the host
   * calls `Sessions.writable` when it does.
   */
  write(connection: ConnectionNumber, chunks: readonly Uint8Array[]): boolean;
  /** Closes: `flush` lets what was written leave first (for a bounded time), `drop` does not wait. */
  close(connection: ConnectionNumber, how: "flush" | "drop"): void;
  /** Reads nothing more from this connection; a chunk that is on its way already may still come. */
  pauseReading(connection: ConnectionNumber): void;
  resumeReading(connection: ConnectionNumber): void;
  /** The session exists: groups may meet its joins and its name. */
  attach(session: AttachedSession): void;
  /** A native session has lost its connection (`Sessions.closed`); what it is told is kept for it, within bounds. */
  interrupted(session: SessionNumber, byPeer: boolean): void;
  /** It has a connection again; `isComplete`: nothing that it was told is lost. */
  resumed(session: SessionNumber, isComplete: boolean): void;
  /** The session's end has been ordered and nothing of it is left here. */
  detach(session: SessionNumber): void;
  /** What the node that this session is counts (wire/native/node-statistics.ts), not checked; a view that is the caller's. */
  nodeStatistics(session: SessionNumber, statistics: Uint8Array): void;
  /** Checks a password, at leisure: the answer goes to `Sessions.verified`, not before this returns. */
  verifyPassword(connection: ConnectionNumber, user: string, password: string): void;
  /** A receiver of a `wait` group here is behind: nobody may send to it until it is released. */
  holdGroup(group: string): void;
  releaseGroup(group: string): void;
  /** For the event log. */
  report(event: SessionEvent): void;
}

/** What the session layer asks of those who know. */
export interface SessionsKnowledge {
  /** Whether what is sent to a group is delivered to a session for that. */
  isMember(session: SessionNumber, group: string): boolean;
  /** The slow-receiver policy of a group. */
  policyOf(group: string): SlowPolicy;
  /** Whether there may be scalable groups; and of one, to which nobody sends through a daemon, the options with which it is joined, for people. */
  hasScalable(): boolean;
  nodeOptionsOf(group: string): string | undefined;
  /** The greatest number of this token's client that has been ordered; 0 for one never seen. */
  lastOrdered(token: Uint8Array): number;
  /** For tickets: bytes that nobody can guess. */
  randomBytes(count: number): Uint8Array;
  /** `port@host` of the daemons that a client may go to. */
  daemons(): readonly string[];
  /** JSON for STATUS_REPORT; `whole`: with all regions and nodes. */
  status(whole: boolean): string;
}

/** Why a session ended. */
export type EndReason =
  /** The client asked for it. */
  | "kill"
  /** The connection closed. */
  | "eof"
  /** It did not read what was delivered to it. */
  | "slow"
  /** It sent what no client may send. */
  | "protocol"
  /** It was detached and did not come back in time. */
  | "grace"
  /** Its client has had another session since, or was started again under the same name. */
  | "superseded";

/** What happened to sessions, for log and metrics. */
export type SessionEvent =
  /** `from`: the client's address, or how it is connected (`shownPeer`). */
  | {
      readonly kind: "rejected";
      readonly connection: ConnectionNumber;
      readonly from: string;
      readonly code: number;
      readonly why: string;
    }
  | { readonly kind: "timedOut"; readonly connection: ConnectionNumber; readonly from: string }
  | {
      readonly kind: "accepted" | "resumed";
      readonly connection: ConnectionNumber;
      readonly from: string;
      readonly session: SessionNumber;
      readonly privateGroup: string;
      readonly protocol: "spread" | "native";
    }
  | { readonly kind: "detached"; readonly session: SessionNumber; readonly privateGroup: string }
  | {
      readonly kind: "ending";
      readonly session: SessionNumber;
      readonly privateGroup: string;
      readonly reason: EndReason;
      readonly why: string;
      /** It had no connection. */
      readonly wasDetached: boolean;
    };
