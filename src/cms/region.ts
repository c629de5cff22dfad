import type { GroupNumber, NodeId, RegionId } from "../base/ids.ts";
import { placeOf } from "./ascending.ts";
import type { GroupView, NodeInfo, RegionView } from "./views.ts";

/** The nodes that are in exactly these groups, in its current view. */
export class Region {
  readonly id: RegionId;
  /** Ascending; never changed. */
  readonly groups: readonly GroupNumber[];
  /** `hashOf(groups)`. */
  readonly hash: number;
  readonly address: number;
  /** The current view, or for a region that has ended the last one. */
  view: RegionView;
  /** `RegionMap.newMark` of the last look through many regions that has met this one. */
  mark = 0;

  constructor(id: RegionId, groups: readonly GroupNumber[], hash: number, address: number) {
    this.id = id;
    this.groups = groups;
    this.hash = hash;
    this.address = address;
    this.view = { id: { region: id, view: 0 }, address, members: [] };
  }

  get isNew(): boolean {
    return this.view.id.view === 0;
  }
}

/** A group, with the regions whose nodes are its members. */
export class RegionGroup {
  readonly number: GroupNumber;
  readonly name: string;
  /** Number of its current view; 0 before the first. */
  viewNumber = 0;
  /** Of the group's own, once it has had one: it keeps it until it ends, so that it may need it again. */
  address: number | undefined;
  /** Its messages go to that address. Changes with a view only. */
  isHybrid = false;
  /** In ascending order of their ids: a region is added with the greatest id there is. */
  readonly regions = new Set<Region>();
  #view: GroupView | undefined;

  constructor(number: GroupNumber, name: string) {
    this.number = number;
    this.name = name;
  }

  /** The current view: the same object until the next one. */
  get view(): GroupView {
    if (this.#view?.view !== this.viewNumber) {
      const regions = Array.from(this.regions, (region) => region.id);
      const places = this.placesIn(this.regions);
      const address = this.isHybrid && this.address !== undefined ? { address: this.address } : {};
      this.#view = { group: this.number, name: this.name, view: this.viewNumber, ...address, regions, places };
    }
    return this.#view;
  }

  /** Where the group stands in the lists of these of its regions. */
  placesIn(regions: Iterable<Region>): number[] {
    return Array.from(regions, ({ groups }) => placeOf(groups, this.number));
  }
}

/** A region whose members a batch has changed. */
export type RegionStep = {
  readonly region: Region;
  /** `undefined`: the region is new. */
  readonly before: RegionView | undefined;
  /** `undefined`: the region has ended. */
  readonly after: RegionView | undefined;
  /** By id. */
  readonly added: readonly NodeInfo[];
  /** Ascending. */
  readonly removed: readonly NodeId[];
  /** Those of `removed` that have failed. Ascending. */
  readonly failed: readonly NodeId[];
};

/** A group whose set of regions a batch has changed: it has a new view, or has ended. */
export type GroupStep = {
  readonly group: RegionGroup;
  /** By id. */
  readonly added: readonly Region[];
  readonly removed: readonly Region[];
};

/** A node that a batch has brought to another region. */
export type Move = {
  readonly node: NodeInfo;
  readonly failed: boolean;
  /** `undefined`: it was in no group, or is in none any more. */
  readonly from: Region | undefined;
  readonly to: Region | undefined;
  /** Ascending. The same objects for all nodes with the same change. */
  readonly joined: readonly GroupNumber[];
  readonly left: readonly GroupNumber[];
};

/** All that one batch has changed. */
export type Step = {
  /** By id of the region. */
  readonly regions: readonly RegionStep[];
  /** By number. */
  readonly groups: ReadonlyMap<GroupNumber, GroupStep>;
  /** By id of the node; without nodes that failed in no group. */
  readonly moves: readonly Move[];
  /** All nodes that have failed. Ascending. */
  readonly failed: readonly NodeId[];
};
