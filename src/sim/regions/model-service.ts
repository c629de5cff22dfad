import { assert } from "../../base/assert.ts";
import { type GroupNumber, type NodeId, type RegionId, type RegionViewId, regionViewKey } from "../../base/ids.ts";
import { type NodeChange, RegionMap, type Step } from "../../cms/regions.ts";
import type { Change, GroupChange, GroupView, NodeInfo, RegionChange, RegionView } from "../../cms/views.ts";
import { NO_CHANGE } from "../../cms/no-change.ts";
import type { RegionService, ServiceClient, ServiceClock, ServiceObserver, ServiceSettings } from "./region-service.ts";

/** A node as the service knows it. */
type Client = {
  readonly info: NodeInfo;
  readonly client: ServiceClient;
  seq: number;
  heardAt: number;
  /** What it has been told of: views of regions by region, and of groups by group. */
  readonly regions: Map<RegionId, RegionView>;
  readonly groups: Map<GroupNumber, GroupView>;
};

/** A region view until it is retired. */
type OpenView = {
  readonly view: RegionView;
  isCurrent: boolean;
  isFinal: boolean;
  /** Who may have sent in it; the change with which each was told to stop, once it was. */
  readonly senders: Map<NodeId, number | undefined>;
  readonly last: Map<NodeId, number>;
  readonly failed: Set<NodeId>;
};

/**
 * The membership service as one place that never fails (region-views.md): computes views, tells each node what concerns it, collects what
 * it has sealed, and closes views. Simple on purpose: after each batch it compares what every node knows with what it should.
 */
export class ModelService implements RegionService {
  readonly #settings: ServiceSettings;
  readonly #clock: ServiceClock;
  readonly #observer: ServiceObserver;
  readonly #map: RegionMap;
  readonly #clients = new Map<NodeId, Client>();
  readonly #views = new Map<string, OpenView>();
  readonly #installed = new Map<NodeId, number>();
  /** Ended regions' addresses, until their last view is retired. */
  readonly #ended = new Map<RegionId, number[]>();
  #batch = new Map<NodeId, { joined: Set<string>; left: Set<string>; failed: boolean }>();
  #isScheduled = false;
  #n = 0;

  constructor(settings: ServiceSettings, clock: ServiceClock, observer: ServiceObserver) {
    this.#settings = settings;
    this.#map = new RegionMap(settings.policy);
    this.#clock = clock;
    this.#observer = observer;
    this.#map.enter(1);
  }

  seqOf(node: NodeId): number {
    return this.#clients.get(node)?.seq ?? 0;
  }

