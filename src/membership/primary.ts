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
  | { readonly name: "none" };

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
  }
}
