import { hostname } from "node:os";
import { join } from "node:path";
import { adminPlaces } from "../../daemon/admin.ts";
import { loadSiteConfig, localConfig } from "../../daemon/config/index.ts";
import {
  chooseDaemon,
  hasAddress,
  type DaemonConfig,
  shownPolicy,
  type SiteConfig,
  withHttpPort,
} from "../../daemon/config/site.ts";
import { describedLengths } from "../../daemon/datagram-size.ts";
import { type Daemon, startDaemon } from "../../daemon/index.ts";
import { keepFreedMemory } from "../../host/freed-memory.ts";
import { growHeap } from "../../host/heap-growth.ts";
import { scavengeAlone } from "../../host/scavenges.ts";
import type { Arguments } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { DaemonLog, LOG_LEVELS, type LogLevel, logEntryOf } from "../daemon-log.ts";
import { CliError, ExitCode, usageError } from "../exit-codes.ts";
import { table } from "../format.ts";
import { isLocal } from "../host-probe.ts";
import { LogFile } from "../log-file.ts";
import { become, identityOf, makeDirectoryFor } from "../privileges.ts";
import type { Terminal } from "../terminal.ts";

export const daemon = defineCommand({
  name: "daemon",
  summary: "run a daemon",
  description: `Without options: one daemon for this machine, at 127.0.0.1 port 4803 and the Unix socket /tmp/4803. With
    --config: a daemon of a site, in the syntax of Spread's spread.conf and our extensions (docs/configuration.md).
    The same file goes to every host; which of its daemons this is follows from the host's address, or from --name.

    Ctrl-C or SIGTERM: it leaves gracefully, so that the others go on at once. The log goes to the standard error or to
    EventLogFile, for people on a terminal and as JSON lines elsewhere.`,
  positionals: [],
  options: {
    config: { kind: "text", short: "c", value: "FILE", help: "the site's configuration" },
    name: {
      kind: "text",
      short: "n",
      value: "NAME",
      help: "which daemon of the configuration to run; without one, how to call the local daemon",
    },
    port: {
      kind: "number",
      short: "p",
      value: "PORT",
      min: 1,
      max: 65_534,
      otherwise: 4803,
      help: "port of the local daemon; the next one is used too",
    },
    http: {
      kind: "number",
      value: "PORT",
      min: 0,
      max: 65_535,
      help: "serve /metrics /healthz /readyz /status there; 0 for none",
    },
    log: { kind: "choice", choices: ["auto", "json", "pretty"], otherwise: "auto", help: "form of the log" },
    level: {
      kind: "choice",
      choices: LOG_LEVELS,
      otherwise: "info",
      help: "least level that is logged; EventPriority if not given",
    },
    "state-dir": {
      kind: "text",
      value: "DIR",
      help: "where to remember how often it started; makes restarts safe while clocks are set back",
    },
    "no-unix": { kind: "flag", help: "no Unix socket" },
    check: { kind: "flag", help: "check the configuration, show what it means, and end" },
  },
  examples: [
    { line: "amalgam daemon", does: "for this machine; amalgam chat connects to it" },
    { line: "amalgam daemon --config spread.conf", does: "this host's daemon of a site" },
    { line: "amalgam daemon -c spread.conf --name node2 --http 9803", does: "a certain one, with metrics" },
    { line: "amalgam daemon -c spread.conf --check", does: "before giving the file to all hosts" },
  ],
  failure: "it could not start, or failed while it ran",
  async run(args, terminal) {
    const file = args.text("config");
    const { site: configured, self: named } = await chosen(args, terminal);
    const http = args.number("http");
    const site = http === undefined ? configured : withHttpPort(configured, named.name, http);
    const self = site.daemons.find((daemon) => daemon.name === named.name) ?? named;
    if (args.flag("check")) {
      terminal.print(described(site));
      return ExitCode.ok;
    }

    const logFile = site.log.file?.replaceAll(/%[hH]/g, hostname());
    await using output = await openLog(logFile, site, terminal);
    // Before it joins the others: what cannot be is not tried again and again in their configuration.
    const identity = identityOf(site.runtime);
    const log = new DaemonLog({
      write: output.write,
      json: args.text("log") === "json" || (args.text("log") === "auto" && !output.forPeople),
      level: args.has("level") ? (args.text("level") as LogLevel) : site.log.level,
      style: (format, text) => (output.forPeople ? terminal.style(format, text) : text),
    });
    const stateDirectory = args.text("state-dir");
    if (typeof identity === "object" && stateDirectory !== undefined) makeDirectoryFor(identity, stateDirectory);
    growHeap();
    scavengeAlone();
    keepFreedMemory();
    let inForce = site;
    const running = await startDaemon({
      config: site,
      name: self.name,
      ...(file === undefined ? {} : { file }),
      thread: false,
      ownProcess: true,
      unixSocket: !args.flag("no-unix") && process.platform !== "win32",
      ...(stateDirectory === undefined ? {} : { stateDirectory }),
      onEvent: (event) => {
        if (event.kind === "reload") inForce = event.event.site ?? inForce;
        const entry = logEntryOf(event, inForce);
        if (entry !== undefined) log.add(entry, Date.now());
      },
    }).catch((error: unknown) => {
      throw startFailure(error, self, file);
    });
    const socket = join(site.sessions.unixDirectory, String(self.port));
    const admin = adminPlaces(site.sessions.unixDirectory, self.port);
    if (typeof identity === "object") {
      const owned = [socket, admin.folder, admin.socket, ...(logFile === undefined ? [] : [logFile])];
      await orStop(running, () => become(identity, owned));
    }
    const note = (event: string, message: string, fields = {}) =>
      log.add({ level: "info", event, message, fields }, Date.now());
    const where = file === undefined ? "" : ` of ${file}`;
    const endpoints =
      running.httpPort === undefined ? "" : `, http://${urlHost(site.http?.address ?? "")}:${running.httpPort}/status`;
    note("started", `daemon ${self.name}${where} serves clients at ${running.address}${endpoints}`, {
      name: self.name,
      address: running.address,
      httpPort: running.httpPort,
    });
    const { datagrams } = (await running.status()).site;
    note("datagrams", `datagrams take the path ${datagrams.path}: ${datagrams.because}`, datagrams);
    if (identity !== undefined) note("user", typeof identity === "string" ? identity : `runs as ${identity.text} now`);
    await ended(running, terminal.signal, () => note("stopping", "leaving"));
    return ExitCode.ok;
  },
});

