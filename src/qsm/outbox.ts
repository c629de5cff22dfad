import type { GroupNumber, NodeId, RegionViewId } from "../base/ids.ts";
import type { SettledStream } from "../cms/settled.ts";
import type { GroupView, NodeAddress, NodeInfo } from "../cms/views.ts";

/**
 * The classes of datagrams between nodes (protocols.md A57, J7). Data comes from its sender itself: a fenced sender is not heard there
 * any more. Repairs are copies that other members forward: those count whatever has become of the sender.
 */
export type NodeChannel = "control" | "repair" | "data";

/** What a node asks of the world. Who sends `bytes` gives them away: they are never changed afterwards. */
export interface NodeOutbox {
  /**
   * On the data channel, to all who listen to this address of the pool, in any case not to this node itself. `members`: whom it is meant
   * for, where there is no multicast.
   */
  multicast(address: number, bytes: Uint8Array, members: readonly NodeInfo[]): void;
  unicast(to: NodeAddress, channel: NodeChannel, bytes: Uint8Array): void;
  /** A packet of this node, on the data channel, to those who pass it on; to nobody, if all others have failed. */
  relay(to: readonly NodeInfo[], bytes: Uint8Array): void;
  /** Receive what is multicast to this address of the pool; asked before anything that says that it is done. */
  listen(address: number): void;
  unlisten(address: number): void;

  /** A message, in order of its sender. The payload is a view of memory that is never changed. */
  deliver(group: GroupNumber, sender: NodeId, payload: Uint8Array): void;
  /** Messages that this node should have got and nobody has (region-views.md, rule 7). `count`: packets, at least. */
  lost(groups: readonly GroupNumber[], sender: NodeId, count: number): void;
  /** A group that this node is in has a new view; the first one says that the node has joined. */
  view(view: GroupView, now: number): void;
  /** The node is not in the group any more: nothing more is delivered of it. */
  left(group: GroupNumber): void;
  /** Everything of the message has been received by all members that have not failed. */
  stable(message: number): void;
  /** There is room for messages again, after `send` said that there was none. */
  writable(): void;

  /** To the membership service, reliably, in order: all changes up to this position are applied, and what was sealed by that. */
  installed(n: number, sealed: readonly { readonly id: RegionViewId; readonly last: number }[]): void;
  /** To the membership service: this superseded view, of which this node is the leader, has ended everywhere. */
  retired(id: RegionViewId): void;
  /**
   * To the membership service: this node waits for these and is in no view with them, so it may not have been told that they have failed.
   * Those who have are told with its next change. Asked again for as long as it waits.
   */
  inquire(nodes: readonly NodeId[]): void;
  /** To the membership service, from the leader of a view: what its members have accepted of a node that has failed. */
  settled(stream: SettledStream): void;

  /** A number in [0, 1). */
  random(): number;
}
