import type { DaemonId } from "../base/ids.ts";
import type { Directory } from "../directory/directory.ts";
import type { Group } from "../directory/group.ts";
import { type GroupOptions, optionsCode, shownOptions } from "../directory/options.ts";
import type { LocalMembers } from "./local-members.ts";
import type { GroupsOutbox } from "./outbox.ts";

/**
 * Groups whose members are nodes (quality scalable or timely): they hear each other without daemons, which know who is in them and with which options. Where two
 * components have a group of one name, and one of them an ordered one, it is that from then on.
 */
export class NodeGroups {
  readonly #me: DaemonId;
  readonly #directory: Directory;
  readonly #local: LocalMembers;
  readonly #outbox: Pick<GroupsOutbox, "optionsFixed">;
  /** Some of them may be ordered ones by now. */
  readonly #names = new Set<string>();

  constructor(me: DaemonId, directory: Directory, local: LocalMembers, outbox: Pick<GroupsOutbox, "optionsFixed">) {
    this.#me = me;
    this.#directory = directory;
    this.#local = local;
    this.#outbox = outbox;
  }

  /** Whether there may be any at all. */
  get areThere(): boolean {
    return this.#names.size > 0;
  }

  /** Those that a client is in, by name. */
  ofClient(daemon: DaemonId, user: string): string[] {
    const names: string[] = [];
    for (const group of this.#directory.member(daemon, user)?.groups ?? [])
      if (!isOrdered(group)) names.push(group.name);
    return names.sort();
  }

  /** The options with which one is joined, for people; `undefined` for any other group. */
  optionsOf(name: string): string | undefined {
    if (!this.#names.has(name)) return undefined;
    const options = this.#directory.get(name)?.options;
    if (options !== undefined && options.quality !== "ordered") return shownOptions(options);
    this.#names.delete(name);
    return undefined;
  }

  /** A node has joined one, which had these options before. */
  joined(group: Group, before: GroupOptions | undefined): void {
    this.#names.add(group.name);
    this.#tellOptions(group, before);
  }

  /** The directory takes over what another component has (`merge`): members here are told what that changes. */
  merge(groups: readonly { readonly name: string; readonly options: GroupOptions }[], merge: () => void): void {
    const ordered: Group[] = [];
    const options = new Map<Group, GroupOptions>();
    for (const { name, options: theirs } of groups) {
      const group = this.#directory.get(name);
      if (theirs.quality !== "ordered") this.#names.add(name);
      if (group === undefined || isOrdered(group)) continue;
      if (theirs.quality === "ordered") ordered.push(group);
      else options.set(group, group.options);
    }
    merge();
    for (const group of ordered) this.#follow(group);
    for (const [group, before] of options) this.#tellOptions(group, before);
  }

  /** Programs may use each name once: what has ended is not looked for any more. */
  dropEnded(names: Iterable<string> = this.#names): void {
    for (const name of names) if (this.#directory.get(name) === undefined) this.#names.delete(name);
  }

  /** The members here are told what is fixed of a group, if that is new. */
  #tellOptions({ name, parts, options }: Group, before: GroupOptions | undefined): void {
    if (!hasFacts(options) || (before !== undefined && optionsCode(before) === optionsCode(options))) return;
    const part = parts.find(({ roster }) => roster.daemon === this.#me);
    for (const { user } of part?.members ?? []) {
      const session = this.#local.sessionOf(user);
      if (session !== undefined) this.#outbox.optionsFixed(session, name, options);
    }
  }

  /** One that another component has as an ordered group: sessions here are told what happens in it. */
  #follow(group: Group): void {
    const part = group.parts.find(({ roster }) => roster.daemon === this.#me);
    for (const { user } of part?.members ?? []) {
      const session = this.#local.sessionOf(user);
      if (session !== undefined) this.#local.join(group.name, session);
    }
  }
}

export function isOrdered({ options }: Group): boolean {
  return options.quality === "ordered";
}

/** Whether there is something to tell members of a group of nodes. */
export function hasFacts({ slow, repairs }: GroupOptions): boolean {
  return slow !== undefined || repairs !== undefined;
}
