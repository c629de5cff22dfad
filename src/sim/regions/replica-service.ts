import { type NodeId, type RegionId, type RegionViewId, regionViewKey } from "../../base/ids.ts";
import { type Relation, Replica, type ServedNode } from "../../cms/replica.ts";
import type { SettledStream } from "../../cms/settled.ts";
import type { Change, NodeInfo, RegionView } from "../../cms/views.ts";
import type { RegionService, ServiceClient, ServiceClock, ServiceObserver, ServiceSettings } from "./region-service.ts";

type Client = {
  readonly client: ServiceClient;
  readonly node: ServedNode;
  heardAt: number;
  /** `seq` of the last change that it was sent. */
  sent: number;
};

/** The one daemon that serves all nodes. */
const DAEMON = 1;
/** Nodes begin in no group. */
const NOBODY: Relation = { groupsOf: () => [] };

/** The real membership service's state (cms), as a single replica of it: without daemons, and so without order to agree on. */
export class ReplicaService implements RegionService {
  readonly #settings: ServiceSettings;
  readonly #clock: ServiceClock;
  readonly #observer: ServiceObserver;
  readonly #replica: Replica;
  readonly #clients = new Map<NodeId, Client>();
  /** Failed, and not told so before it is known what was accepted of them. */
  readonly #expelled = new Map<NodeId, ServiceClient>();
  readonly #finals = new Set<string>();
  readonly #retired = new Set<string>();
  #isScheduled = false;

  constructor(settings: ServiceSettings, clock: ServiceClock, observer: ServiceObserver) {
    this.#settings = settings;
    this.#replica = new Replica(settings.policy);
    this.#clock = clock;
    this.#observer = observer;
    this.#replica.enter(1);
  }

  seqOf(node: NodeId): number {
    return this.#clients.get(node)?.sent ?? 0;
  }

  register(name: string, address: NodeInfo["address"], client: ServiceClient): NodeInfo {
    const registration = { user: name, client: name, name, address, place: undefined };
    const registered = this.#replica.register(DAEMON, registration, NOBODY);
    if (registered.kind !== "new") throw new Error(`${name} registers once`);
    const { node } = registered;
    this.#clients.set(node.info.id, { client, node, heardAt: this.#clock.now, sent: 0 });
    return node.info;
  }

  heard(node: NodeId): void {
    const client = this.#clients.get(node);
    if (client !== undefined) client.heardAt = this.#clock.now;
  }

  join(node: NodeId, group: string): void {
    this.#changed(node, group, true);
  }

  leave(node: NodeId, group: string): void {
    this.#changed(node, group, false);
  }

  fail(node: NodeId): void {
    const client = this.#clients.get(node);
    if (client === undefined) return;
    this.#replica.failed(node, client.node.attachment);
    this.#schedule();
  }

  watch(): void {
    for (const [node, { heardAt }] of this.#clients) {
      if (this.#clock.now - heardAt > this.#settings.failureMs) this.fail(node);
    }
  }

  installed(node: NodeId, n: number, sealed: readonly { readonly id: RegionViewId; readonly last: number }[]): void {
    if (!this.#clients.has(node)) return;
    this.#replica.report(DAEMON, [{ node, n, sealed, retired: [], inquired: [], settled: [] }]);
    this.#push();
  }

  retired(node: NodeId, id: RegionViewId): void {
    if (!this.#clients.has(node)) return;
    this.#replica.report(DAEMON, [{ node, n: 0, sealed: [], retired: [id], inquired: [], settled: [] }]);
    const key = regionViewKey(id);
    if (!this.#retired.has(key)) this.#observer.retired(id);
    this.#retired.add(key);
    this.#push();
  }

  inquired(node: NodeId, nodes: readonly NodeId[]): void {
    if (!this.#clients.has(node)) return;
    this.#replica.report(DAEMON, [{ node, n: 0, sealed: [], retired: [], inquired: nodes, settled: [] }]);
    this.#push();
  }

  settled(node: NodeId, stream: SettledStream): void {
    if (!this.#clients.has(node)) return;
    this.#replica.report(DAEMON, [{ node, n: 0, sealed: [], retired: [], inquired: [], settled: [stream] }]);
    this.#push();
  }

  #changed(node: NodeId, group: string, isJoined: boolean): void {
    const client = this.#clients.get(node);
    if (client === undefined) return;
    this.#replica.changed(DAEMON, client.node.user, group, isJoined);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#clock.at(this.#clock.now + this.#settings.batchMs, () => this.#flush());
  }

  #flush(): void {
    this.#isScheduled = false;
    const { map } = this.#replica;
    const before = new Map<RegionId, RegionView>(Array.from(map.regions, ([id, { view }]) => [id, view]));
    const gone = this.#replica.flush();
    const { n } = this.#replica;
    for (const [id, view] of before) if (map.regions.get(id)?.view !== view) this.#observer.superseded(n, view.id);
    for (const [id, { view }] of map.regions) if (before.get(id) !== view) this.#observer.opened(n, view);
    for (const { info } of gone) {
      const client = this.#clients.get(info.id);
      this.#clients.delete(info.id);
      this.#observer.failed(n, info.id);
      if (client !== undefined) this.#expelled.set(info.id, client.client);
    }
    this.#observer.batch(n, map);
    this.#push();
  }

  /** What nodes have not been sent yet. */
  #push(): void {
    const { departures } = this.#replica.lifecycle;
    for (const [node, client] of this.#expelled) {
      if (!departures.isSettled(node)) continue;
      this.#expelled.delete(node);
      client.expelled(departures.of(node));
    }
    for (const client of this.#clients.values()) {
      for (const change of client.node.changesAfter(client.sent)) {
        client.sent = change.seq;
        this.#observe(change);
        client.client.change(change);
      }
    }
  }

  #observe({ n, finals }: Change): void {
    for (const { id, last } of finals) {
      const key = regionViewKey(id);
      if (this.#finals.has(key)) continue;
      this.#finals.add(key);
      this.#observer.final(n, id, new Map(last.map(({ sender, seq }) => [sender, seq])));
    }
  }
}