async function chosen(args: Arguments, terminal: Terminal): Promise<{ site: SiteConfig; self: DaemonConfig }> {
  const file = args.text("config");
  const name = args.text("name");
  if (file !== undefined && args.has("port"))
    throw usageError("--port is for a daemon without --config: the file says the ports");
  if (file === undefined) {
    const port = args.number("port") ?? 4803;
    const site = localSite(name, port);
    return { site, self: site.daemons[0] as DaemonConfig };
  }
  const { site, warnings } = await loadSiteConfig(file).catch((error: unknown) => {
    if (error instanceof Error && "code" in error)
      throw new CliError(ExitCode.configuration, `${file} cannot be read: ${error.message}`);
    throw error;
  });
  for (const warning of warnings) terminal.note(warning.rendered);
  const self = chooseDaemon(site, name, isLocal);
  if (typeof self !== "string") return { site, self };
  // What a file means can be checked on any host.
  if (args.flag("check") && name === undefined) return { site, self: site.daemons[0] as DaemonConfig };
  throw new CliError(ExitCode.configuration, `${self}; choose one with --name`);
}

function localSite(name: string | undefined, port: number): SiteConfig {
  try {
    return localConfig(name === undefined ? { port } : { name, port });
  } catch (error) {
    throw error instanceof RangeError ? usageError(`--name: ${error.message}`) : error;
  }
}

