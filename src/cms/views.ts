import type { GroupNumber, NodeId, RegionId, RegionViewId } from "../base/ids.ts";

/** Where a node receives datagrams: one port for each class (machine/network.ts), so that each can be drained by itself. */
export type NodeAddress = {
  readonly host: string;
  /** Tokens, acknowledgements and requests. */
  readonly controlPort: number;
  /** Copies of packets that other members forward. */
  readonly repairPort: number;
  /** Packets of senders, where they do not come by multicast. */
  readonly dataPort: number;
};

/** A node as others know it. */
export type NodeInfo = {
  readonly id: NodeId;
  /** The private name of its session when it came: for people. */
  readonly name: string;
  readonly address: NodeAddress;
};

/**
 * An agreed membership of a region, as nodes know it: the nodes that are in exactly the same groups, or (approximate regions) in about the
 * same. Which groups these are only its members know, and the service: others learn from views of groups which of their own have the region.
 */
export type RegionView = {
  readonly id: RegionViewId;
  /** Index into the pool of multicast addresses; the same for all views of a region. */
  readonly address: number;
  /** By id; never empty. */
  readonly members: readonly NodeInfo[];
  /** Approximate regions: members that are not in all of the groups. They take part in everything, and deliver nothing of those. By node. */
  readonly absent?: readonly Absence[];
};

/** A region view with the groups whose messages come there, ascending. A packet names a group by its place in this list. */
export type WholeRegionView = RegionView & { readonly groups: readonly GroupNumber[] };

/** Groups of a region that a member of it is not in. Ascending. */
export type Absence = { readonly node: NodeId; readonly groups: readonly GroupNumber[] };

/** The place of a node among members, which are in order of their ids. */
export function placeOf(members: readonly NodeInfo[], id: NodeId): number | undefined {
  let low = 0;
  let high = members.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((members[middle] as NodeInfo).id < id) low = middle + 1;
    else high = middle;
  }
  return members[low]?.id === id ? low : undefined;
}

/** The groups of a region that a member of it is not in. */
export function absentOf({ absent }: Pick<RegionView, "absent">, node: NodeId): readonly GroupNumber[] {
  return absent?.find((one) => one.node === node)?.groups ?? NO_GROUPS;
}

const NO_GROUPS: readonly GroupNumber[] = [];

/** An agreed set of regions of a group. It names regions, not their views: a change within a region is none of the group. */
export type GroupView = {
  readonly group: GroupNumber;
  readonly name: string;
  readonly view: number;
  /** Index of the group's own multicast address, if its messages go there (hybrid mode) and not to each region by itself. */
  readonly address?: number;
  /** Disjoint; their members together are the members of the group (exact regions). Ascending. */
  readonly regions: readonly RegionId[];
  /** The group's place in each of these regions' lists of groups: packets there name it so. It stays the same as long as the region lives. */
  readonly places: readonly number[];
};

export type RegionChange = {
  readonly region: RegionId;
  /** The new view's number: one more than that of the view that it replaces. */
  readonly view: number;
  readonly added: readonly NodeInfo[];
  readonly removed: readonly NodeId[];
  /** As in the new view. */
  readonly absent?: readonly Absence[];
};

export type GroupChange = {
  readonly group: GroupNumber;
  readonly view: number;
  /** As in the group's view from now on. */
  readonly address?: number;
  readonly added: readonly RegionId[];
  /** The group's places in those that were added. */
  readonly places: readonly number[];
  readonly removed: readonly RegionId[];
};

/** Greatest sequence number that a sender has assigned in a region view; 0 for none. */
export type LastSeq = { readonly sender: NodeId; readonly seq: number };

/** No sender can assign anything more in this region view (region-views.md, rule 3). */
export type FinalView = {
  readonly id: RegionViewId;
  /** Of every sender that reported. Who is neither here nor in `failed` has sent nothing. */
  readonly last: readonly LastSeq[];
  /** Senders that failed before they reported: what they sent is settled by the members. */
  readonly failed: readonly NodeId[];
};

/** Failures that concern a region view: of its members, and of whoever could send in it. */
export type ViewFailure = { readonly id: RegionViewId; readonly nodes: readonly NodeId[] };

/**
 * One step of what a node has to know (protocols.md A10, with section 0 g–j and region-views.md). Contains what concerns the receiver: the
 * regions of all groups that it is in, and its own region views until they are retired.
 */
export type Change = {
  /** Counts the receiver's changes from 1 without gaps. */
  readonly seq: number;
  /** Position in the membership service's log; grows, not by one. */
  readonly n: number;
  /** Nodes that are declared failed from here on: nothing is taken from them directly any more. */
  readonly failed: readonly NodeId[];
  /** Which of the receiver's own region views, superseded ones included, that concerns: `n` is their failure number from here on. */
  readonly viewsFailed: readonly ViewFailure[];
  /** Whole, where the receiver did not know the region. Never for a region that is also in `regionsChanged`. */
  readonly regionsCreated: readonly RegionView[];
  readonly regionsChanged: readonly RegionChange[];
  /** No longer of interest to the receiver, or ended: its last view is superseded for it as a sender. */
  readonly regionsDeleted: readonly RegionId[];
  readonly groupsCreated: readonly GroupView[];
  readonly groupsChanged: readonly GroupChange[];
  /** Left by the receiver, or without members. */
  readonly groupsDeleted: readonly GroupNumber[];
  readonly finals: readonly FinalView[];
};
