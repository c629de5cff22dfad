import { assert } from "../base/assert.ts";
import { type ConfigurationId, sameConfiguration } from "../base/ids.ts";
import { compareConfigurations, type GroupId } from "./group-id.ts";
import { compareRosters, type Member, type Roster } from "./member.ts";
import type { GroupOptions } from "./options.ts";

/** One daemon's members of one group: all that a change of daemons has to look at (protocols.md H1, H2). */
export type Part = {
  readonly roster: Roster;
  /**
   * The configuration that last changed this daemon's part: parts with equal ids were virtually synchronous up to
   * now. `undefined`: partitioned away, about to be removed.
   */
  configuration: ConfigurationId | undefined;
  /** By name; never empty. */
  readonly members: Member[];
};

/**
 * A process group: its members in three levels, by daemon in configured order and by name.
 *
 * Invariant: while a group is not `changed`, each of its parts carries the configuration of the group's id.
 */
export class Group {
  readonly name: string;
  id: GroupId;
  /** Its members differ, by a change of daemons, from those of the last notice: a network notice is due. */
  changed = false;
  options: GroupOptions;
  readonly parts: Part[] = [];

  constructor(name: string, id: GroupId, options: GroupOptions) {
    this.name = name;
    this.id = id;
    this.options = options;
  }

  get memberCount(): number {
    let count = 0;
    for (const part of this.parts) count += part.members.length;
    return count;
  }

  partOf(roster: Roster): Part | undefined {
    for (const part of this.parts) if (part.roster === roster) return part;
    return undefined;
  }

  has(member: Member): boolean {
    const part = this.partOf(member.roster);
    return part !== undefined && part.members[placeOf(part.members, member.name)] === member;
  }

  /** All members, in the order of every list that clients see. */
  members(): Member[] {
    const all: Member[] = [];
    for (const part of this.parts) for (const member of part.members) all.push(member);
    return all;
  }

  insert(member: Member, configurationOfNewPart: ConfigurationId | undefined): void {
    let part = this.partOf(member.roster);
    if (part === undefined) {
      part = { roster: member.roster, configuration: configurationOfNewPart, members: [] };
      this.insertPart(part);
    }
    const at = placeOf(part.members, member.name);
    assert(part.members[at] !== member, "a member joins once");
    part.members.splice(at, 0, member);
    member.groups.push(this);
  }

  insertPart(part: Part): void {
    let at = this.parts.length;
    while (at > 0 && compareRosters((this.parts[at - 1] as Part).roster, part.roster) > 0) at--;
    assert(at === 0 || this.parts[at - 1]?.roster !== part.roster, "a daemon has one part of a group");
    this.parts.splice(at, 0, part);
  }

  remove(member: Member): void {
    const part = this.partOf(member.roster);
    assert(part !== undefined, "the member has a part");
    const at = placeOf(part.members, member.name);
    assert(part.members[at] === member, "the member is in its part");
    part.members.splice(at, 1);
    if (part.members.length === 0) this.parts.splice(this.parts.indexOf(part), 1);
    const back = member.groups.indexOf(this);
    member.groups[back] = member.groups[member.groups.length - 1] as Group;
    member.groups.pop();
  }
}

/**
 * The members of a group by who came with whom, each exactly once (protocols.md H9): the parts of equal configuration
 * together, oldest first; each partitioned part by itself; a member that joined during the transition alone and last.
 */
export function virtualSynchronySets(group: Group, joiner?: Member): Member[][] {
  const sets: { configuration: ConfigurationId | undefined; members: Member[] }[] = [];
  for (const part of group.parts) {
    const { configuration } = part;
    let set =
      configuration === undefined
        ? undefined
        : sets.find(
            (other) => other.configuration !== undefined && sameConfiguration(other.configuration, configuration),
          );
    if (set === undefined) {
      set = { configuration, members: [] };
      sets.push(set);
    }
    for (const member of part.members) if (member !== joiner) set.members.push(member);
  }
  // The sort is stable: partitioned parts stay in the order of daemons.
  sets.sort((a, b) => {
    if (a.configuration === undefined) return b.configuration === undefined ? 0 : 1;
    return b.configuration === undefined ? -1 : compareConfigurations(a.configuration, b.configuration);
  });
  const lists = sets.map((set) => set.members).filter((members) => members.length > 0);
  if (joiner !== undefined) lists.push([joiner]);
  return lists;
}

/** Where a member of that name is, or would have to be inserted. */
function placeOf(members: readonly Member[], name: string): number {
  let low = 0;
  let high = members.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((members[middle] as Member).name < name) low = middle + 1;
    else high = middle;
  }
  return low;
}
