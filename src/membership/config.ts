import type { DaemonId } from "../base/ids.ts";
import type { RingConfig } from "../ring/config.ts";
import { WIRE_VERSION_MAX } from "../wire/prefix.ts";
import type { Layout } from "./layout.ts";
import type { PrimaryPolicy } from "./primary.ts";
import type { MembershipTimeouts } from "./timeouts.ts";
import type { WideAreaConfig } from "./wide-area-config.ts";

/** What a daemon's membership and ordering need to know; complete and checked by whoever makes it. */
export type EvsConfig = {
  readonly me: DaemonId;
  readonly layout: Layout;
  readonly timeouts: MembershipTimeouts;
  readonly ring: RingConfig;
  /** Of no effect while `layout` has one site. */
  readonly wideArea: WideAreaConfig;
  readonly primary: PrimaryPolicy;
  /** Packets of daemons with another one are dropped: they run another configuration (protocols.md G43). */
  readonly confHash: number;
  /**
   * Distinguishes this run of the daemon from its earlier ones. Ids of configurations begin above it: so it should be
   * greater than every time that an earlier run has used in one (host/incarnation.ts).
   */
  readonly incarnation: number;
  /** The time of day, in seconds since 1970, at which `now` is 0. */
  readonly clockOriginSeconds: number;
  /** The greatest wire version to speak; lower than `WIRE_VERSION_MAX` only while a site is being upgraded. */
  readonly versionMax: number;
};

/** What all daemons have to agree on. It changes when they go over to another configuration file together (`Evs.reconfigure`). */
export type Agreement = Pick<EvsConfig, "layout" | "primary" | "confHash" | "wideArea">;

export const WIRE_VERSION_DEFAULT = WIRE_VERSION_MAX;
