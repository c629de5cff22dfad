import type { DaemonStatus } from "../daemon/status.ts";
import { fittedTable, shownBytes, shownDuration, shownNumber } from "./format.ts";

/** Sites, links and trees of a configuration with several sites, as sections of the monitor's view; none with one site. */
export function siteSections(
  statuses: readonly DaemonStatus[],
  before: readonly (DaemonStatus | undefined)[],
  width: number,
): string[] {
  const told = statuses.find(({ sites }) => sites !== undefined)?.sites;
  if (told === undefined) return [];
  const sites = told.sites.map(({ name, configured, members, representative }) => {
    const pruning = statuses.find(({ sites: here }) => here?.own === name && here.pruning !== undefined)?.sites
      ?.pruning;
    return [
      name,
      `${members.length} of ${configured}`,
      representative ?? "-",
      pruning === undefined ? "-" : shownNumber(pruning.pruned),
      pruning === undefined ? "-" : shownNumber(pruning.passedOver),
      members.join(" "),
    ];
  });
  const links = statuses.flatMap((status) => {
    const { sites: here } = status;
    const earlier = before.find((other) => other?.name === status.name);
    const isSame = earlier !== undefined && earlier.configuration.id.time === status.configuration.id.time;
    const seconds = isSame ? (status.uptimeMs - earlier.uptimeMs) / 1_000 : 0;
    return (here?.links ?? []).map((link) => {
      const last = earlier?.sites?.links.find(({ site }) => site === link.site);
      const perSecond = seconds > 0 && last !== undefined ? (link.sentBytes - last.sentBytes) / seconds : undefined;
      const again = link.sentDatagrams === 0 ? 0 : (100 * link.resentDatagrams) / link.sentDatagrams;
      return [
        `${here?.own} > ${link.site}`,
        link.isOpen ? "open" : "not open",
        link.roundTripMs === 0 ? "-" : shownDuration(link.roundTripMs),
        `${shownBytes(link.rate)}/s`,
        perSecond === undefined ? "-" : `${shownBytes(Math.round(perSecond))}/s`,
        `${again.toFixed(1)} %`,
        shownNumber(link.resentDatagrams),
        shownBytes(link.waitingBytes + link.underWayBytes),
      ];
    });
  });
  const trees = statuses.find(({ sites: here }) => (here?.trees.length ?? 0) > 0)?.sites?.trees ?? [];
  const ways = trees.map(
    ({ source, hops }) => `  ${source}: ${hops.map(([from, to]) => `${from} > ${to}`).join(", ")}`,
  );
  return [
    `Sites\n${fittedTable([SITE_HEAD, ...sites], width)}`,
    ...(links.length > 0 ? [`Links\n${fittedTable([LINK_HEAD, ...links], width)}`] : []),
    ...(ways.length > 0 ? [`Ways of each site's messages\n${ways.join("\n")}`] : []),
  ];
}

const SITE_HEAD = ["site", "daemons", "represented by", "kept", "passed over", "members"];
const LINK_HEAD = ["link", "state", "round trip", "takes", "sent", "again", "resent", "waiting"];
