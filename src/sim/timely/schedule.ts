import type { PlatoConfig } from "../../plato/config.ts";
import type { NodeConfig } from "../../qsm/config.ts";
import type { TimelyConfig } from "../../ricochet/config.ts";
import type { Repairs } from "../../wire/timely/repairs.ts";
import type { MachineFault } from "../regions/machines.ts";
import type { GroupAct, RegionSchedule, RegionSend } from "../regions/schedule.ts";

/** What members of a group are promised, and how its packets are repaired. */
export type TimelyGroupPlan = {
  readonly name: string;
  /** Default: the group is a scalable one, repaired by tokens (with `lateral` of the node's settings also between receivers). */
  readonly repairs?: Repairs;
  /** Its messages have one order (PLATO). `optimistic`: they are delivered before it is known, if that is likely. */
  readonly order?: "optimistic" | "conservative";
};

/** What goes wrong; most of it as in regions. */
export type TimelyFault =
  | MachineFault
  /**
   * For so long what comes to the machine is not processed: it waits in the process, as in a node that cannot take what it is sent. Beyond
   * `BEHIND_PACKETS_MAX` packets it is dropped.
   */
  | { readonly kind: "behind"; readonly at: number; readonly daemon: number; readonly forMs: number }
  | SequencerTrap;

/**
 * From `at` on it lies in wait until the sequencer of an ordered group has done something: told the order of new messages, begun to make it in a view, or said what it brings into one.
 * So long after that its machine fails, and comes back later. Happens once. `apart`: from the first moment on these machines and the others do not hear of
 * each other, for so long.
 */
export type SequencerTrap = {
  readonly kind: "sequencerTrap";
  readonly at: number;
  readonly when: "order" | "view" | "state";
  readonly delayMs: number;
  readonly apart?: { readonly machines: readonly number[]; readonly forMs: number };
};

/** Packets that wait in a process that is behind; about what sockets hold. */
export const BEHIND_PACKETS_MAX = 512;

/** A whole run of nodes in timely groups as plain data. Times are ms from the start. */
export type TimelySchedule = Pick<
  RegionSchedule,
  | "seed"
  | "machines"
  | "quietAt"
  | "endAt"
  | "policy"
  | "failureMs"
  | "endTells"
  | "batchMs"
  | "service"
  | "daemons"
  | "pathMs"
> & {
  readonly groups: readonly TimelyGroupPlan[];
  readonly acts: readonly GroupAct[];
  /** The last of them after `quietAt`: these nobody may lose. */
  readonly sends: readonly RegionSend[];
  readonly faults: readonly TimelyFault[];
  /** Departures from `timelyDefaults`, `platoDefaults` and `nodeDefaults`. */
  readonly timely: Partial<Omit<TimelyConfig, "me" | "cluster">>;
  readonly plato: Partial<Omit<PlatoConfig, "me" | "optimistic" | "bodyBytesMax">>;
  readonly node: Partial<Omit<NodeConfig, "me" | "cluster">>;
};
