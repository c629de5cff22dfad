import type { GroupNumber } from "../../base/ids.ts";
import type { Machine } from "../../machine/machine.ts";
import type { TimelyShape } from "../../ricochet/bin-plan.ts";
import type { TimelyStatistics } from "../../ricochet/timely-node.ts";
import type { PacketId } from "../../wire/timely/data.ts";

/** A node that repairs what it loses in its groups, in whatever way: what the field needs of it. */
export interface FieldNode extends Machine {
  readonly statistics: Readonly<Pick<TimelyStatistics, "sent" | "received" | "repairsSent" | "naksSent" | "lost">>;
  /** Once, before anything else. */
  setGroups(groups: readonly TimelyShape[], now: number): void;
  send(group: GroupNumber, payload: Uint8Array, now: number): PacketId;
  receive(bytes: Uint8Array, now: number): void;
}
