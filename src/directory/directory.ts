import { assert } from "../base/assert.ts";
import { type ConfigurationId, type DaemonId, NO_CONFIGURATION, sameConfiguration } from "../base/ids.ts";
import { Digest } from "./digest.ts";
import { compareGroupIds, type GroupId, sameGroupId } from "./group-id.ts";
import { Group, type Part } from "./group.ts";
import { compareRosters, type Member, Roster } from "./member.ts";
import { NumberedSessions } from "./numbered-sessions.ts";
import { agreeOnOptions, DEFAULT_OPTIONS, type GroupOptions, mergeOptions, optionsCode } from "./options.ts";
import type { DirectoryState, GroupState, RosterState } from "./state.ts";

/** Names and order of daemons: facts of the configuration file, the same at all daemons. */
export type DaemonNames = {
  /** The place of a daemon in the configuration file; unknown ones last. */
  positionOf(daemon: DaemonId): number;
  nameOf(daemon: DaemonId): string;
};

/** What a join came to. */
export type Joined =
  | { readonly kind: "joined"; readonly group: Group; readonly member: Member }
  | { readonly kind: "alreadyMember" }
  | { readonly kind: "refused"; readonly why: string };

/** A group in which daemons are gone, with the id of the view that ends. */
export type Affected = { readonly group: Group; readonly idBefore: GroupId };

/**
 * Which process is in which group at which daemon: the one relation from which group views, region views and session
 * state are derived (protocols.md J3, H1). A pure reducer: fed with the same ordered joins, leaves and configurations,
 * all daemons of a configuration hold equal directories (K26). It sends nothing and tells nobody; `groups/` does.
 *
 * Group ids do not repeat: a view is (configuration in which it came to be, index). The index grows while its group
 * lives, and a group that is created begins above every index that groups which emptied in this configuration have
 * reached. Going on with the index of an earlier configuration, as production does, would not do: a component that lost
 * the last changes of that configuration would give their ids to other views. The counter starts anew with each
 * configuration, so that it never needs to be exchanged.
 */
export class Directory {
  readonly sessions: NumberedSessions;
  readonly #names: DaemonNames;
  readonly #groups = new Map<string, Group>();
  readonly #rosters = new Map<DaemonId, Roster>();
  /** The groups by name, while none has come or gone since they were sorted. */
  #sorted: Group[] | undefined;
  /** The configuration, regular or transitional, in which changes happen now. */
  #configuration: ConfigurationId = NO_CONFIGURATION;
  /** Members of the transitional configuration, in one; all others are partitioned. */
  #transitional: ReadonlySet<DaemonId> | undefined;
  /** Greatest index of a group that emptied in this configuration. */
  #vacated = 0;
  /** Of the groups as they are, once somebody has asked for it. */
  #hash: string | undefined;
  #version = 0;

  constructor(names: DaemonNames, sessionsMax = 65_536) {
    this.#names = names;
    this.sessions = new NumberedSessions(sessionsMax);
  }

  get groupCount(): number {
    return this.#groups.size;
  }

  get(name: string): Group | undefined {
    return this.#groups.get(name);
  }

  /** Grows whenever anything changes: what was worked out of the directory holds as long as it is the same. */
  get version(): number {
    return this.#version;
  }

  /** All groups by name. To be read before the next change. */
  groups(): readonly Group[] {
    this.#sorted ??= [...this.#groups.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    return this.#sorted;
  }

  /** A client process, if it is in any group. */
  member(daemon: DaemonId, user: string): Member | undefined {
    return this.#rosters.get(daemon)?.members.get(user);
  }

