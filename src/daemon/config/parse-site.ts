import { DAEMON_NAME_MAX, isDaemonName } from "../../wire/spread/names.ts";
import { spreadConfigHash, textHash } from "./hash.ts";
import { hashedLineage, lineageOf } from "./lineage.ts";
import { parseConfigFile } from "./parser.ts";
import { ConfigError, type Problem } from "./problem.ts";
import { Settings } from "./settings.ts";
import type { SiteConfig } from "./site.ts";
import { DEFAULT_PORT, type HostLookup, topologyOf } from "./topology.ts";

export type ParsedSite = { readonly site: SiteConfig; readonly warnings: readonly Problem[] };

/**
 * Reads the text of a spread.conf. Throws a `ConfigError` whose message shows the place and what would be right, behind
 * the warnings until there. `lookup` is asked for the addresses of daemons that the text gives by name only; without it they are an error.
 */
export function parseSiteConfig(text: string, file = "spread.conf", lookup: HostLookup = () => []): ParsedSite {
  const warnings: Problem[] = [];
  try {
    return siteOf(text, file, lookup, warnings);
  } catch (error) {
    // What was odd before may be why something is wrong now: an address with a slip is taken as a name.
    if (!(error instanceof ConfigError) || warnings.length === 0) throw error;
    const rendered = [...warnings, error.problem].map((problem) => problem.rendered).join("\n");
    throw new ConfigError({ ...error.problem, rendered }, { cause: error });
  }
}

function siteOf(text: string, file: string, lookup: HostLookup, warnings: Problem[]): ParsedSite {
  const parsed = parseConfigFile({ name: file, text }, warnings);
  const settings = new Settings(parsed, warnings);
  const http = settings.http();
  const { segments, sites, links, daemons, family } = topologyOf(parsed, http?.port ?? 0, lookup, warnings);
  settings.checkDissemination(segments);
  settings.checkHttp(http, daemons);
  const dissemination = settings.text("Dissemination", "auto") as SiteConfig["dissemination"];
  const primaryPolicy = settings.primaryPolicy(daemons.length);
  const regions = settings.regions();
  const payloadBytesMax = settings.number("PayloadLimit", 16 * 1024 * 1024);
  const hashed = {
    segments: segments.map((segment) => ({
      port: segment.port,
      addresses: [segment.address, ...segment.moreAddresses],
      daemons: segment.daemons,
    })),
    excludeSegmentAddresses: settings.boolean("ExcludeSegAddrsFromHash", false),
    acceleratedExplicitly: settings.boolean("AcceleratedRing", false),
  };
  const wideAreaOrder = settings.wideAreaOrder(sites.length);
  const agreement = agreementHash({ segments, sites, links, wideAreaOrder, primaryPolicy, regions }, payloadBytesMax);
  const lineage = lineageOf(text, agreement);
  const site: SiteConfig = {
    segments,
    sites,
    links,
    wideAreaOrder,
    daemons,
    family,
    spreadHash: spreadConfigHash(hashed),
    hash: lineage.generation === 0 ? agreement : textHash(hashedLineage(lineage)),
    agreement,
    lineage,
    text,
    protocolVersion: settings.protocolVersion(),
    dissemination,
    ignoreMulticastJoinErrors: settings.boolean("IgnoreMulticastJoinErrors", false),
    hasOwnDatagramBytes: settings.number("DatagramBytes", 0) > 0,
    datagramBytes: settings.number("DatagramBytes", dissemination === "tcp" && sites.length === 1 ? 8_000 : 1_400),
    primaryPolicy,
    regions,
    timeouts: settings.timeouts(sites.length),
    window: settings.window(),
    sessions: settings.sessions(payloadBytesMax),
    authentication: settings.authentication(),
    dangerousMonitor: settings.boolean("DangerousMonitor", false),
    http,
    log: settings.log(),
    runtime: settings.runtime(),
  };
  settings.warnOfUnused();
  return { site, warnings };
}

/** One daemon on this host, reachable from this host only: what runs without a configuration file. A `RangeError` for a name that no daemon can have. */
export function localConfig(options: { name?: string; port?: number; httpPort?: number } = {}): SiteConfig {
  return loopbackConfig([options.name ?? "localhost"], options);
}

/**
 * Several daemons on this host that reach each other by loopback, at every tenth port from `port` on. A `RangeError` for a name that no daemon
 * can have.
 */
export function loopbackConfig(
  names: readonly string[],
  options: { port?: number; httpPort?: number } = {},
): SiteConfig {
  return parseSiteConfig(loopbackConfigText(names, options), "(local)").site;
}

/** The file that `loopbackConfig` stands for, to hand it to daemons in processes of their own. */
export function loopbackConfigText(
  names: readonly string[],
  { port = DEFAULT_PORT, httpPort = 0 }: { port?: number; httpPort?: number } = {},
): string {
  const unfit = names.find((name) => !isDaemonName(name));
  if (unfit !== undefined) {
    const rule = `1 to ${DAEMON_NAME_MAX} ASCII characters from $ to ~: letters, digits, - . _ and others, no blanks and no #`;
    throw new RangeError(`no daemon can be called ${JSON.stringify(unfit)}: a name has ${rule}`);
  }
  const daemons = names.map((name, i) => `  "${name}" 127.0.0.1:${port + 10 * i}\n`).join("");
  return `HttpPort = ${httpPort}\nDissemination = unicast\nSpread_Segment 127.0.0.255:${port} {\n${daemons}}\n`;
}

/**
 * The hash in our datagrams: who the daemons are and where, and what they would decide differently if it differed.
 * Timeouts, windows, rates of links and addresses of segments are left out, so that they can be changed daemon by daemon.
 */
function agreementHash(
  {
    segments,
    sites,
    links,
    wideAreaOrder,
    primaryPolicy: policy,
    regions: { dissemination, wasteLimit },
  }: Pick<SiteConfig, "segments" | "sites" | "links" | "wideAreaOrder" | "primaryPolicy" | "regions">,
  payloadBytesMax: number,
): number {
  let text = `amalgam 1\npayload ${payloadBytesMax}\nprimary ${policy.kind} ${policy.kind === "static" ? policy.size : ""}\n`;
  text += `regions ${dissemination} ${wasteLimit}\n`;
  for (const segment of segments) {
    text += "segment\n";
    if (sites.length > 1) text += `of ${segment.site}\n`;
    // Of who is known by a name all agree on that, wherever it leads now.
    for (const { name, id, address, host, port } of segment.daemons)
      text += `${name} ${id} ${host ?? address} ${port}\n`;
  }
  if (sites.length > 1) text += `order ${wideAreaOrder}\n`;
  for (const { name } of sites.length > 1 ? sites : []) text += `site ${name}\n`;
  for (const { ends, weight } of links) text += `link ${ends.join(" ")} ${weight}\n`;
  return textHash(text);
}
