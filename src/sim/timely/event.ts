import type { GroupNumber, NodeId } from "../../base/ids.ts";
import type { OrderedMessage } from "../../plato/message.ts";
import type { Arrival } from "../../ricochet/timely-node.ts";
import type { MessageId, PlatoBody } from "../../wire/plato/bodies.ts";
import type { PacketId } from "../../wire/timely/data.ts";
import type { Repair } from "../../wire/timely/repair.ts";

/** What is left at a node when everything is over. */
export type TimelyRemains = {
  readonly node: NodeId;
  /** Packets that are missing, and senders that have not said with which packet they begin. */
  readonly missing: number;
  /** Whether its ordered groups have nothing more to do. */
  readonly isAtRest: boolean;
};

/**
 * What happens in a run of nodes in timely groups, as checkers see it. `at`: simulated ms. `node`: where it happens. A node is one life of its
 * machine.
 */
export type TimelyEvent = { readonly at: number } & (
  | { readonly kind: "start"; readonly node: NodeId; readonly machine: number }
  | { readonly kind: "end"; readonly node: NodeId }
  /** The membership service takes a node for failed. */
  | { readonly kind: "failed"; readonly failed: NodeId }
  /** The node applies a change, until `applied`. */
  | { readonly kind: "applying"; readonly node: NodeId }
  /** Before that has any effect, if they are not the same as before: these are the members of a timely group that it is in, ascending; `undefined`: it is in the group no more. */
  | {
      readonly kind: "members";
      readonly node: NodeId;
      readonly group: GroupNumber;
      readonly name: string;
      readonly members: readonly NodeId[] | undefined;
      /** Position in the service's log: the same at all nodes for the same members. */
      readonly view: number;
      /** Where they run. */
      readonly machines: ReadonlyMap<NodeId, number>;
    }
  | { readonly kind: "applied"; readonly node: NodeId }
  /** It has, or has not any more, packets that it has not processed. */
  | { readonly kind: "behind"; readonly node: NodeId; readonly isBehind: boolean }

  // Packets of timely groups.
  /** A packet leaves its sender for the first time. */
  | { readonly kind: "packet"; readonly node: NodeId; readonly id: PacketId; readonly bytes: Uint8Array }
  /** It is handed over: at its sender at once, elsewhere when it has come. */
  | {
      readonly kind: "arrive";
      readonly node: NodeId;
      readonly id: PacketId;
      readonly payload: Uint8Array;
      readonly how: Arrival;
    }
  | { readonly kind: "lost"; readonly node: NodeId; readonly first: PacketId; readonly count: number }
  /** A repair leaves for whatever runs on a machine, or comes from one. */
  | { readonly kind: "repair"; readonly node: NodeId; readonly machine: number; readonly repair: Repair }
  | { readonly kind: "repaired"; readonly node: NodeId }

  // Messages of ordered groups.
  | {
      readonly kind: "submit";
      readonly node: NodeId;
      readonly group: GroupNumber;
      readonly id: MessageId;
      readonly payload: Uint8Array;
    }
  /** What a member says to all others about the order. */
  | { readonly kind: "said"; readonly node: NodeId; readonly group: GroupNumber; readonly body: PlatoBody }
  | { readonly kind: "show"; readonly node: NodeId; readonly group: GroupNumber; readonly message: OrderedMessage }
  | { readonly kind: "commit"; readonly node: NodeId; readonly group: GroupNumber; readonly position: number }
  | { readonly kind: "rollback"; readonly node: NodeId; readonly group: GroupNumber; readonly position: number }

  // Messages of scalable groups.
  | { readonly kind: "cast"; readonly node: NodeId; readonly group: GroupNumber; readonly payload: Uint8Array }
  | {
      readonly kind: "deliver";
      readonly node: NodeId;
      readonly group: GroupNumber;
      readonly sender: NodeId;
      readonly payload: Uint8Array;
    }

  // The run.
  | { readonly kind: "quiet" }
  | { readonly kind: "over"; readonly remains: readonly TimelyRemains[] }
);
