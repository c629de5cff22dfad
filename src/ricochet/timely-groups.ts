import type { GroupNumber, NodeId, RegionId } from "../base/ids.ts";
import {
  absentOf,
  type Change,
  type GroupView,
  type NodeAddress,
  type NodeInfo,
  type RegionView,
} from "../cms/views.ts";
import type { Machine } from "../machine/machine.ts";
import { LatencyHistogram } from "../base/latency-histogram.ts";
import type { NodeFigures } from "../wire/native/node-statistics.ts";
import type { PacketId } from "../wire/timely/data.ts";
import type { Repairs } from "../wire/timely/repairs.ts";
import type { TimelyShape } from "./bin-plan.ts";
import type { TimelyConfig } from "./config.ts";
import type { DecoderStatistics } from "./decoder.ts";
import { GroupCounts, timelyFigures, type TimelyGroupStatistics } from "./statistics.ts";
import { type Arrival, TimelyNode, type TimelyStatistics } from "./timely-node.ts";

/** What timely groups ask of the world. Who sends `bytes` gives them away: they are never changed afterwards. */
export interface TimelyGroupsOutbox {
  /** To all who listen to this address of the pool; `members`: whom it is meant for, where there is no multicast. Not to this node itself. */
  multicast(address: number, bytes: Uint8Array, members: readonly NodeInfo[]): void;
  unicast(to: NodeAddress, channel: "repair" | "control", bytes: Uint8Array): void;
  /** Once for each packet, in no order: `TimelyOutbox.deliver`. */
  deliver(packet: PacketId, payload: Uint8Array, how: Arrival, now: number, waitedMs: number): void;
  /** What a member has said to this node alone. */
  told(from: NodeId, group: GroupNumber, body: Uint8Array, now: number): void;
  /** So many packets of the sender, from this one on, will not come. */
  lost(first: PacketId, now: number, count: number): void;
  /** Uniformly from 0 to 1. */
  random(): number;
}

/** What a node knows of views (cms/node-views.ts). */
export type KnownViews = {
  readonly regions: ReadonlyMap<RegionId, RegionView>;
  readonly groups: ReadonlyMap<GroupNumber, GroupView>;
  /** Position in the membership service's log up to which they are known. */
  readonly n: number;
};

/** Where the packets of a group go: to an address each, or to these members. */
type Destination = { readonly address: number; readonly members: readonly NodeInfo[] };

type TimelyGroup = {
  readonly counts: GroupCounts;
  repairs: Repairs;
  /** By id, with this node. */
  members: readonly NodeInfo[];
  /** Position in the log at which these became the members: it numbers the group's views alike at all of them. */
  view: number;
  destinations: readonly Destination[];
};

/**
 * The timely groups of a node in a system with a membership service (docs/protocols/timely.md): who is in them follows from the views of
 * regions and groups, as for scalable groups, and packets go to the addresses of those.
 */
export class TimelyGroups implements Machine {
  readonly #config: TimelyConfig;
  readonly #outbox: TimelyGroupsOutbox;
  readonly #node: TimelyNode;
  readonly #groups = new Map<GroupNumber, TimelyGroup>();
  /** Of all members of these groups; while a change is applied, of those of before as well. */
  #addresses = new Map<NodeId, NodeAddress>();
  readonly #recovery = new LatencyHistogram();
  /** Groups have been added, or are repaired in another way, since bins were made. */
  #isStale = false;

