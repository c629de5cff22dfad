import { hopDefaults } from "../hop/config.ts";
import type { Weights } from "../routing/source-tree.ts";

/** One direction of a link between two sites, where it is not like all others. */
export type SiteLink = {
  readonly from: number;
  readonly to: number;
  /** What it costs to send over it, > 0; ∞: never, so that sites without other ways between them cannot work together. Default 1. Source trees are shortest paths by weight. */
  readonly weight?: number;
  /** Bytes per second that are sent over it at most. Default: `rateMax` of all. */
  readonly rateMax?: number;
  /** Bytes per second to begin with. Default: `rateStart` of all. */
  readonly rateStart?: number;
  /** Silence after which it has failed, ms. Default: `silenceMs` of all. */
  readonly silenceMs?: number;
};

/** With less, a ring would stop at each packet; with more, daemons that speak version 2 would not believe it. */
const GAP_MIN = 16;
const GAP_MAX = 4_096;

/** Settings of daemons in several sites; complete and checked (`wideAreaConfig`). The same at all daemons. */
export type WideAreaConfig = {
  readonly links: readonly SiteLink[];
  /** Bytes per second that a hop sends at most, and what it begins with. */
  readonly rateMax: number;
  readonly rateStart: number;
  /** Bytes that a site may have stamped and that are not yet known to be held everywhere. */
  readonly windowBytes: number;
  /** A site tells the others what is new of its promises and of what it holds no more often than this, ms. */
  readonly updateMs: number;
  /**
   * Stamps follow the clocks, and each site promises every `announceMs` to stamp nothing older: a message then waits for the way from each other site,
   * and not for the way there and back. Right whatever the clocks say; fast as far as they agree.
   */
  readonly lowLatency: boolean;
  readonly announceMs: number;
  /** A hop over which nothing is heard for so long has failed, ms. */
  readonly silenceMs: number;
  /** A datagram of a hop that is missing for so long though others arrive: the hop has failed, ms. */
  readonly missingMs: number;
  /** An idle end of a hop says so this often, ms; less than a third of `silenceMs`. */
  readonly idleMs: number;
  /** How often the other end of a hop is called before it answers, ms. */
  readonly helloMs: number;
};

export const wideAreaDefaults: WideAreaConfig = {
  links: [],
  rateMax: hopDefaults.rateMax,
  rateStart: hopDefaults.rateStart,
  windowBytes: 6 * 1024 * 1024,
  updateMs: 5,
  lowLatency: false,
  announceMs: 10,
  silenceMs: hopDefaults.silenceMs,
  missingMs: hopDefaults.missingMs,
  idleMs: hopDefaults.idleMs,
  helloMs: hopDefaults.helloMs,
};

/** Completes and checks options; throws a `RangeError` that names the culprit. */
export function wideAreaConfig(options: Partial<WideAreaConfig> = {}): WideAreaConfig {
  const config = { ...wideAreaDefaults, ...options };
  const check = (name: Exclude<keyof WideAreaConfig, "links" | "lowLatency">, low: number, high: number): void => {
    checkRange(name, config[name], low, high);
  };
  check("rateMax", 1_000, 125_000_000_000);
  check("rateStart", 1_000, 125_000_000_000);
  check("windowBytes", 16 * 1024, 64 * 1024 * 1024);
  check("updateMs", 0.1, 10_000);
  check("announceMs", 1, 10_000);
  check("silenceMs", 10, 600_000);
  check("missingMs", 10, 600_000);
  check("idleMs", 1, config.silenceMs / 3);
  check("helloMs", 1, 60_000);
  const seen = new Set<string>();
  for (const { from, to, weight = 1, rateMax = config.rateMax, ...link } of config.links) {
    const name = `link from site ${from} to site ${to}`;
    if (from === to) throw new RangeError(`${name}: a link joins two sites`);
    if (seen.has(`${from} ${to}`)) throw new RangeError(`${name} is given twice`);
    seen.add(`${from} ${to}`);
    if (!(weight > 0)) throw new RangeError(`${name}: weight is ${weight}; it must be positive`);
    checkRange(`${name}: rateMax`, rateMax, 1_000, 125_000_000_000);
    checkRange(`${name}: rateStart`, link.rateStart ?? config.rateStart, 1_000, 125_000_000_000);
    checkRange(`${name}: silenceMs`, link.silenceMs ?? config.silenceMs, 10, 600_000);
  }
  return config;
}

/** What each link costs. */
export function weightsOf({ links }: WideAreaConfig): Weights {
  return (from, to) => linkOf(links, from, to)?.weight ?? 1;
}

/** Bytes per second that may be sent from one site straight to another. */
export function rateMaxOf({ links, rateMax }: WideAreaConfig, from: number, to: number): number {
  return linkOf(links, from, to)?.rateMax ?? rateMax;
}

/** Packets that a site may have unstable, of this length: what `windowBytes` admits. */
export function gapOf({ windowBytes }: WideAreaConfig, datagramBytes: number): number {
  return Math.max(GAP_MIN, Math.min(GAP_MAX, Math.ceil(windowBytes / datagramBytes)));
}

/** What a hop from one site straight to another is set to. */
export function hopSettingsOf(
  config: WideAreaConfig,
  from: number,
  to: number,
): Pick<WideAreaConfig, "rateMax" | "rateStart" | "silenceMs" | "idleMs"> {
  const { rateStart = config.rateStart, silenceMs = config.silenceMs } = linkOf(config.links, from, to) ?? {};
  const rateMax = rateMaxOf(config, from, to);
  return {
    rateMax,
    rateStart: Math.min(rateStart, rateMax),
    silenceMs,
    idleMs: Math.min(config.idleMs, silenceMs / 4),
  };
}

function linkOf(links: readonly SiteLink[], from: number, to: number): SiteLink | undefined {
  return links.find((link) => link.from === from && link.to === to);
}

function checkRange(name: string, value: number, low: number, high: number): void {
  if (!(value >= low && value <= high)) {
    throw new RangeError(`${name} is ${value}; it must lie between ${low} and ${high}`);
  }
}
