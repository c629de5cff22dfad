import type { DaemonId } from "../base/ids.ts";
import type { Layout } from "./layout.ts";

/**
 * Which configurations are primary, that is, may decide for the whole system (architecture.md, decision 16). At most one of
 * concurrent configurations is, under every policy but `all`.
 */
export type PrimaryPolicy =
  /** More than half of the configured daemons. */
  | { readonly name: "majority" }
  /** At least so many daemons; safe when that is more than half of those that will ever be configured. */
  | { readonly name: "static"; readonly daemons: number }
  /** The side with the first configured daemon. */
  | { readonly name: "oldest" }
  /** Every configuration: for those whose data may diverge. */
  | { readonly name: "all" }
  /** None. */
  | { readonly name: "none" }
  /**
   * By both rules: for daemons that have just gone over from `before` to what is configured now, while those that have not may still decide by the
   * old rule. Each such decision then has a daemon in common with each of this one's.
   */
  | {
      readonly name: "joint";
      readonly now: PrimaryPolicy;
      readonly before: PrimaryPolicy;
      readonly layoutBefore: Layout;
    };

export function isPrimary(policy: PrimaryPolicy, layout: Layout, members: readonly DaemonId[]): boolean {
  switch (policy.name) {
    case "majority":
      return members.length * 2 > layout.daemons.length;
    case "static":
      return members.length >= policy.daemons;
    case "oldest":
      return members[0] === layout.daemons[0]?.id;
    case "all":
      return true;
    case "none":
      return false;
    case "joint": {
      const { now, before, layoutBefore } = policy;
      const sorted = layoutBefore.sorted(members.filter((member) => layoutBefore.has(member)));
      return isPrimary(now, layout, members) && isPrimary(before, layoutBefore, sorted);
    }
  }
}
