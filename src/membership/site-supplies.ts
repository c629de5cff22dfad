import { type ConfigurationId, configurationKey } from "../base/ids.ts";
import type { RangeSet } from "../base/range-set.ts";
import type { Routes } from "../routing/routes.ts";
import type { OldConfigurationRecord } from "../wire/form.ts";
import { REQUEST_RANGES_MAX, type Request } from "../wire/ring-token.ts";
import { holesOf } from "./obligation.ts";

/** Packets of one stream of an old configuration that another site lacks and this one has to send. */
type Supply = {
  readonly configuration: ConfigurationId;
  readonly stream: number;
  readonly to: number;
  readonly left: RangeSet;
};

/**
 * What a site owes the others during recovery (recovery.md, "Moving the packets", 3): FORM2 has told everybody which site lacks
 * what, so nobody asks. What a site lacks is supplied by the nearest of those that do not.
 */
export class SiteSupplies {
  readonly #supplies: Supply[] = [];

  constructor(records: readonly OldConfigurationRecord[], routes: Routes) {
    for (const record of records) {
      for (const { newSite, stream, missing } of record.lacks) {
        if (newSite === routes.me) continue;
        let left = missing.clone();
        left.removeAll(holesOf(record, stream));
        // Each of those that are nearer takes what it does not lack itself.
        for (const site of nearestFirst(record, newSite, routes)) {
          const lacks = record.lacks.find((other) => other.newSite === site && other.stream === stream);
          if (lacks === undefined || left.isEmpty) continue;
          if (site !== routes.me) {
            left = left.intersection(lacks.missing);
            continue;
          }
          left.removeAll(lacks.missing);
          if (!left.isEmpty) this.#supplies.push({ configuration: record.configuration, stream, to: newSite, left });
          break;
        }
      }
    }
  }

  /** Packets that are still to be sent, counted once for each site. */
  get left(): number {
    return this.#supplies.reduce((sum, { left }) => sum + left.size, 0);
  }

  /** A packet is here, or one that stands for several: to which sites (of those that it is for) it has to be sent. Said once. */
  take(
    configuration: ConfigurationId,
    stream: number,
    first: number,
    last: number,
    isFor: (site: number) => boolean = () => true,
  ): number[] {
    if (this.#supplies.length === 0) return [];
    const key = configurationKey(configuration);
    const sites: number[] = [];
    for (const supply of this.#supplies) {
      if (supply.stream !== stream || !isFor(supply.to) || configurationKey(supply.configuration) !== key) continue;
      const { size } = supply.left;
      supply.left.remove(first, last);
      if (supply.left.size < size) sites.push(supply.to);
    }
    return sites;
  }

  /** What the representative asks its own ring for, in order to send it: it need not have been in that configuration itself. */
  requests(): Request[] {
    const requests: Request[] = [];
    for (const { configuration, stream, left } of this.#supplies) {
      if (left.isEmpty) continue;
      const missing = left.clone();
      for (const [low, high] of [...missing.ranges()].slice(REQUEST_RANGES_MAX)) missing.remove(low, high);
      requests.push({ configuration, site: stream, missing });
    }
    return requests;
  }
}

/** The sites with survivors of the configuration, the nearest to `site` first, without it. */
function nearestFirst({ lacks }: OldConfigurationRecord, site: number, routes: Routes): number[] {
  const sites = [...new Set(lacks.map(({ newSite }) => newSite))].filter((other) => other !== site);
  const distance = (from: number): number => routes.tree(from)?.distance(site) ?? Number.POSITIVE_INFINITY;
  return sites.sort((a, b) => (distance(a) === distance(b) ? a - b : distance(a) - distance(b)));
}
