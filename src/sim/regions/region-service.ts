import type { NodeId, RegionViewId } from "../../base/ids.ts";
import type { RegionPolicy } from "../../cms/region-policy.ts";
import type { RegionMap } from "../../cms/regions.ts";
import type { SettledStream } from "../../cms/settled.ts";
import type { Change, NodeInfo, RegionView } from "../../cms/views.ts";

export type ServiceSettings = {
  /** What comes within this time is one batch. */
  readonly batchMs: number;
  /** A node that is not heard of for so long has failed. */
  readonly failureMs: number;
  readonly policy: RegionPolicy;
};

/** Where a node hears of the service. */
export interface ServiceClient {
  change(change: Change): void;
  /** The node has been declared failed: this life of it is over. */
  expelled(settled: readonly SettledStream[]): void;
}

/** What happens in the service, as checkers see it. */
export interface ServiceObserver {
  failed(n: number, node: NodeId): void;
  opened(n: number, view: RegionView): void;
  superseded(n: number, id: RegionViewId): void;
  final(n: number, id: RegionViewId, last: ReadonlyMap<NodeId, number>): void;
  retired(id: RegionViewId): void;
  /** `nodes`: all that the service knows; those that have started, if they are not given. */
  batch(n: number, map: RegionMap, nodes?: Iterable<NodeId>): void;
}

export interface ServiceClock {
  readonly now: number;
  at(time: number, action: () => void): void;
}

/** A membership service in one place that never fails, which nodes reach over paths. */
export interface RegionService {
  /** The last change that a node was sent. */
  seqOf(node: NodeId): number;
  /** A new node; it is told of changes from here on. */
  register(name: string, address: NodeInfo["address"], client: ServiceClient): NodeInfo;
  heard(node: NodeId): void;
  join(node: NodeId, group: string): void;
  leave(node: NodeId, group: string): void;
  /** The node's process is known to have ended. */
  fail(node: NodeId): void;
  /** Fails nodes that have been silent for too long. Called now and then. */
  watch(): void;
  installed(node: NodeId, n: number, sealed: readonly { readonly id: RegionViewId; readonly last: number }[]): void;
  retired(node: NodeId, id: RegionViewId): void;
  /** The node wants to know whether these have failed. */
  inquired(node: NodeId, nodes: readonly NodeId[]): void;
  /** The node, as the leader of a view, says what its members have accepted of one that has failed. */
  settled(node: NodeId, stream: SettledStream): void;
}
