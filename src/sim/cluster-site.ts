import { assert } from "../base/assert.ts";
import { type DaemonConfig, parseSiteConfig, type SiteConfig } from "../daemon/config/index.ts";
import type { SegmentConfig } from "../daemon/config/site.ts";
import type { MembershipTimeouts } from "../membership/timeouts.ts";
import type { SitesPlan } from "./schedule.ts";
import type { SiteLayout } from "./world.ts";

const PORT = 4803;
const SEGMENT_NETWORK = "10.0.";

/** The configuration of a simulated site: daemon n is called `dn` and listens at `4803@10.0.0.n`. */
export type ClusterSite = {
  readonly config: SiteConfig;
  /** The daemons by the numbers that the simulation calls them. */
  readonly daemons: ReadonlyMap<number, DaemonConfig>;
};

/** The file of these daemons, in these segments; of sites without any daemon it says nothing. */
export function clusterText(layout: SiteLayout, sites?: SitesPlan): string {
  const segments = layout.map((numbers, segment) => {
    const lines = numbers.map((number) => `  d${number} 10.0.0.${number}\n`);
    return `Spread_Segment ${SEGMENT_NETWORK}${segment + 1}.255:${PORT} {\n${lines.join("")}}\n`;
  });
  if (sites === undefined) return segments.join("");
  const { of, links, lowLatency } = sites;
  const numbers = [...new Set(of)].filter((site) => layout.some(({ length }, i) => length > 0 && of[i] === site));
  const blocks = numbers.map((site) => {
    const own = segments.filter((_, i) => of[i] === site && (layout[i]?.length ?? 0) > 0);
    return `Site s${site} {\n${own.join("")}}\n`;
  });
  // The file gives a link one weight for both directions.
  const ways = links
    .filter(({ from, to }) => from < to && numbers.includes(from) && numbers.includes(to))
    .map(({ from, to, weight }) => `Link s${from} s${to} { Weight = ${weight === Infinity ? "none" : weight} }\n`);
  const order = lowLatency === true && numbers.length > 1 ? "WideAreaOrder = clock\n" : "";
  return [...blocks, ...ways, order].join("");
}

/** Which segment of the layout one of the file is: a file with sites has none without daemons. */
export function layoutSegment({ address }: SegmentConfig): number {
  return Number.parseInt(address.slice(SEGMENT_NETWORK.length), 10) - 1;
}

/** Writes and reads the configuration file that such a site would have; daemons are numbered 1 … 254. */
export function clusterSite(layout: SiteLayout, timeouts: MembershipTimeouts, sites?: SitesPlan): ClusterSite {
  const { site } = parseSiteConfig(clusterText(layout, sites), "(simulated)");
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
