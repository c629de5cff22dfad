import type { Evs } from "../membership/evs.ts";
import type { SiteHop } from "../membership/site-hop.ts";
import { wideAreaDefaults } from "../membership/wide-area-config.ts";
import type { LinkConfig, SiteConfig } from "./config/site.ts";

/** Of a daemon in one of several sites: the sites, the ways between them, and the links if it represents its site. */
export type SitesStatus = {
  /** The daemon's own. */
  readonly own: string;
  readonly sites: readonly SiteStatus[];
  /** Of the representative only: to its neighbours in any tree. */
  readonly links: readonly LinkStatus[];
  /** Of the representative only: for each site, who sends its messages on to whom. */
  readonly trees: readonly TreeStatus[];
  /** Of the representative only. */
  readonly pruning: PruningStatus | undefined;
};

/** Counters of the configuration: packets of this site that were for it alone, and packets of others that this one passed over. */
export type PruningStatus = { readonly pruned: number; readonly passedOver: number };

export type SiteStatus = {
  readonly name: string;
  readonly configured: number;
  /** Those in the configuration. */
  readonly members: readonly string[];
  /** The first of them; undefined if none is there. */
  readonly representative: string | undefined;
};

/** One end of a link. Counters are of the configuration: a new one has new links. */
export type LinkStatus = {
  readonly site: string;
  /** Its representative. */
  readonly peer: string;
  readonly isOpen: boolean;
  /** As this daemon has it of its file: bytes per second, and ms of silence that break the link. Undefined: no limit. */
  readonly rateMax: number | undefined;
  readonly silenceMs: number;
  /** Smoothed; 0 before it is known. */
  readonly roundTripMs: number;
  /** Bytes per second that get through to the other end, as far as was tried. */
  readonly rate: number;
  readonly sentDatagrams: number;
  readonly sentBytes: number;
  readonly resentDatagrams: number;
  readonly receivedDatagrams: number;
  /** Datagrams asked for again. */
  readonly requested: number;
  /** Sent and not acknowledged. */
  readonly underWayBytes: number;
  /** Not sent yet. */
  readonly waitingBytes: number;
};

export type TreeStatus = {
  readonly source: string;
  /** From the source outwards. */
  readonly hops: readonly (readonly [from: string, to: string])[];
};

/** Undefined where the configuration has one site. */
export function sitesStatus(
  { sites, links, daemons }: SiteConfig,
  own: number,
  evs: Evs,
  nameOf: (daemon: number) => string,
): SitesStatus | undefined {
  if (sites.length < 2) return undefined;
  const siteName = (site: number): string => sites[site]?.name ?? `#${site}`;
  const members = new Set(evs.configuration.members);
  const { wideArea } = evs;
  const linkTo = (site: number): LinkConfig | undefined =>
    links.find(({ ends }) => ends.includes(own) && ends.includes(site));
  return {
    own: siteName(own),
    sites: sites.map(({ name }, index) => {
      const configured = daemons.filter(({ site }) => site === index);
      const there = configured.filter(({ id }) => members.has(id)).map((daemon) => daemon.name);
      return { name, configured: configured.length, members: there, representative: there[0] };
    }),
    links: wideArea?.hops.map((hop) => linkStatus(hop, linkTo(hop.site), siteName(hop.site), nameOf(hop.peer))) ?? [],
    trees:
      wideArea?.routes.sites.map((source) => {
        const hops: (readonly [string, string])[] = [];
        const open = [source];
        for (let site = open.shift(); site !== undefined; site = open.shift()) {
          for (const child of wideArea.routes.tree(source)?.children(site) ?? []) {
            hops.push([siteName(site), siteName(child)]);
            open.push(child);
          }
        }
        return { source: siteName(source), hops };
      }) ?? [],
    pruning: wideArea && { ...wideArea.pruning },
  };
}

function linkStatus(
  { hop, waitingBytes }: SiteHop,
  config: LinkConfig | undefined,
  site: string,
  peer: string,
): LinkStatus {
  const { sender, receiver, statistics } = hop;
  return {
    site,
    peer,
    isOpen: hop.isOpen,
    rateMax: config?.rateMax,
    silenceMs: config?.silenceMs ?? wideAreaDefaults.silenceMs,
    roundTripMs: sender?.roundTripMs ?? 0,
    rate: Math.round(sender?.rate ?? 0),
    sentDatagrams: statistics.sent,
    sentBytes: statistics.sentBytes,
    resentDatagrams: statistics.resent,
    receivedDatagrams: statistics.received,
    requested: receiver.requested,
    underWayBytes: sender?.unacknowledgedBytes ?? 0,
    waitingBytes,
  };
}
