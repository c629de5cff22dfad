import { assert } from "./assert.ts";

/**
 * Identifies a daemon in a configuration: an unsigned 32-bit number, by default the hash of its name
 * (Spread's "virtual id"), so that stock Spread tools recognise it.
 */
export type DaemonId = number;

/**
 * Identifies a configuration of daemons (Spread's membership id): the daemon that created it and a time in
 * seconds that is greater than every time any of its members has used before.
 */
export type ConfigurationId = { readonly leader: DaemonId; readonly time: number };

/** The id of no configuration, before the first one is installed. */
export const NO_CONFIGURATION: ConfigurationId = { leader: 0, time: 0 };

export function sameConfiguration(a: ConfigurationId, b: ConfigurationId): boolean {
  return a.leader === b.leader && a.time === b.time;
}

/** A key for maps; equal exactly for equal ids. */
export function configurationKey(id: ConfigurationId): string {
  return `${id.leader}.${id.time}`;
}

/**
 * Identifies a node: one life of an application process that takes part in regions. Given out by the membership service and
 * never twice: epoch of the primary in the upper 21 bits, a counter in the lower 32. Nodes are ordered by it.
 */
export type NodeId = number;

/** Identifies a region, made like a `NodeId`: the next region with the same groups has another id. */
export type RegionId = number;

/** Identifies a group on the data path, made like a `NodeId`. */
export type GroupNumber = number;

/** One agreed membership of a region. Views of a region are numbered from 1, without gaps. */
export type RegionViewId = { readonly region: RegionId; readonly view: number };

export function sameRegionView(a: RegionViewId, b: RegionViewId): boolean {
  return a.region === b.region && a.view === b.view;
}

/** A key for maps; equal exactly for equal ids. */
export function regionViewKey({ region, view }: RegionViewId): string {
  return `${region}.${view}`;
}

const EPOCH_MAX = 0x1f_ffff;
const COUNTER_MAX = 0xffff_ffff;

/** The id that the membership service gives out as the `counter`-th of an epoch. */
export function issuedId(epoch: number, counter: number): number {
  assert(epoch >= 0 && epoch <= EPOCH_MAX && counter > 0 && counter <= COUNTER_MAX, "ids are left in the epoch");
  return epoch * 0x1_0000_0000 + counter;
}
