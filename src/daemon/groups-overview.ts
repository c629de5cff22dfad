import type { DaemonId } from "../base/ids.ts";
import type { Groups } from "../groups/groups.ts";
import { largest } from "./largest.ts";
import type { GroupsStatus } from "./status.ts";

const LARGEST_MAX = 100;

/** What there is to see of groups at a daemon: worked out anew only after the directory has changed, however many they are. */
export class GroupsOverview {
  readonly #groups: Groups;
  readonly #me: DaemonId;
  #known: { readonly version: number; readonly status: GroupsStatus } | undefined;

  constructor(groups: Groups, me: DaemonId) {
    this.#groups = groups;
    this.#me = me;
  }

  status(): GroupsStatus {
    const { directory } = this.#groups;
    if (this.#known?.version !== directory.version) {
      this.#known = { version: directory.version, status: this.#look() };
    }
    return this.#known.status;
  }

  #look(): GroupsStatus {
    const all = this.#groups.directory.groups();
    return {
      count: all.length,
      memberships: all.reduce((sum, group) => sum + group.memberCount, 0),
      largest: largest(all, LARGEST_MAX, ({ memberCount }) => memberCount).map(({ name, memberCount, parts }) => ({
        name,
        members: memberCount,
        localMembers: parts.find(({ roster }) => roster.daemon === this.#me)?.members.length ?? 0,
      })),
    };
  }
}
