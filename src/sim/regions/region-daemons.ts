import { assert } from "../../base/assert.ts";
import { configurationKey, type DaemonId, type NodeId, regionViewKey } from "../../base/ids.ts";
import type { MembershipService } from "../../cms/service.ts";
import type { Change, RegionView } from "../../cms/views.ts";
import { type ClusterSite, clusterSite } from "../cluster-site.ts";
import { FAST_TIMEOUTS } from "../evs-process.ts";
import { StackProcess } from "../stack-process.ts";
import type { StreamEnd } from "../stream.ts";
import type { World } from "../world.ts";
import type { ServiceObserver } from "./region-service.ts";

/** What the daemons tell beside what the service decides. */
export interface DaemonObserver extends ServiceObserver {
  /** A daemon that computes changes now has come to this position of its log. */
  logged(daemon: number, epoch: number, n: number, chain: string, configuration: string): void;
}

/** How long the session of a node waits for its machine to come back, and so how long the node lives without. */
const GRACE_MS = 400;
const LOOK_MS = 5;

/** The configuration of so many daemons 1 … n in one segment, with short times. */
export function regionSite(daemons: number): ClusterSite {
  const layout = [Array.from({ length: daemons }, (_, i) => i + 1)];
  const made = clusterSite(layout, FAST_TIMEOUTS);
  const { config } = made;
  return { ...made, config: { ...config, sessions: { ...config.sessions, resumeGraceMs: GRACE_MS } } };
}

/**
 * The membership service as it is: whole daemons, on machines of their own beside the nodes'. What they decide is seen where nodes are
 * first told of it, and at the end in the state that all daemons have.
 */
export class RegionDaemons {
  readonly #world: World;
  readonly #site: ClusterSite;
  readonly #observer: DaemonObserver;
  readonly #failed = new Set<NodeId>();
  readonly #opened = new Map<string, RegionView>();
  readonly #finals = new Set<string>();
  readonly #logged = new Map<number, string>();
  #changedAt = 0;

  constructor(world: World, site: ClusterSite, observer: DaemonObserver) {
    this.#world = world;
    this.#site = site;
    this.#observer = observer;
  }

  /** The daemons' numbers. */
  get numbers(): readonly number[] {
    return [...this.#site.daemons.keys()];
  }

  /** What they are called in the network. */
  get ids(): readonly DaemonId[] {
    return this.numbers.map((number) => this.idOf(number));
  }

  /** When something was decided last. */
  get changedAt(): number {
    return this.#changedAt;
  }

  boot(): void {
    for (const number of this.numbers) {
      const self = this.#site.daemons.get(number);
      assert(self !== undefined, "daemons of the site are started");
      this.#world.boot(self.id, (environment) => new StackProcess(this.#site.config, self, environment, () => {}));
    }
    const look = (): void => {
      for (const number of this.numbers) this.#look(number);
      this.#world.at(this.#world.now + LOOK_MS, look);
    };
    look();
  }

  idOf(number: number): DaemonId {
    const self = this.#site.daemons.get(number);
    assert(self !== undefined, `daemon ${number} is one of this site`);
    return self.id;
  }

  service(number: number): MembershipService | undefined {
    const process = this.#world.process(this.idOf(number)) as StackProcess | undefined;
    return process?.node.regions.service;
  }

  connect(machine: number, number: number): StreamEnd | undefined {
    return this.#world.connect(machine, this.idOf(number));
  }

  crash(id: DaemonId): void {
    if (this.#world.process(id) !== undefined) this.#world.crash(id);
  }

  /** Starts it, if it is down; what was durable is there. */
  restart(id: DaemonId): void {
    this.#world.restart(id);
  }

  /** A node is about to apply a change: what of it is new to the world. */
  applying({ n, failed, finals }: Change): void {
    for (const node of failed) this.failed(n, node);
    for (const { id, last } of finals) {
      const key = regionViewKey(id);
      if (this.#finals.has(key) || !this.#opened.has(key)) continue;
      this.#finals.add(key);
      this.#observer.final(n, id, new Map(last.map(({ sender, seq }) => [sender, seq])));
    }
  }

  /** A node knows these views now. */
  knows(n: number, views: Iterable<RegionView>): void {
    for (const view of views) {
      const key = regionViewKey(view.id);
      if (this.#opened.has(key)) continue;
      this.#opened.set(key, view);
      this.#observer.opened(n, view);
    }
  }

  /** Whether a node has been told that this one has failed. */
  hasFailed(node: NodeId): boolean {
    return this.#failed.has(node);
  }

  /** The daemons take a node for failed, or do not know it. */
  failed(n: number, node: NodeId): void {
    if (this.#failed.has(node)) return;
    this.#failed.add(node);
    this.#observer.failed(n, node);
  }

  /** The last change that a node has been told, wherever. */
  seqOf(node: NodeId): number {
    return this.#last?.replica.nodes.get(node)?.told ?? 0;
  }

  /** At the end: what became of these nodes, and of the views, as the daemons have it that are in the primary configuration. */
  finish(nodes: Iterable<NodeId>): void {
    const last = this.#last;
    if (last === undefined) return;
    const { replica } = last;
    const { map, n } = replica;
    for (const node of nodes) if (!replica.nodes.has(node)) this.failed(n, node);
    const alive = new Set(replica.lifecycle.export().lives.map(({ id }) => regionViewKey(id)));
    for (const [key, { id }] of this.#opened) {
      const current = map.regions.get(id.region)?.view.id;
      if (current?.view === id.view) continue;
      this.#observer.superseded(n, id);
      if (this.#finals.has(key) && !alive.has(key)) this.#observer.retired(id);
    }
    this.#observer.batch(n, map, replica.nodes.keys());
  }

  /** Daemons that run and do not compute changes, or have another state than the others. */
  get stragglers(): readonly number[] {
    const last = this.#last?.replica.chain;
    return this.numbers.filter((number) => {
      const service = this.service(number);
      return service !== undefined && (!service.isActive || service.replica.chain !== last);
    });
  }

  /** The service that has come furthest. */
  get #last(): MembershipService | undefined {
    let last: MembershipService | undefined;
    for (const number of this.numbers) {
      const service = this.service(number);
      if (service === undefined || !service.isActive) continue;
      const { epoch, n } = service.replica;
      const known = last?.replica;
      if (known === undefined || epoch > known.epoch || (epoch === known.epoch && n > known.n)) last = service;
    }
    return last;
  }

  #look(number: number): void {
    const id = this.idOf(number);
    const process = this.#world.process(id) as StackProcess | undefined;
    const service = process?.node.regions.service;
    if (process === undefined || service === undefined || !service.isActive) return;
    const { epoch, n, chain } = service.replica;
    const position = `${epoch} ${n}`;
    if (this.#logged.get(number) === position) return;
    this.#logged.set(number, position);
    this.#changedAt = this.#world.now;
    this.#observer.logged(number, epoch, n, chain, configurationKey(process.node.evs.configuration.id));
    this.#observer.batch(n, service.replica.map, service.replica.nodes.keys());
  }
}
