import { assert } from "../base/assert.ts";
import { type DaemonConfig, parseSiteConfig, type SiteConfig } from "../daemon/config/index.ts";
import type { MembershipTimeouts } from "../membership/timeouts.ts";
import type { SiteLayout } from "./world.ts";

const PORT = 4803;

/** The configuration of a simulated site: daemon n is called `dn` and listens at `4803@10.0.0.n`. */
export type ClusterSite = {
  readonly config: SiteConfig;
  /** The daemons by the numbers that the simulation calls them. */
  readonly daemons: ReadonlyMap<number, DaemonConfig>;
};

/** The file of these daemons, in these segments. */
export function clusterText(layout: SiteLayout): string {
  const segments = layout.map((numbers, segment) => {
    const lines = numbers.map((number) => `  d${number} 10.0.0.${number}\n`);
    return `Spread_Segment 10.0.${segment + 1}.255:${PORT} {\n${lines.join("")}}\n`;
  });
  return segments.join("");
}

/** Writes and reads the configuration file that such a site would have; daemons are numbered 1 … 254. */
export function clusterSite(layout: SiteLayout, timeouts: MembershipTimeouts): ClusterSite {
  const { site } = parseSiteConfig(clusterText(layout), "(simulated)");
  const config = { ...site, timeouts };
  const daemons = new Map(
    layout.flat().map((number) => {
      const daemon = config.daemons.find(({ name }) => name === `d${number}`);
      assert(daemon !== undefined, "every daemon of the layout is configured");
      return [number, daemon] as const;
    }),
  );
  return { config, daemons };
}

/** Where clients reach a daemon, in the syntax of `connect`. */
export function clusterAddress(number: number): string {
  return `${PORT}@10.0.0.${number}`;
}
