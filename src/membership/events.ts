import type { HopFailure } from "../hop/hop.ts";
import type { ConfigurationId, DaemonId } from "../base/ids.ts";

/** The states of a daemon's membership (protocols.md G.9), and `left` after a graceful stop. */
export type MembershipStateName = "operational" | "segment" | "represented" | "gather" | "form" | "recovery" | "left";

/** What made a daemon give up its configuration, or look for others. */
export type Evidence =
  | { readonly kind: "start" }
  /** The token did not come back for `silentMs`. */
  | { readonly kind: "tokenLoss"; readonly silentMs: number; readonly limitMs: number }
  /** A member says that it has no ring any more. */
  | { readonly kind: "memberLost"; readonly daemon: DaemonId; readonly restarted: boolean }
  /** A member left on its own account. */
  | { readonly kind: "leave"; readonly daemon: DaemonId }
  /** A daemon outside asks to join, or is heard of. */
  | { readonly kind: "join"; readonly daemon: DaemonId }
  /** Another ring's traffic was heard. */
  | { readonly kind: "foreignTraffic"; readonly daemon: DaemonId }
  /** A representative called for a new configuration. */
  | { readonly kind: "form"; readonly daemon: DaemonId }
  /** An attempt to form did not finish in time. */
  | { readonly kind: "formTimeout"; readonly silentMs: number }
  | { readonly kind: "recoveryStall"; readonly silentMs: number }
  /** This daemon goes over to another configuration file, with the others. */
  | { readonly kind: "reconfigured" }
  /** The hop to another site has failed; `peer` is the other end. */
  | { readonly kind: "siteLost"; readonly site: number; readonly peer: DaemonId; readonly why: HopFailure }
  /** The stamps of the configuration were used up. */
  | { readonly kind: "exhausted" };

/** What happens inside, for event logs, tools and the simulator. Never needed for correctness. */
export type EvsEvent =
  | { readonly kind: "state"; readonly from: MembershipStateName; readonly to: MembershipStateName }
  | {
      readonly kind: "configuration";
      readonly id: ConfigurationId;
      readonly members: readonly DaemonId[];
      readonly primary: boolean;
      readonly came: readonly DaemonId[];
      readonly left: readonly DaemonId[];
      /** Everything that pointed to a change since the last configuration, oldest first. */
      readonly evidence: readonly Evidence[];
      /** From the first evidence to the install. */
      readonly tookMs: number;
      /** From the last sign of the old ring's token to the install: includes the silence before a loss was noticed. */
      readonly outageMs: number;
      readonly attempts: number;
    }
  /** A datagram of a version that this daemon does not speak: the peer needs an upgrade, or this daemon does. */
  | { readonly kind: "version"; readonly daemon: DaemonId; readonly version: number }
  /** A datagram of a daemon with another configuration file. */
  | { readonly kind: "configMismatch"; readonly daemon: DaemonId; readonly hash: number }
  | { readonly kind: "left" };