  constructor(config: TimelyConfig, outbox: TimelyGroupsOutbox, now: number) {
    this.#config = config;
    this.#outbox = outbox;
    this.#node = new TimelyNode(
      config,
      {
        multicast: (group, bytes) => this.#multicast(group, bytes),
        unicast: (to, channel, bytes) => {
          const address = this.#addresses.get(to);
          if (address !== undefined) outbox.unicast(address, channel, bytes);
        },
        deliver: (packet, payload, how, at, waitedMs) => {
          this.#groups.get(packet.group)?.counts.arrived(how, waitedMs);
          if (how === "rebuilt" || how === "resent") this.#recovery.add(waitedMs);
          outbox.deliver(packet, payload, how, at, waitedMs);
        },
        told: (from, group, body, at) => outbox.told(from, group, body, at),
        lost: (first, at, count) => {
          this.#groups.get(first.group)?.counts.lost(count);
          outbox.lost(first, at, count);
        },
        random: () => outbox.random(),
      },
      now,
    );
  }

  get statistics(): Readonly<TimelyStatistics> {
    return this.#node.statistics;
  }

  statisticsOf(group: GroupNumber): TimelyGroupStatistics | undefined {
    const known = this.#groups.get(group);
    if (known === undefined) return undefined;
    const { recovery } = known.repairs;
    const wanted = recovery === undefined ? undefined : this.#node.rateOf(recovery);
    return { ...known.counts.statistics, ...(wanted && { wanted }) };
  }

  /** What there is to see of all groups together. */
  figures(): Partial<NodeFigures> {
    const { statistics, decoding, missing, heldBytes } = this.#node;
    return timelyFigures(statistics, decoding, this.#recovery, { groups: this.#groups.size, missing, heldBytes });
  }

  get decoding(): Readonly<DecoderStatistics> {
    return this.#node.decoding;
  }

  /** Senders that have not yet said with which packet their streams begin for this node. */
  get unsettled(): number {
    return this.#node.unsettled;
  }

  has(group: GroupNumber): boolean {
    return this.#groups.has(group);
  }

  /** The groups that are known to be timely, with how many members each has. */
  *sizes(): Generator<readonly [GroupNumber, number]> {
    for (const [group, { members }] of this.#groups) yield [group, members.length];
  }

  /** Longest payload of a packet to the group. */
  payloadBytesMax({ every }: Repairs): number {
    return TimelyNode.payloadBytesMax(this.#config.datagramBytes, every);
  }

  /**
   * A group that this node is in is timely, and repaired like this from the next `apply` on, which may be of the same change. It is forgotten
   * when the node is in it no more.
   */
  set(group: GroupNumber, repairs: Repairs): void {
    const known = this.#groups.get(group);
    if (known === undefined)
      this.#groups.set(group, { counts: new GroupCounts(), repairs, members: [], view: 0, destinations: [] });
    else known.repairs = repairs;
    this.#isStale = true;
  }

  /** The views have changed, or what was `set` is to have its effect. */
  apply(views: KnownViews, { failed }: Pick<Change, "failed">, now: number): void {
    let isNew = this.#isStale;
    this.#isStale = false;
    const { me } = this.#config;
    for (const [number, group] of this.#groups) {
      const view = views.groups.get(number);
      const destinations = view === undefined ? [] : destinationsOf(view, views);
      const members = membersOf(destinations);
      if (!members.some(({ id }) => id === me)) {
        this.#groups.delete(number);
        isNew = true;
        continue;
      }
      if (!isSame(members, group.members)) {
        isNew = true;
        group.view = views.n;
      }
      group.members = members;
      group.destinations = view?.address === undefined ? destinations : [{ address: view.address, members }];
    }
    if (!isNew) return;
    const addresses = new Map<NodeId, NodeAddress>();
    const shapes: TimelyShape[] = [];
    for (const [number, { repairs, members, view }] of this.#groups) {
      for (const { id, address } of members) addresses.set(id, address);
      const { every, copies, targets, recovery } = repairs;
      const ids = members.map(({ id }) => id);
      shapes.push({ group: number, view, members: ids, repairs: copies, packetsPerRepair: every, targets, recovery });
    }
    // What is fired now goes to those who were members.
    for (const [id, address] of addresses) this.#addresses.set(id, address);
    const gone = new Set(failed);
    this.#node.setGroups(shapes, now, (id) => gone.has(id));
    this.#addresses = addresses;
  }

  /** Who is in the group, by id; `undefined` if this node is not, or does not know that it is timely. */
  membersOf(group: GroupNumber): readonly NodeId[] | undefined {
    return this.#groups.get(group)?.members.map(({ id }) => id);
  }

  /** Says something to one member of the group, which may be lost. */
  tell(group: GroupNumber, to: NodeId, body: Uint8Array): void {
    this.#node.tell(group, to, body);
  }

  /** Whether a packet to the group takes this payload. */
  takes(group: GroupNumber, { length }: Uint8Array): boolean {
    const known = this.#groups.get(group);
    return known !== undefined && length <= this.payloadBytesMax(known.repairs);
  }

  /** Sends a packet to one of the groups, and delivers it here. The payload is copied. */
  send(group: GroupNumber, payload: Uint8Array, now: number): PacketId {
    return this.#node.send(group, payload, now);
  }

  /** A datagram, given away. */
  receive(bytes: Uint8Array, now: number): void {
    this.#node.receive(bytes, now);
  }

  /** Whether packets may be here that have not been received yet: what is missing may be among them. */
  behind(isBehind: boolean, now: number): void {
    this.#node.behind(isBehind, now);
  }

  get deadline(): number {
    return this.#node.deadline;
  }

  tick(now: number): void {
    this.#node.tick(now);
  }

  #multicast(group: GroupNumber, bytes: Uint8Array): void {
    for (const { address, members } of this.#groups.get(group)?.destinations ?? []) {
      const [first] = members;
      // A region of this node alone.
      if (members.length === 1 && first?.id === this.#config.me) continue;
      this.#outbox.multicast(address, bytes, members);
    }
  }
}

function destinationsOf({ group, regions }: GroupView, views: KnownViews): Destination[] {
  return regions.flatMap((region) => {
    const view = views.regions.get(region);
    if (view === undefined) return [];
    const { address, absent } = view;
    // Of an approximate region not all members are in all groups.
    const members =
      absent === undefined ? view.members : view.members.filter(({ id }) => !absentOf(view, id).includes(group));
    return [{ address, members }];
  });
}

function membersOf(destinations: readonly Destination[]): readonly NodeInfo[] {
  const [only] = destinations;
  if (only !== undefined && destinations.length === 1) return only.members;
  return destinations.flatMap(({ members }) => members).sort((a, b) => a.id - b.id);
}

function isSame(some: readonly NodeInfo[], others: readonly NodeInfo[]): boolean {
  return some === others || (some.length === others.length && some.every(({ id }, i) => id === others[i]?.id));
}
