import type { ConfigurationId, DaemonId } from "../base/ids.ts";
import type { GroupId } from "./group-id.ts";
import type { NumberedSession } from "./numbered-sessions.ts";
import type { GroupOptions } from "./options.ts";

/**
 * What a set of daemons that know the same tells the others: the directory as plain data, with each client named
 * once. Canonical: equal directories give equal states.
 */
export type DirectoryState = {
  readonly sessions: readonly NumberedSession[];
  /** Greatest `used` that the table of numbered sessions has given out. */
  readonly sessionClock: number;
  /** In configured order. */
  readonly rosters: readonly RosterState[];
  /** By name. */
  readonly groups: readonly GroupState[];
};

export type RosterState = {
  readonly daemon: DaemonId;
  /** By name. */
  readonly users: readonly string[];
};

export type GroupState = {
  readonly name: string;
  readonly id: GroupId;
  readonly changed: boolean;
  readonly options: GroupOptions;
  readonly parts: readonly PartState[];
};

export type PartState = {
  /** Index in `DirectoryState.rosters`. */
  readonly roster: number;
  readonly configuration: ConfigurationId;
  /** Indices in the roster's `users`, ascending. */
  readonly members: Uint32Array;
};
