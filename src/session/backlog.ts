import { shownPeer } from "./outbox.ts";
import type { Session } from "./session.ts";

/** What waits for a client, or was not delivered to it. */
export type Backlog = {
  readonly user: string;
  readonly privateGroup: string;
  readonly protocol: "spread" | "native";
  /** The client's address, `unix`, `process` (the daemon's own), or `detached` while it has no connection. */
  readonly address: string;
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  /** Messages dropped by the policies of their groups since the session began. */
  readonly dropped: number;
};

/** The sessions for which something waits or was dropped, longest queues first, at most `max`. */
export function longestBacklogs(sessions: Iterable<Session>, max: number): Backlog[] {
  const backlogs: Backlog[] = [];
  for (const session of sessions) {
    const backlog = backlogOf(session);
    if (backlog.queuedMessages > 0 || backlog.dropped > 0) backlogs.push(backlog);
  }
  return backlogs.sort((a, b) => b.queuedBytes - a.queuedBytes || b.dropped - a.dropped).slice(0, max);
}

function backlogOf({ user, privateGroup, native, connection, queuedMessages, queuedBytes, dropped }: Session): Backlog {
  const peer = connection?.peer;
  return {
    user,
    privateGroup,
    protocol: native === undefined ? "spread" : "native",
    address: peer === undefined ? "detached" : shownPeer(peer),
    queuedMessages: Math.max(queuedMessages, native?.retention.unsentCount ?? 0),
    queuedBytes: Math.max(queuedBytes, native?.retention.unsentBytes ?? 0),
    dropped,
  };
}
