import type { GroupNumber, NodeId, RegionViewId } from "../../base/ids.ts";
import type { Change, GroupView, LastSeq, RegionView, WholeRegionView } from "../../cms/views.ts";
import type { NodeChannel } from "../../qsm/outbox.ts";
import type { RegionMessage } from "../../wire/region/message.ts";
import type { RegionToken } from "../../wire/region/token.ts";
import type { MessageNumber } from "../trace.ts";

/** The first piece of a message in a packet, with the views that its sender knows at that moment: those it is pinned to. */
export type FirstPiece = {
  readonly message: MessageNumber;
  readonly group: GroupView;
  readonly regions: readonly RegionView[];
};

/** A region view's stream of one sender at one member, to look at. */
export type HeldStream = {
  readonly contiguous: number;
  readonly clean: number;
  readonly maxSeen: number;
  readonly kept: { readonly packets: number };
  readonly isBarred: boolean;
  readonly givenUp: { has(seq: number): boolean };
  has(seq: number): boolean;
  get(seq: number): Uint8Array | undefined;
};

/**
 * What happens in a run of nodes and their membership service, as checkers see it. `at`: simulated ms. `node`: where it happens. A
 * node is one life of its machine.
 */
export type RegionEvent = { readonly at: number } & (
  | { readonly kind: "start"; readonly node: NodeId; readonly machine: number }
  | { readonly kind: "end"; readonly node: NodeId }

  // The membership service, in the order of its log.
  | { readonly kind: "failed"; readonly n: number; readonly failed: NodeId }
  | { readonly kind: "opened"; readonly n: number; readonly view: RegionView }
  | { readonly kind: "superseded"; readonly n: number; readonly id: RegionViewId }
  | { readonly kind: "final"; readonly n: number; readonly id: RegionViewId; readonly last: readonly LastSeq[] }
  | { readonly kind: "closed"; readonly id: RegionViewId }
  | {
      readonly kind: "map";
      readonly n: number;
      readonly groups: readonly GroupView[];
      readonly regions: readonly WholeRegionView[];
      /** Of each node, the groups that it is in. */
      readonly members: ReadonlyMap<NodeId, readonly GroupNumber[]>;
    }

  /** Where daemons are the service: one that computes changes now has come to this position of its log. */
  | {
      readonly kind: "logged";
      readonly daemon: number;
      readonly epoch: number;
      readonly n: number;
      readonly chain: string;
      readonly configuration: string;
    }

  // What a node is told and tells.
  /** Whether its daemon says that no changes are computed there. */
  | { readonly kind: "suspended"; readonly node: NodeId; readonly isSuspended: boolean }
  /** It begins to apply a change; "applied" follows when it has. */
  | { readonly kind: "applying"; readonly node: NodeId }
  | { readonly kind: "applied"; readonly node: NodeId; readonly change: Change; readonly known: readonly RegionView[] }
  | { readonly kind: "group"; readonly node: NodeId; readonly view: GroupView }
  | { readonly kind: "left"; readonly node: NodeId; readonly group: GroupNumber }
  | { readonly kind: "submit"; readonly node: NodeId; readonly group: GroupNumber; readonly message: MessageNumber }
  | {
      readonly kind: "deliver";
      readonly node: NodeId;
      readonly group: GroupNumber;
      readonly sender: NodeId;
      /** `undefined`: its bytes are not those of any message. */
      readonly message: MessageNumber | undefined;
    }
  | { readonly kind: "lost"; readonly node: NodeId; readonly sender: NodeId; readonly groups: readonly GroupNumber[] }
  | { readonly kind: "stable"; readonly node: NodeId; readonly message: MessageNumber }

  // The wire.
  | {
      readonly kind: "packet";
      readonly node: NodeId;
      readonly id: RegionViewId;
      readonly seq: number;
      readonly isResent: boolean;
      /** Messages with a piece in it, and the first pieces among them. */
      readonly messages: readonly MessageNumber[];
      readonly firsts: readonly FirstPiece[];
    }
  | { readonly kind: "last"; readonly node: NodeId; readonly id: RegionViewId; readonly seq: number }
  /** Anything at all, towards other nodes. `turn` counts the node's turns; `undefined` for what is due outside of their order. */
  | { readonly kind: "sent"; readonly node: NodeId; readonly channel: NodeChannel; readonly turn: number | undefined }
  /** A datagram directly from a node that this one knows to have failed, and whether it has changed anything. */
  | { readonly kind: "fencedHeard"; readonly node: NodeId; readonly from: NodeId; readonly isAccepted: boolean }
  /** A token leaves for the first time; `seen`: what this node had seen of each sender on it before this turn. */
  | {
      readonly kind: "token";
      readonly node: NodeId;
      readonly to: NodeId;
      readonly token: RegionToken;
      readonly seen: ReadonlyMap<NodeId, number>;
    }
  /** Another small message leaves for the first time. */
  | { readonly kind: "told"; readonly node: NodeId; readonly to: NodeId; readonly message: RegionMessage }
  /** It had something to tell, and dropped it, since too much for that node waits already. */
  | { readonly kind: "untold"; readonly node: NodeId }

  // The inside of nodes.
  /** Its timers have had their turn: whatever was due is done. */
  | { readonly kind: "ticked"; readonly node: NodeId }
  /** This member has come to a round: the leader has begun it, though its token may wait for its link. */
  | {
      readonly kind: "round";
      readonly node: NodeId;
      readonly id: RegionViewId;
      readonly failure: number;
      readonly round: number;
    }
  /** A token has come here, handled or not. */
  | { readonly kind: "heard"; readonly node: NodeId; readonly token: RegionToken }
  /** Packets had come before the node was told of the view; up to this number, of those straight from their sender. */
  | {
      readonly kind: "awaited";
      readonly node: NodeId;
      readonly id: RegionViewId;
      readonly sender: NodeId;
      readonly seq: number;
    }
  /** A packet that was not here before is, and belongs to a view that the node is in. */
  | {
      readonly kind: "taken";
      readonly node: NodeId;
      readonly id: RegionViewId;
      readonly sender: NodeId;
      readonly seq: number;
      /** It comes from its sender, which sends it for the first time. */
      readonly isDirect: boolean;
    }
  /** A token has been handled here. */
  | {
      readonly kind: "visited";
      readonly node: NodeId;
      readonly token: RegionToken;
      readonly view: RegionView;
      readonly streams: ReadonlyMap<NodeId, HeldStream>;
    }
  | { readonly kind: "acknowledged"; readonly node: NodeId; readonly id: RegionViewId; readonly seq: number }
  | {
      readonly kind: "cleaned";
      readonly node: NodeId;
      readonly id: RegionViewId;
      readonly sender: NodeId;
      readonly seq: number;
    }
  /** The node has forgotten the view, of which it was a member. */
  | { readonly kind: "retired"; readonly node: NodeId; readonly id: RegionViewId }

  // The run.
  /** No faults and no changes from now on. */
  | { readonly kind: "quiet" }
  /** `isSilent`: nobody has sent anything for a while. `stragglers`: daemons that run and have not the state of the others. */
  | {
      readonly kind: "over";
      readonly isSilent: boolean;
      readonly remains: readonly Remains[];
      readonly stragglers: readonly number[];
    }
);

/** What a node that lives at the end of a run has left to do. */
export type Remains = {
  readonly node: NodeId;
  /** Changes that it was sent and has not applied. */
  readonly unapplied: number;
  /** Superseded views that it has not forgotten. */
  readonly views: readonly RegionViewId[];
  readonly keptPackets: number;
  /** Views in which it has packets that are not stable. */
  readonly unstable: readonly RegionViewId[];
};

export type RegionEventKind = RegionEvent["kind"];
