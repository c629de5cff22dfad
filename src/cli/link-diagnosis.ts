import type { LinkConfig, SiteConfig } from "../daemon/config/site.ts";
import type { LinkStatus } from "../daemon/sites-status.ts";
import type { DaemonStatus } from "../daemon/status.ts";
import { HOP_OVERHEAD_BYTES } from "../membership/wide-area.ts";
import { type Finding, ok, problem, warning } from "./diagnosis.ts";

/** Round trips that the times of the profile `sites` leave room for. */
const ROUND_TRIP_MS_MAX = 150;
/** A link is called broken after its silence; with fewer round trips than these in it, losses alone can make it silent. */
const ROUND_TRIPS_OF_SILENCE = 5;
/** Of what was sent, a share that had to be sent again: more is not what a line loses by itself. */
const RESENT_SHARE_MAX = 0.1;
/** Fewer datagrams say nothing. */
const DATAGRAMS_MIN = 100;
/** Of its limit, what a busy link should carry. */
const LIMIT_SHARE_MIN = 0.5;
const BYTES_PER_KBIT = 125;

type End = { readonly from: string; readonly daemon: string; readonly link: LinkStatus };

/**
 * Links between sites, as the representatives at their ends see them: whether they are there, what they lose, whether the times and limits of the
 * file fit them, and whether both ends have the same. Nothing with one site.
 */
export function judgeSiteLinks(site: SiteConfig, statuses: readonly DaemonStatus[]): Finding[] {
  const { sites, links } = site;
  const ends = statuses.flatMap(({ name, sites: seen }) =>
    (seen?.links ?? []).map((link): End => ({ from: (seen as { own: string }).own, daemon: name, link })),
  );
  return links.flatMap((config) => {
    const [a, b] = config.ends.map((end) => sites[end]?.name ?? "") as [string, string];
    const check = `link of ${a} and ${b}`;
    const own = ends.filter(({ from, link }) => (from === a && link.site === b) || (from === b && link.site === a));
    const apart = judgeApart(site, check, config, statuses);
    if (apart !== undefined) return [apart];
    // Messages may go another way, or the daemons that could tell were not asked.
    if (own.length === 0) return [];
    const findings = [...judgeSettings(check, own), ...own.flatMap((end) => judgeEnd(site, check, config, end))];
    if (findings.length > 0) return findings;
    const { roundTripMs, rate } = (own[0] as End).link;
    const shownTrip = roundTripMs === 0 ? "round trip not measured yet" : `round trip ${roundTripMs.toFixed(1)} ms`;
    return [ok(check, `${shownTrip}, ${kbits(rate)} kbit/s got through`)];
  });
}

/** Both sites have daemons that answer, and those of one are in no configuration with those of the other. */
function judgeApart(
  { sites }: SiteConfig,
  check: string,
  { ends }: LinkConfig,
  statuses: readonly DaemonStatus[],
): Finding | undefined {
  const [here, there] = ends.map((end) =>
    statuses.filter(({ name }) => sites[end]?.daemons.some((daemon) => daemon.name === name)),
  ) as [DaemonStatus[], DaemonStatus[]];
  const [one, other] = [here[0], there[0]];
  if (one === undefined || other === undefined) return undefined;
  const together = here.some(({ configuration }) => there.some(({ name }) => configuration.members.includes(name)));
  if (together) return undefined;
  const place = ({ name }: DaemonStatus, end: number): string => {
    const daemon = sites[end]?.daemons.find((candidate) => candidate.name === name);
    return `${name} at ${daemon?.host ?? daemon?.address}, UDP ${daemon?.port} and ${(daemon?.port ?? 0) + 1}`;
  };
  const remedy = `Let datagrams pass in both directions between all daemons of both sites (${place(one, ends[0])}; ${place(other, ends[1])}): any of them may represent its site`;
  return problem(check, "daemons of both answer, and none of one site is with any of the other", remedy);
}

/** Rates and silence are not in the hash that daemons compare: files may differ in them. */
function judgeSettings(check: string, ends: readonly End[]): Finding[] {
  const [one, other] = ends;
  if (one === undefined || other === undefined) return [];
  const differing = (
    [
      ["RateLimit", limitOf(one.link), limitOf(other.link)],
      ["SilenceTimeout", one.link.silenceMs, other.link.silenceMs],
    ] as const
  ).filter(([, a, b]) => a !== b);
  return differing.map(([name, a, b]) => {
    const message = `${name} is ${a} at ${one.daemon} and ${b} at ${other.daemon}`;
    return warning(check, message, `Give both the same file: amalgam reload -c FILE does so at all daemons at once`);
  });
}

function judgeEnd(site: SiteConfig, check: string, config: LinkConfig, { from, daemon, link }: End): Finding[] {
  const findings: Finding[] = [];
  const { isOpen, roundTripMs, silenceMs, sentDatagrams, resentDatagrams, rate, rateMax, waitingBytes } = link;
  const to = site.sites[config.ends.find((end) => site.sites[end]?.name === link.site) ?? -1];
  const peer = to?.daemons.find(({ name }) => name === link.peer);
  const where = peer === undefined ? link.peer : (peer.host ?? peer.address);
  if (!isOpen) {
    const remedy = `Let datagrams pass from ${daemon} to ${link.peer} and back: UDP ${peer?.port ?? "of the file"} at ${where}`;
    return [problem(check, `${daemon} in ${from} gets no answer from ${link.peer}`, remedy)];
  }
  if (roundTripMs > ROUND_TRIP_MS_MAX) {
    const message = `round trip ${roundTripMs.toFixed(0)} ms: changes of membership may take several attempts`;
    const remedy = `The times of TimeoutProfile = sites are for ${ROUND_TRIP_MS_MAX} ms: use TimeoutProfile = wan`;
    findings.push(warning(check, message, remedy));
  }
  if (roundTripMs * ROUND_TRIPS_OF_SILENCE > silenceMs) {
    const message = `round trip ${roundTripMs.toFixed(0)} ms, and ${silenceMs} ms of silence break the link`;
    const fitting = Math.ceil((2 * ROUND_TRIPS_OF_SILENCE * roundTripMs) / 100) * 100;
    findings.push(warning(check, message, `Set SilenceTimeout = ${fitting} for this link`));
  }
  if (sentDatagrams >= DATAGRAMS_MIN && resentDatagrams > RESENT_SHARE_MAX * sentDatagrams) {
    const share = ((100 * resentDatagrams) / sentDatagrams).toFixed(0);
    // The heads of ICMP and UDP have the same length.
    const payload = site.datagramBytes + HOP_OVERHEAD_BYTES;
    const remedy = `Try on the host of ${daemon} whether full datagrams pass: ping -M do -s ${payload} ${where}. If not, lower DatagramBytes; if so, other traffic or a policer takes the line: set RateLimit to what is left`;
    findings.push(problem(check, `${daemon} had to send ${share} % again`, remedy));
  }
  if (rateMax !== undefined && waitingBytes > 0 && rate < LIMIT_SHARE_MIN * rateMax) {
    const message = `${waitingBytes} bytes wait at ${daemon}, and ${kbits(rate)} of ${kbits(rateMax)} kbit/s get through`;
    findings.push(
      warning(check, message, "The line takes less than its RateLimit, or is shared: set what is left of it"),
    );
  }
  return findings;
}

function limitOf({ rateMax }: LinkStatus): string {
  return rateMax === undefined ? "none" : `${kbits(rateMax)} kbit/s`;
}

function kbits(bytesPerSecond: number): number {
  return Math.round(bytesPerSecond / BYTES_PER_KBIT);
}
