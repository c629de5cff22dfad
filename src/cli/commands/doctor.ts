import { loadSiteConfig, localConfig } from "../../daemon/config/index.ts";
import { placeOf, type SiteConfig, usesMulticast } from "../../daemon/config/site.ts";
import { nodeSite } from "../../daemon/node-config.ts";
import { deviceOf, mtuOf } from "../../host/mtu.ts";
import { defineCommand } from "../command.ts";
import { type Finding, judgeDaemon, judgeMtu, judgeMulticast, judgeReceiveBuffer } from "../diagnosis.ts";
import { CliError, ExitCode } from "../exit-codes.ts";
import { wrapped } from "../format.ts";
import { hearsItself, isLocal, receiveBufferLimit } from "../host-probe.ts";
import { observe } from "../observe.ts";
import { firstAddress, judgeNodeMtu, judgeNodes, judgePool } from "../node-diagnosis.ts";
import { judgeSiteLinks } from "../link-diagnosis.ts";
import {
  judgeDatagrams,
  judgeDissemination,
  judgeLinks,
  judgeMembers,
  judgeSettings,
  judgeSize,
  judgeStreams,
  judgeVersions,
} from "../site-diagnosis.ts";
import type { Terminal } from "../terminal.ts";

export const doctor = defineCommand({
  name: "doctor",
  summary: "find out why daemons do not see each other, or are slow",
  description: `Checks this host (receive buffers, MTU, multicast) and the daemons of a configuration: whether each
    answers, has the same file and release, agrees about the time, sees all the others, got its receive buffer, and
    whether multicast and unicast pass between them, as they measure it. With several sites also the links between these: whether they
    are there, how long and how lossy they are, and whether the limits and times that each end has of its file fit. Where there are scalable groups, also whether their nodes can multicast
    from here, follow the changes of memberships, got their receive buffers, and come to their turns. Every problem comes with its remedy.

    Run it on each host of the site; it changes nothing.`,
  positionals: [],
  options: {
    config: {
      kind: "text",
      short: "c",
      value: "FILE",
      help: "the site's spread.conf; without it, one local daemon on port 4803",
    },
    json: { kind: "flag", help: "findings as JSON" },
  },
  examples: [
    { line: "amalgam doctor --config spread.conf", does: "before the first start, and whenever a member is missing" },
    {
      line: "amalgam doctor -c spread.conf --json | jq '.[] | select(.verdict != \"ok\")'",
      does: "only what is wrong",
    },
  ],
  failure: "there is a problem (warnings alone do not count)",
  async run(args, terminal) {
    const file = args.text("config");
    const site = file === undefined ? localConfig() : await readConfig(file, terminal);
    const findings = [
      judgeReceiveBuffer(await receiveBufferLimit()),
      ...(await examineHost(site)),
      ...(await examineDaemons(site, terminal)),
    ];
    if (args.flag("json")) terminal.print(JSON.stringify(findings, undefined, 2));
    else terminal.print(findings.map((finding) => shown(finding, terminal)).join("\n"));
    return findings.some((finding) => finding.verdict === "problem") ? ExitCode.failed : ExitCode.ok;
  },
});

async function readConfig(file: string, terminal: Terminal): Promise<SiteConfig> {
  const parsed = await loadSiteConfig(file).catch((error: unknown) => {
    if (error instanceof Error && "code" in error)
      throw new CliError(ExitCode.configuration, `${file}: ${error.message}`);
    throw error;
  });
  for (const warning of parsed.warnings) terminal.note(warning.rendered);
  return parsed.site;
}

async function examineHost(site: SiteConfig): Promise<Finding[]> {
  const findings: Finding[] = [];
  const devices = new Set<string>();
  for (const daemon of site.daemons) {
    const device = deviceOf(daemon.address);
    if (device === undefined || devices.has(device)) continue;
    devices.add(device);
    const mtu = await mtuOf(device);
    if (mtu !== undefined) findings.push(judgeMtu(site, daemon.address, device, mtu), ...judgeNodeMtu(device, mtu));
    const segment = site.segments[daemon.segment];
    if (segment?.multicast && usesMulticast(site.dissemination)) {
      const { heard, error } = await hearsItself(segment.address, daemon.address, site.family);
      findings.push(judgeMulticast(site, segment.address, heard, error));
    }
    const { pool } = nodeSite({ site, dissemination: () => "multicast" });
    if (pool !== undefined) {
      const first = firstAddress(pool);
      const { heard, error } = await hearsItself(first, daemon.address, site.family);
      findings.push(judgePool(first, pool.port, heard, error));
    }
  }
  if (site.daemons.every((daemon) => !isLocal(daemon.address))) {
    const message = "no daemon of this configuration has an address of this host";
    findings.push({
      check: "this host",
      verdict: "warning",
      message,
      remedy: "Run this on the hosts of the daemons too",
    });
  }
  return findings;
}

async function examineDaemons(site: SiteConfig, terminal: Terminal): Promise<Finding[]> {
  const asked = await Promise.all(
    site.daemons.map(async (daemon) => {
      const askedAtMs = Date.now();
      const observation = await observe(daemon.name, placeOf(daemon), terminal.signal);
      return { observation, findings: judgeDaemon(site, observation, askedAtMs, Date.now()) };
    }),
  );
  const statuses = asked.flatMap(({ observation: { status } }) => (status === undefined ? [] : [status]));
  return [
    ...asked.flatMap(({ findings }) => findings),
    ...judgeMembers(site, statuses),
    ...judgeVersions(statuses),
    ...judgeSettings(site, statuses),
    ...statuses.map(judgeDissemination),
    ...statuses.flatMap(judgeStreams),
    ...statuses.flatMap(judgeSize),
    ...statuses.map(judgeDatagrams),
    ...judgeLinks(statuses),
    ...judgeSiteLinks(site, statuses),
    ...judgeNodes(statuses),
  ];
}

function shown({ check, verdict, message, remedy }: Finding, terminal: Terminal): string {
  const mark = {
    ok: terminal.style("green", "ok      "),
    warning: terminal.style("yellow", "warning "),
    problem: terminal.style("red", "PROBLEM "),
  }[verdict];
  const line = `${mark} ${check}: ${message}`;
  return remedy === undefined ? line : `${line}\n${wrapped(remedy, 96, "         ")}`;
}