  /** Adds a member. A group that a partitioned daemon's client joins becomes changed (H.2, GTRANS). */
  join(name: string, daemon: DaemonId, user: string, wanted: GroupOptions = DEFAULT_OPTIONS): Joined {
    let group = this.#groups.get(name);
    const known = this.member(daemon, user);
    if (group !== undefined && known !== undefined && group.has(known) && group.options.quality === wanted.quality) {
      return { kind: "alreadyMember" };
    }
    const options = agreeOnOptions(group?.options, wanted);
    if (typeof options === "string") return { kind: "refused", why: options };

    this.#changed();
    const partitioned = this.#transitional !== undefined && !this.#transitional.has(daemon);
    if (group === undefined) {
      group = new Group(name, { configuration: this.#configuration, index: this.#vacated + 1 }, options);
      this.#groups.set(name, group);
      this.#sorted = undefined;
    } else {
      if (partitioned && !group.changed) this.#change(group);
      this.#advance(group);
      group.options = options;
    }
    if (partitioned) group.changed = true;
    const member = this.#roster(daemon).intern(user);
    group.insert(member, partitioned ? undefined : group.id.configuration);
    return { kind: "joined", group, member };
  }

  /** Removes a member of the group; the group ends with its last one. */
  leave(group: Group, member: Member): void {
    this.#changed();
    group.remove(member);
    this.#advance(group);
    if (member.groups.length === 0) this.#dismiss(member);
    if (group.parts.length === 0) this.#end(group);
  }

  /**
   * A transitional configuration: daemons outside are partitioned. Groups with members there become changed, their
   * other parts take its id (H.2, GOP). Returned by name.
   */
  partition(id: ConfigurationId, members: ReadonlySet<DaemonId>): Affected[] {
    this.#enter(id);
    this.#transitional = members;
    const affected: Affected[] = [];
    for (const group of this.groups()) {
      if (group.parts.every((part) => members.has(part.roster.daemon))) continue;
      affected.push({ group, idBefore: group.id });
      this.#change(group);
    }
    return affected;
  }

  /** Removes all daemons that are not among `members`, from all groups; those groups are changed. True if any was. */
  prune(members: ReadonlySet<DaemonId>): boolean {
    const gone = new Set<Roster>();
    for (const roster of this.#rosters.values()) {
      if (members.has(roster.daemon)) continue;
      gone.add(roster);
      this.#rosters.delete(roster.daemon);
    }
    if (gone.size === 0) return false;
    this.#changed();
    for (const group of this.#groups.values()) {
      const { parts } = group;
      let kept = 0;
      for (const part of parts) if (!gone.has(part.roster)) parts[kept++] = part;
      if (kept === parts.length) continue;
      parts.length = kept;
      group.changed = true;
      if (kept === 0) this.#end(group);
    }
    return true;
  }

  /**
   * The members of this configuration now all know the same: changed groups take ids of it. `view` is told of each by
   * name, with its new id, while its parts still say who came with whom (H4).
   */
  settle(id: ConfigurationId, view: (group: Group) => void): void {
    this.#enter(id);
    this.#transitional = undefined;
    this.sessions.trim();
    for (const group of this.groups()) {
      if (!group.changed) continue;
      group.id = { configuration: id, index: 1 };
      view(group);
      for (const part of group.parts) part.configuration = id;
      group.changed = false;
    }
    this.#changed();
  }

  /** All that is known, to be told to daemons that know otherwise. */
  export(): DirectoryState {
    const rosters: RosterState[] = [];
    const index = new Map<Roster, number>();
    for (const roster of [...this.#rosters.values()].sort(compareRosters)) {
      const users = [...roster.members.keys()].sort();
      for (let i = 0; i < users.length; i++) (roster.members.get(users[i] as string) as Member).ordinal = i;
      index.set(roster, rosters.length);
      rosters.push({ daemon: roster.daemon, users });
    }
    return {
      sessions: this.sessions.export(),
      sessionClock: this.sessions.clock,
      rosters,
      groups: this.groups().map((group) => exportGroup(group, index)),
    };
  }

  /**
   * Adds what a disjoint set of daemons knows. A group becomes changed if the two had different views of it. The
   * result does not depend on the order in which sets are merged.
   */
  merge(state: DirectoryState): void {
    this.#changed();
    const members = state.rosters.map(({ daemon, users }) => {
      assert(!this.#rosters.has(daemon), "a daemon's clients are told of by one set");
      const roster = this.#roster(daemon);
      return { roster, members: users.map((user) => roster.intern(user)) };
    });
    for (const other of state.groups) {
      const group = this.#adopt(other);
      for (const part of other.parts) {
        const from = members[part.roster];
        assert(from !== undefined, "a part's roster is in its state");
        group.insertPart(adoptPart(group, from.roster, from.members, part.members, part.configuration));
      }
    }
    this.sessions.merge(state.sessions, state.sessionClock);
  }

  /** Equal for equal groups, members, ids, marks and options: compared at equal positions of the agreed order (K26). */
  hash(): string {
    this.#hash ??= this.#digest();
    return this.#hash;
  }

  /** The same as `hash`, to be read by people: one line per group. */
  snapshot(): string {
    const show = (id: ConfigurationId | undefined) => (id === undefined ? "gone" : `${id.leader}.${id.time}`);
    const lines = this.groups().map(({ name, id, changed, options, parts }) => {
      const members = parts.map((part) => `${part.members.map((m) => m.name).join(" ")} @${show(part.configuration)}`);
      const marks = `${changed ? " changed" : ""}${options.slow === undefined ? "" : ` slow=${options.slow}`}`;
      return `${name} ${show(id.configuration)}/${id.index}${marks}: ${members.join("; ")}`;
    });
    return [...lines, `in ${show(this.#configuration)}, vacated ${this.#vacated}`].join("\n");
  }

  #digest(): string {
    const digest = new Digest();
    for (const group of this.groups()) {
      digest.text(group.name).id(group.id.configuration).number(group.id.index);
      digest
        .number(group.changed ? 1 : 0)
        .number(optionsCode(group.options))
        .number(group.parts.length);
      for (const { roster, configuration, members } of group.parts) {
        digest
          .number(roster.daemon)
          .id(configuration ?? NO_CONFIGURATION)
          .number(members.length);
        for (const member of members) digest.text(member.user);
      }
    }
    digest.id(this.#configuration).number(this.#vacated);
    return digest.finish();
  }

  #enter(id: ConfigurationId): void {
    this.#changed();
    this.#configuration = id;
    this.#vacated = 0;
  }

  /** The id of the next view, and with it the configuration of all that stayed together until now. */
  #advance(group: Group): void {
    const { configuration, index } = group.id;
    if (sameConfiguration(configuration, this.#configuration)) {
      group.id = { configuration, index: index + 1 };
      return;
    }
    assert(!group.changed, "a changed group has an id of the current configuration");
    group.id = { configuration: this.#configuration, index: 1 };
    for (const part of group.parts) part.configuration = this.#configuration;
  }

  /** Partitioned daemons' parts lose their configuration, the others take the transitional one. */
  #change(group: Group): void {
    const members = this.#transitional;
    assert(members !== undefined, "groups lose daemons in a transitional configuration");
    const id = this.#configuration;
    for (const part of group.parts) part.configuration = members.has(part.roster.daemon) ? id : undefined;
    // A group that was created in this very configuration goes on counting.
    if (!sameConfiguration(group.id.configuration, id)) group.id = { configuration: id, index: 1 };
    group.changed = true;
  }

  #adopt(other: GroupState): Group {
    const group = this.#groups.get(other.name);
    if (group === undefined) {
      const adopted = new Group(other.name, other.id, other.options);
      adopted.changed = other.changed;
      this.#groups.set(other.name, adopted);
      this.#sorted = undefined;
      return adopted;
    }
    if (other.changed || !sameGroupId(group.id, other.id)) group.changed = true;
    if (compareGroupIds(group.id, other.id) < 0) group.id = other.id;
    group.options = mergeOptions(group.options, other.options);
    return group;
  }

  #roster(daemon: DaemonId): Roster {
    let roster = this.#rosters.get(daemon);
    if (roster === undefined) {
      roster = new Roster(daemon, this.#names.nameOf(daemon), this.#names.positionOf(daemon));
      this.#rosters.set(daemon, roster);
    }
    return roster;
  }

  #dismiss(member: Member): void {
    member.roster.members.delete(member.user);
    if (member.roster.members.size === 0) this.#rosters.delete(member.roster.daemon);
  }

  #end(group: Group): void {
    this.#groups.delete(group.name);
    this.#sorted = undefined;
    if (sameConfiguration(group.id.configuration, this.#configuration)) {
      this.#vacated = Math.max(this.#vacated, group.id.index);
    }
  }

  #changed(): void {
    this.#hash = undefined;
    this.#version++;
  }
}

function exportGroup(group: Group, index: ReadonlyMap<Roster, number>): GroupState {
  const parts = group.parts.map((part) => {
    const members = new Uint32Array(part.members.length);
    for (let i = 0; i < members.length; i++) members[i] = (part.members[i] as Member).ordinal;
    assert(part.configuration !== undefined, "partitioned parts are removed before state is told");
    return { roster: index.get(part.roster) as number, configuration: part.configuration, members };
  });
  return { name: group.name, id: group.id, changed: group.changed, options: group.options, parts };
}

function adoptPart(
  group: Group,
  roster: Roster,
  known: readonly Member[],
  ordinals: Uint32Array,
  configuration: ConfigurationId,
): Part {
  // A copy has exactly its size, where pushing would leave slack; each element is replaced.
  const members = known.slice(0, ordinals.length);
  for (let i = 0; i < ordinals.length; i++) {
    const member = known[ordinals[i] as number] as Member;
    members[i] = member;
    member.groups.push(group);
  }
  return { roster, configuration, members };
}
