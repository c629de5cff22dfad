import type { NodeId } from "../base/ids.ts";
import type { EpochRecord } from "./continuity.ts";
import type { MembershipEvent } from "./happening.ts";
import type { NodeReport } from "./replica.ts";
import type { SettledStream } from "./settled.ts";
import type { Change } from "./views.ts";

/** What the membership service of a daemon asks of its host. Sessions are named as at their daemon. None of it may call back. */
export interface MembershipOutbox {
  /** To the services of all daemons of the configuration, this one included: safe, and in the order of this sender. */
  multicast(command: Uint8Array): void;
  /** To be made durable; then `persisted` is called with it. It replaces what was persisted before. */
  persist(record: EpochRecord): void;
  /** The session is this node, from here on or still. Its changes follow. */
  registered(user: string, node: NodeId): void;
  /** What the session is told next: in the order of `seq`, without gaps. */
  change(user: string, change: Change): void;
  /** The report has been ordered: the node need not repeat it wherever it goes. */
  acknowledged(user: string, report: NodeReport): void;
  /**
   * The session's node is declared failed, or not known: it must not send any more, and may come back as a new one (`attach`). `settled`: what
   * is known to have been accepted of it.
   */
  expelled(user: string, settled: readonly SettledStream[]): void;
  /** Whether no changes are computed now, because this daemon is in no primary configuration. Concerns all sessions. */
  suspended(suspended: boolean): void;
  /** For people: nothing is to be done about it. */
  happened(event: MembershipEvent): void;
}
