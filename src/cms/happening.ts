import type { NodeId } from "../base/ids.ts";
import type { Step } from "./region.ts";
import type { NodeInfo } from "./views.ts";

/** Why a node was declared failed. */
export const FAILURE_CAUSES = [
  /** Its session ended: the process died, said good-bye, or was too slow for its daemon. */
  "session",
  /** It was without a session for longer than the grace time. */
  "absent",
  /** Its client came back as a new node, without the place of this one. */
  "replaced",
  /** It did not report what it was told. */
  "unreported",
  /** It was decided before this daemon was told of the state. */
  "unknown",
] as const;
export type FailureCause = (typeof FAILURE_CAUSES)[number];

/** What one batch did to nodes and regions. */
export type BatchSummary = {
  /** Position in the log. */
  readonly n: number;
  readonly failed: readonly { readonly node: NodeInfo; readonly cause: FailureCause }[];
  /** Nodes that were in no group, that are in none any more, and that are in other groups now. */
  readonly came: readonly NodeInfo[];
  readonly went: readonly NodeInfo[];
  readonly moved: readonly NodeInfo[];
  /** How many regions are new, have another view, or have ended. */
  readonly regionsCreated: number;
  readonly regionsChanged: number;
  readonly regionsEnded: number;
};

/** What the membership service of a daemon tells people; nothing depends on it. */
export type MembershipEvent =
  /** A primary configuration has begun an epoch, with the state that there was, or `anew` with none. */
  | { readonly kind: "epoch"; readonly epoch: number; readonly anew: boolean }
  /** The daemon is in no primary configuration: nothing is computed. */
  | { readonly kind: "suspended" }
  | { readonly kind: "batch"; readonly batch: BatchSummary };

/** A step in short; `failed`: who has failed in it, and why. */
export function summaryOf(
  n: number,
  { regions, moves }: Step,
  failed: readonly { readonly node: NodeInfo; readonly cause: FailureCause }[],
): BatchSummary {
  const gone = new Set<NodeId>(failed.map(({ node }) => node.id));
  const living = moves.filter(({ node }) => !gone.has(node.id));
  const nodes = (which: (move: (typeof living)[number]) => boolean): NodeInfo[] =>
    living.filter(which).map(({ node }) => node);
  return {
    n,
    failed,
    came: nodes(({ from }) => from === undefined),
    went: nodes(({ to }) => to === undefined),
    moved: nodes(({ from, to }) => from !== undefined && to !== undefined),
    regionsCreated: regions.filter(({ before }) => before === undefined).length,
    regionsChanged: regions.filter(({ before, after }) => before !== undefined && after !== undefined).length,
    regionsEnded: regions.filter(({ after }) => after === undefined).length,
  };
}
