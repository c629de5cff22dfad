import type { DaemonId } from "../base/ids.ts";
import type { GroupId } from "../directory/group-id.ts";
import { type Group, virtualSynchronySets } from "../directory/group.ts";
import type { Member } from "../directory/member.ts";
import {
  encodeLightView,
  encodeSelfLeave,
  encodeTransitional,
  forSet,
  type ViewId,
} from "../wire/spread/membership.ts";
import { encodeLargeNetworkView } from "./network-view.ts";
import type { Notice } from "./outbox.ts";

/** The view after one member came or went, while no daemon did: the same for all. */
export function lightNotice(
  kind: "join" | "leave" | "disconnect",
  group: Group,
  who: string,
  primary: boolean,
): Notice {
  const frame = encodeLightView(kind, group.name, namesOf(group.members()), viewId(group.id), who);
  return { kind, group: group.name, primary, frame };
}

/** A network view as its receivers at one daemon get it. */
export type NetworkNotices = {
  /** For the daemon's members: they have one virtual-synchrony set, and so the same bytes. */
  readonly shared: Notice;
  /** For the member that joined in the transition, in its own set. */
  readonly joiner: Notice | undefined;
};

/** The view after a change of daemons, with who came with whom, for the members at the daemon `me`. */
export function networkNotices(group: Group, me: DaemonId, primary: boolean, joiner?: Member): NetworkNotices {
  const sets = virtualSynchronySets(group, joiner);
  const { frame, setOffsets } = encodeLargeNetworkView(group, sets);
  const notice = (n: number): Notice => {
    return { kind: "network", group: group.name, primary, frame: forSet(frame, setOffsets[n] ?? 0) };
  };
  const own = sets.findIndex((set) => set.some((member) => member.roster.daemon === me && member !== joiner));
  const isJoinerLocal = joiner?.roster.daemon === me;
  const forJoiner = isJoinerLocal ? notice(sets.length - 1) : undefined;
  return { shared: own < 0 && forJoiner !== undefined ? forJoiner : notice(Math.max(own, 0)), joiner: forJoiner };
}

/** The view `id` of the group ends: until the next one the guarantees are those of the transitional configuration. */
export function transitionalNotice(group: string, id: GroupId, primary: boolean): Notice {
  return { kind: "transitional", group, primary, frame: encodeTransitional(group, viewId(id)) };
}

/** For a member that has left. */
export function selfLeaveNotice(group: string, primary: boolean): Notice {
  return { kind: "selfLeave", group, primary, frame: encodeSelfLeave(group) };
}

function namesOf(members: readonly Member[]): string[] {
  return members.map((member) => member.name);
}

function viewId(id: GroupId): ViewId {
  return { leader: id.configuration.leader, time: id.configuration.time, index: id.index };
}
