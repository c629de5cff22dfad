import { type ConfigurationId, sameConfiguration } from "../base/ids.ts";

/**
 * Identifies one view of a group. Clients see it as Spread's (proc_id, time, index): the configuration of daemons in
 * which the view was installed, and a number that grows within it and is never used again for a view of that group
 * (protocols.md section 0 item 12).
 */
export type GroupId = { readonly configuration: ConfigurationId; readonly index: number };

/** Orders configurations by age: by time, then by leader. */
export function compareConfigurations(a: ConfigurationId, b: ConfigurationId): number {
  return a.time - b.time || a.leader - b.leader;
}

/** Orders group ids by age; 0 exactly for equal ids. */
export function compareGroupIds(a: GroupId, b: GroupId): number {
  return compareConfigurations(a.configuration, b.configuration) || a.index - b.index;
}

export function sameGroupId(a: GroupId, b: GroupId): boolean {
  return a.index === b.index && sameConfiguration(a.configuration, b.configuration);
}