function described(site: SiteConfig): string {
  const isWide = site.sites.length > 1;
  const rows = site.daemons.map(({ name, id, address, host, port, segment, site: at, httpPort }) => [
    name,
    String(id),
    `${host === undefined ? "" : `${host} = `}${hasAddress({ address }) ? address : "?"}:${port}`,
    site.segments[segment]?.address ?? "",
    ...(isWide ? [site.sites[at]?.name ?? ""] : []),
    httpPort === undefined ? "-" : String(httpPort),
  ]);
  const { timeouts } = site;
  const outage = timeouts.tokenMs + timeouts.segMs + timeouts.gatherMs + timeouts.formMs;
  const head = ["daemon", "id", "address", "segment", ...(isWide ? ["site"] : []), "http"];
  return `${table([head, ...rows])}
${isWide ? `\n${describedLinks(site)}\n` : ""}
dissemination ${site.dissemination}, datagrams of ${describedLengths(site)}, messages up to ${site.sessions.payloadBytesMax} bytes
primary: ${shownPolicy(site.primaryPolicy)}; a daemon that dies is noticed and replaced within ${outage} ms
hash ${site.hash}, Spread's hash ${site.spreadHash}`;
}

function describedLinks({ sites, links }: SiteConfig): string {
  const kilobits = (bytes: number): string => `${bytes / 125} kbit/s`;
  const rows = links.map(({ ends, weight, rateMax, rateStart, silenceMs }) => [
    ends.map((end) => sites[end]?.name).join(" - "),
    String(weight),
    rateMax === undefined ? "what the link takes" : kilobits(rateMax),
    kilobits(rateStart),
    `${silenceMs} ms`,
  ]);
  return table([["link", "weight", "limit", "begins with", "broken after"], ...rows]);
}

/** An address as it stands in a URL. */
function urlHost(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}

/** What a started daemon cannot do without; it leaves and ends if that fails. */
async function orStop(running: Daemon, step: () => void): Promise<void> {
  try {
    step();
  } catch (error) {
    await running.stop();
    throw error;
  }
}

type LogOutput = AsyncDisposable & { readonly write: (line: string) => void; readonly forPeople: boolean };

async function openLog(file: string | undefined, site: SiteConfig, terminal: Terminal): Promise<LogOutput> {
  if (site.log.flags.length === 0) return { write: () => {}, forPeople: false, [Symbol.asyncDispose]: async () => {} };
  if (file === undefined) {
    return {
      write: (line) => terminal.note(line),
      forPeople: terminal.interactive,
      [Symbol.asyncDispose]: async () => {},
    };
  }
  const log = await LogFile.open(file, (line) => terminal.note(line)).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(ExitCode.configuration, `EventLogFile cannot be written: ${why}`, { cause: error });
  });
  return {
    write: (line) => log.write(line),
    forPeople: false,
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
}

/** Until the daemon ends by itself, or has left because the signal asked for it. */
async function ended(running: Daemon, signal: AbortSignal, onStop: () => void): Promise<void> {
  let stopping: Promise<void> | undefined;
  const stop = () => {
    onStop();
    stopping = running.stop();
  };
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  await running.closed;
  await stopping;
}

function startFailure(error: unknown, self: DaemonConfig, file: string | undefined): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  const place = `${self.address} port ${self.port} or ${self.port + 1}`;
  switch (error.code) {
    case "FILE":
      return new CliError(ExitCode.configuration, error.message, { cause: error });
    case "EADDRINUSE":
      return new CliError(ExitCode.failed, takenText(error, place, self, file), { cause: error });
    case "EADDRNOTAVAIL":
      return new CliError(
        ExitCode.failed,
        `${self.address} is no address of this host (${error.message}): run ${self.name} on its own host, or choose another with --name`,
        { cause: error },
      );
    case "EACCES":
      return new CliError(
        ExitCode.failed,
        `${place} may not be used (${error.message}): ports below 1024 need privileges`,
        { cause: error },
      );
    default:
      return error;
  }
}

/** What of a daemon's ports and sockets somebody else has, and what to do about it. */
function takenText(error: Error, place: string, self: DaemonConfig, file: string | undefined): string {
  const { message } = error;
  if ("path" in error && typeof error.path === "string")
    return `the Unix socket ${message}: give each daemon of a host a port of its own, or start this one with --no-unix`;
  if ("port" in error && error.port === self.httpPort)
    return `HTTP port ${self.httpPort} is taken (${message}): choose another with --http, or 0 for none`;
  const other =
    file === undefined
      ? `Another local one: --port ${self.port + 10}`
      : `If not, give ${self.name} another port in ${file}`;
  return `${place} is taken (${message}): is a daemon running already? ${other}`;
}
