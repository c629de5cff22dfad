import type { GroupNumber } from "../../base/ids.ts";
import type { Change, NodeAddress } from "../../cms/views.ts";
import type { NodeConfig } from "../../qsm/config.ts";
import type { Node } from "../../qsm/node.ts";
import type { NodeOutbox } from "../../qsm/outbox.ts";
import type { OrderedGroupsOutbox } from "../../plato/ordered-groups.ts";
import type { TimelyConfig } from "../../ricochet/config.ts";
import type { TimelyGroupStatistics } from "../../ricochet/statistics.ts";
import type { TimelyGroupsOutbox } from "../../ricochet/timely-groups.ts";
import type { NodeStatistics } from "../../wire/native/node-statistics.ts";
import type { SitePool } from "../../wire/native/node-facts.ts";
import type { Repairs } from "../../wire/timely/repairs.ts";

/** What a node tells its connection. Called inside the node's turns: nothing of it may take long. */
export type NodeApplication = Omit<NodeOutbox, "multicast" | "unicast" | "relay" | "listen" | "unlisten" | "random"> & {
  /** Of groups that were said to be timely. */
  readonly timely: Pick<TimelyGroupsOutbox, "deliver" | "lost">;
  /** And of those that were said to be totally ordered. */
  readonly ordered: Pick<OrderedGroupsOutbox, "deliver" | "commit" | "rollback">;
  /** For the daemon, about once a second: what the node counts (wire/native/node-statistics.ts). */
  report(statistics: Uint8Array): void;
  /** A change does not fit, and was not applied, or not whole: the node is of no use any more. */
  fault(error: Error): void;
};

/** How the parts of a node are set up. */
export type NodeSetup = {
  readonly node: NodeConfig;
  readonly timely: Partial<TimelyConfig>;
  readonly classes: "three" | "two";
};

/** Where a node is to receive datagrams. */
export type SeatRequest = {
  /** As the program says. */
  readonly host: string | undefined;
  /** The first of three, as the program says. */
  readonly port: number | undefined;
  /** Addresses of the daemons: one that is this host's is how others know it. */
  readonly daemons: readonly string[];
  /** This end of the connection to the daemon, where it has an address. */
  readonly local: string | undefined;
};

/** How a node's packets go to a region. */
export type Dissemination = {
  /** What regions' addresses are taken from; `undefined`: they have none. */
  readonly pool: SitePool | undefined;
  /** Whether to send there, or to each member. */
  readonly usesMulticast: boolean;
};

/** What makes nodes, in a world that has datagrams: sockets, or a simulated network. */
export interface NodeWorld {
  /** Takes a place at which a node can be reached. Rejects with an error that says what is in the way. */
  seat(request: SeatRequest): Promise<NodeSeat>;
}

/** A place where a node can be reached, and the node that is there once it has begun. */
export interface NodeSeat {
  readonly address: NodeAddress;
  /** Makes the node, once. */
  begin(config: NodeSetup, dissemination: Dissemination, application: NodeApplication): RunningNode;
  /** From now on its packets go this way. */
  disseminate(dissemination: Dissemination): void;
  /** Ends the node and frees the place. */
  close(): Promise<void>;
}

/** A node that runs. */
export interface RunningNode {
  /** What the node knows, and the views that it is in; and how it ends when it was declared failed. */
  readonly node: Pick<Node, "views" | "regions" | "expelled">;
  /** Takes a message; false: too much waits, there will be a `writable`. */
  send(group: GroupNumber, payload: Uint8Array, number: number): boolean;
  /** Takes a packet to a timely group; false: as for `send`. */
  sendTimely(group: GroupNumber, payload: Uint8Array): boolean;
  /** Whether too much that was sent to a totally ordered group waits for that, and for nothing else; there will be a `writable`. */
  isHeldBack(group: GroupNumber): boolean;
  /** The group is timely: to be told from within `installed` of the change that tells of it, and when its repairs change. */
  setTimely(group: GroupNumber, repairs: Repairs): void;
  /** It is timely, and totally ordered; `optimistic`: messages are delivered before their order is known, if that is likely. */
  setOrdered(group: GroupNumber, repairs: Repairs, optimistic: boolean): void;
  /** What it counts in a timely group that it is in. */
  timelyStatistics(group: GroupNumber): TimelyGroupStatistics | undefined;
  /** Applies a change, soon; `installed` tells when, or `fault` that it cannot be. */
  apply(change: Change): void;
  /** `Node.hold`. */
  hold(isHeld: boolean): void;
  statistics(): NodeStatistics;
  /** The daemon is another one: it is told the next time, whether that is news or not. */
  reportAgain(): void;
}
