import { assert } from "../base/assert.ts";
import type { NodeId, RegionViewId } from "../base/ids.ts";
import { ascending } from "./ascending.ts";
import type { FinalView } from "./views.ts";

/** Nodes that were told at one position of the log that they send nothing new in some views any more. */
export type Sealing = {
  readonly n: number;
  /** By id. */
  readonly nodes: readonly { readonly id: NodeId }[];
  readonly views: readonly ViewLife[];
};

/**
 * What is known of the end of one region view, from when the first of its senders is told to stop until it is retired (region-views.md,
 * rules 2, 3 and 9): current, superseded, final, retired. A node that is told to stop owes a report; the view is final when it is
 * superseded and nobody owes one.
 */
export class ViewLife {
  readonly id: RegionViewId;
  /** By id. Some may have failed since. */
  readonly members: readonly { readonly id: NodeId }[];
  /** `undefined`: it is current; but some who could send in it have left its groups, or failed. */
  supersededAt: number | undefined;
  isFinal = false;
  /** Reports that are owed. */
  owed = 0;
  /** Of everyone who reported: greatest sequence number, where that is not 0. */
  readonly last = new Map<NodeId, number>();
  /** Who failed while it could send, or before it reported. */
  readonly failed = new Set<NodeId>();
  readonly sealings: Sealing[] = [];

  constructor(id: RegionViewId, members: readonly { readonly id: NodeId }[]) {
    this.id = id;
    this.members = members;
  }

  hasMember(node: NodeId): boolean {
    return isIn(this.members, node);
  }

  /** Whether the node has been told to stop sending here: then it could send before. */
  hasSealed(node: NodeId): boolean {
    return this.sealings.some((sealing) => isIn(sealing.nodes, node));
  }

  owe(sealing: Sealing): void {
    this.owed += sealing.nodes.length;
    this.sealings.push(sealing);
  }

  /** One report has come in. A node that was told to stop twice, because it came back, may have gone on counting. */
  report(node: NodeId, last: number): void {
    assert(this.owed > 0 && !this.isFinal, "who reports owes a report");
    this.owed--;
    if (last > (this.last.get(node) ?? 0)) this.last.set(node, last);
  }

  /** A node that owes a report has failed: it will never come. */
  excuse(node: NodeId): void {
    assert(this.owed > 0 && !this.isFinal, "who is excused owes a report");
    this.owed--;
    this.failed.add(node);
  }

  get isDue(): boolean {
    return this.supersededAt !== undefined && this.owed === 0 && !this.isFinal;
  }

  close(): FinalView {
    assert(this.isDue, "a view is closed once, when nobody can send in it");
    this.isFinal = true;
    // Who came back after a report and failed then may have gone on after it.
    const last = [...this.last]
      .filter(([sender]) => !this.failed.has(sender))
      .sort(([a], [b]) => a - b)
      .map(([sender, seq]) => ({ sender, seq }));
    return { id: this.id, last, failed: ascending([...this.failed]) };
  }
}

function isIn(nodes: readonly { readonly id: NodeId }[], node: NodeId): boolean {
  let low = 0;
  let high = nodes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((nodes[middle] as { id: NodeId }).id < node) low = middle + 1;
    else high = middle;
  }
  return nodes[low]?.id === node;
}