  register(name: string, address: NodeInfo["address"], client: ServiceClient): NodeInfo {
    const info = this.#map.register(name, address);
    this.#clients.set(info.id, {
      info,
      client,
      seq: 0,
      heardAt: this.#clock.now,
      regions: new Map(),
      groups: new Map(),
    });
    return info;
  }

  heard(node: NodeId): void {
    const client = this.#clients.get(node);
    if (client !== undefined) client.heardAt = this.#clock.now;
  }

  join(node: NodeId, group: string): void {
    const change = this.#changeOf(node);
    change.joined.add(group);
    change.left.delete(group);
  }

  leave(node: NodeId, group: string): void {
    const change = this.#changeOf(node);
    change.left.add(group);
    change.joined.delete(group);
  }

  fail(node: NodeId): void {
    if (this.#clients.has(node)) this.#changeOf(node).failed = true;
  }

  watch(): void {
    for (const [node, { heardAt }] of this.#clients) {
      if (this.#clock.now - heardAt > this.#settings.failureMs) this.fail(node);
    }
  }

  installed(node: NodeId, n: number, sealed: readonly { readonly id: RegionViewId; readonly last: number }[]): void {
    if (!this.#clients.has(node)) return;
    this.#installed.set(node, n);
    for (const { id, last } of sealed) this.#views.get(regionViewKey(id))?.last.set(node, last);
    this.#close();
  }

  retired(_node: NodeId, id: RegionViewId): void {
    const key = regionViewKey(id);
    if (!this.#views.delete(key)) return;
    this.#observer.retired(id);
    this.#recycle(id.region);
  }

  inquired(): void {
    // Every node hears of every failure here.
  }

  settled(): void {
    // Who comes back hears nothing of what it sent.
  }

  #changeOf(node: NodeId): { joined: Set<string>; left: Set<string>; failed: boolean } {
    let change = this.#batch.get(node);
    if (change === undefined) {
      change = { joined: new Set(), left: new Set(), failed: false };
      this.#batch.set(node, change);
    }
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      this.#clock.at(this.#clock.now + this.#settings.batchMs, () => this.#apply());
    }
    return change;
  }

  #apply(): void {
    this.#isScheduled = false;
    const batch: NodeChange[] = [...this.#batch]
      .filter(([node]) => this.#clients.has(node))
      .map(([node, { joined, left, failed }]) => ({ node, joined: [...joined], left: [...left], failed }));
    this.#batch = new Map();
    if (batch.length === 0) return;
    const n = ++this.#n;
    const step = this.#map.apply(batch);
    this.#renewViews(n, step);
    this.#expel(n, step.failed);
    this.#observer.batch(n, this.#map);
    for (const client of this.#clients.values()) this.#tell(client, n, step.failed);
    this.#close();
  }

  #renewViews(n: number, { regions, groups }: Step): void {
    for (const { before, after, region } of regions) {
      if (before !== undefined) {
        (this.#views.get(regionViewKey(before.id)) as OpenView).isCurrent = false;
        this.#observer.superseded(n, before.id);
      }
      if (after === undefined) {
        this.#ended.set(region.id, [region.address]);
        continue;
      }
      const view = {
        view: after,
        isCurrent: true,
        isFinal: false,
        senders: new Map(),
        last: new Map(),
        failed: new Set<NodeId>(),
      };
      this.#views.set(regionViewKey(after.id), view);
      this.#observer.opened(n, after);
    }
    for (const { group, removed } of groups.values()) {
      const first = removed[0];
      if (group.regions.size > 0 || group.address === undefined || first === undefined) continue;
      this.#ended.get(first.id)?.push(group.address);
    }
  }

  #expel(n: number, failed: readonly NodeId[]): void {
    for (const node of failed) {
      const client = this.#clients.get(node);
      this.#clients.delete(node);
      this.#installed.delete(node);
      this.#observer.failed(n, node);
      for (const { senders, failed: gone, view } of this.#views.values()) {
        if (senders.has(node) || view.members.some(({ id }) => id === node)) gone.add(node);
      }
      client?.client.expelled([]);
    }
    for (const [key, { view }] of this.#views) {
      if (view.members.some(({ id }) => this.#clients.has(id))) continue;
      // Nobody is left who could end it.
      this.#views.delete(key);
      this.#recycle(view.id.region);
    }
  }

  #recycle(region: RegionId): void {
    const addresses = this.#ended.get(region);
    if (addresses === undefined) return;
    for (const { view } of this.#views.values()) if (view.id.region === region) return;
    this.#ended.delete(region);
    for (const address of addresses) this.#map.recycle(address);
  }

  /** Compares what the node knows with what it should know. */
  #tell(client: Client, n: number, failed: readonly NodeId[]): void {
    const own = this.#map.regionOf(client.info.id);
    const groups = new Map<GroupNumber, GroupView>();
    const regions = new Map<RegionId, RegionView>();
    for (const number of own?.groups ?? []) {
      const group = this.#map.groups.get(number);
      assert(group !== undefined, "the groups of a region are known");
      groups.set(number, group.view);
      for (const region of group.regions) regions.set(region.id, region.view);
    }
    const regionsCreated: RegionView[] = [];
    const regionsChanged: RegionChange[] = [];
    for (const [id, view] of regions) {
      const before = client.regions.get(id);
      if (before === undefined) regionsCreated.push(view);
      else if (before.id.view < view.id.view) regionsChanged.push(changeBetween(before, view));
    }
    const groupsChanged: GroupChange[] = [];
    const groupsCreated: GroupView[] = [];
    for (const [number, view] of groups) {
      const before = client.groups.get(number);
      if (before === undefined) groupsCreated.push(view);
      else if (before.view < view.view) groupsChanged.push(groupChangeBetween(before, view));
    }
    const change = {
      failed,
      viewsFailed: this.#viewsFailed(client.info.id, failed),
      regionsCreated,
      regionsChanged,
      regionsDeleted: [...client.regions.keys()].filter((id) => !regions.has(id)),
      groupsCreated,
      groupsChanged,
      groupsDeleted: [...client.groups.keys()].filter((number) => !groups.has(number)),
      finals: [],
    };
    this.#mark(client, n, regions);
    replace(client.regions, regions);
    replace(client.groups, groups);
    if (Object.values(change).some((list) => list.length > 0)) this.#push(client, n, change);
  }

  /** Who may send where from here on, and who is told to stop. */
  #mark({ info, regions: before }: Client, n: number, after: ReadonlyMap<RegionId, RegionView>): void {
    for (const [id, view] of before) {
      if (after.get(id) !== view) this.#views.get(regionViewKey(view.id))?.senders.set(info.id, n);
    }
    for (const [id, view] of after) {
      if (before.get(id) === view) continue;
      const open = this.#views.get(regionViewKey(view.id));
      open?.senders.set(info.id, undefined);
      open?.last.delete(info.id);
    }
  }

  #viewsFailed(node: NodeId, failed: readonly NodeId[]) {
    if (failed.length === 0) return [];
    const lost: { id: RegionViewId; nodes: NodeId[] }[] = [];
    for (const { view, failed: gone } of this.#views.values()) {
      if (!view.members.some(({ id }) => id === node)) continue;
      const nodes = failed.filter((other) => gone.has(other));
      if (nodes.length > 0) lost.push({ id: view.id, nodes });
    }
    return lost;
  }

  #push(client: Client, n: number, change: Omit<Change, "seq" | "n">): void {
    client.client.change({ ...change, seq: ++client.seq, n });
  }

  /** Ends views in which nobody can send any more (rule 3). */
  #close(): void {
    for (const open of this.#views.values()) {
      if (open.isCurrent || open.isFinal) continue;
      const isClosed = [...open.senders].every(([node, stoppedAt]) => {
        if (open.failed.has(node)) return true;
        return stoppedAt !== undefined && (this.#installed.get(node) ?? 0) >= stoppedAt;
      });
      if (!isClosed) continue;
      open.isFinal = true;
      const n = ++this.#n;
      const { view, last, failed } = open;
      this.#observer.final(n, view.id, last);
      const final = {
        id: view.id,
        last: [...last].map(([sender, seq]) => ({ sender, seq })).sort((a, b) => a.sender - b.sender),
        failed: [...failed].filter((node) => !last.has(node)).sort((a, b) => a - b),
      };
      for (const { id } of view.members) {
        const client = this.#clients.get(id);
        if (client !== undefined) this.#push(client, n, { ...NO_CHANGE, finals: [final] });
      }
    }
  }
}

function changeBetween(before: RegionView, after: RegionView): RegionChange {
  const [old, young] = [new Set(before.members.map(({ id }) => id)), new Set(after.members.map(({ id }) => id))];
  return {
    region: after.id.region,
    view: after.id.view,
    ...(after.absent === undefined ? {} : { absent: after.absent }),
    added: after.members.filter(({ id }) => !old.has(id)),
    removed: before.members.map(({ id }) => id).filter((id) => !young.has(id)),
  };
}

function groupChangeBetween(before: GroupView, after: GroupView): GroupChange {
  const [old, young] = [new Set(before.regions), new Set(after.regions)];
  const isNew = after.regions.map((id) => !old.has(id));
  return {
    group: after.group,
    view: after.view,
    ...(after.address === undefined ? {} : { address: after.address }),
    added: after.regions.filter((_, i) => isNew[i]),
    places: after.places.filter((_, i) => isNew[i]),
    removed: before.regions.filter((id) => !young.has(id)),
  };
}

function replace<K, V>(target: Map<K, V>, source: ReadonlyMap<K, V>): void {
  target.clear();
  for (const [key, value] of source) target.set(key, value);
}
