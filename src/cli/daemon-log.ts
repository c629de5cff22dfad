import type { LogConfig, SiteConfig } from "../daemon/config/site.ts";
import { daemonWithId, hasAddress } from "../daemon/config/site.ts";
import { describeRegionsChange } from "../daemon/regions-status.ts";
import { describeChange } from "../daemon/status.ts";
import type { NodeEvent } from "../daemon/index.ts";
import { RepeatFilter } from "../daemon/repeat-filter.ts";
import { printable, type Terminal } from "./terminal.ts";

export type LogLevel = LogConfig["level"];

export const LOG_LEVELS = [
  "debug",
  "info",
  "warning",
  "error",
  "critical",
  "fatal",
] as const satisfies readonly LogLevel[];

/** One entry of a daemon's log. */
export type LogEntry = {
  readonly level: LogLevel;
  /** Stable, to filter by. */
  readonly event: string;
  /** For people. */
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
};

const RELOAD_WORDS = {
  proposed: "proposed",
  dropped: "not put in force",
  inForce: "in force",
  removed: "in force, and this daemon ends",
  learned: "in force",
} as const;

/** The same warning is not written again within this time: clients that are refused try again and again. */
const REPEAT_MS = 10_000;

/** Writes a daemon's log as JSON lines or for people, from a level on. */
export class DaemonLog {
  readonly #write: (line: string) => void;
  readonly #json: boolean;
  readonly #rank: number;
  readonly #style: Terminal["style"];
  readonly #repeats = new RepeatFilter(REPEAT_MS);

  constructor(options: { write: (line: string) => void; json: boolean; level: LogLevel; style: Terminal["style"] }) {
    this.#write = options.write;
    this.#json = options.json;
    this.#rank = LOG_LEVELS.indexOf(options.level);
    this.#style = options.style;
  }

  /** `atMs`: the time of day, in ms since 1970. */
  add(entry: LogEntry, atMs: number): void {
    if (LOG_LEVELS.indexOf(entry.level) < this.#rank) return;
    const repeated = entry.level === "warning" ? this.#repeats.admit(`${entry.event} ${entry.message}`, atMs) : 0;
    if (repeated === undefined) return;
    const shown = repeated === 0 ? entry : { ...entry, message: `${entry.message} (and ${repeated} times more)` };
    this.#write(this.#json ? jsonLine(shown, atMs) : prettyLine(shown, atMs, this.#style));
  }
}

function jsonLine({ level, event, message, fields }: LogEntry, atMs: number): string {
  return JSON.stringify({ time: new Date(atMs).toISOString(), level, event, message, ...fields });
}

function prettyLine({ level, message }: LogEntry, atMs: number, style: Terminal["style"]): string {
  const colour = level === "debug" ? "dim" : level === "info" ? "green" : level === "warning" ? "yellow" : "red";
  return `${new Date(atMs).toISOString().slice(11, 23)} ${style(colour, level.padEnd(7))} ${printable(message)}`;
}

/** What of a daemon's events belongs in its log. */
export function logEntryOf(event: NodeEvent, site: SiteConfig): LogEntry | undefined {
  const nameOf = (id: number) => daemonWithId(site, id)?.name ?? String(id);
  switch (event.kind) {
    case "configuration": {
      const { change } = event;
      const all = change.members.length === site.daemons.length;
      const message = `configuration of ${change.members.length} of ${site.daemons.length} daemons: ${change.members.join(" ")} (${describeChange(change)})`;
      return { level: change.primary && all ? "info" : "warning", event: "configuration", message, fields: { change } };
    }
    case "regions": {
      const { change } = event;
      const hasFailures = change.kind === "batch" && change.failed.count > 0;
      const message = `nodes: ${describeRegionsChange(change)}`;
      return { level: hasFailures ? "info" : "debug", event: "regions", message, fields: { change } };
    }
    case "membership":
      return membershipEntry(event, nameOf);
    case "monitor": {
      const { request, message } = event;
      return { level: request === "ignored" ? "warning" : "info", event: `monitor.${request}`, message, fields: {} };
    }
    case "network": {
      const { what, daemon, message } = event.event;
      const isTrouble = what === "refused" || what === "disagreement";
      return { level: isTrouble ? "warning" : "info", event: `stream.${what}`, message, fields: { daemon } };
    }
    case "session":
      return sessionEntry(event.event);
    case "moved": {
      const { kind, daemon, host, from, to, isSelf } = event;
      const was = hasAddress({ address: from }) ? `was ${from} and ` : "";
      const then = isSelf ? "start this daemon again, so that it listens there" : "datagrams go there from now on";
      const message = `${host}, where ${daemon} is, ${was}is ${to}: ${then}`;
      return { level: isSelf ? "warning" : "info", event: kind, message, fields: { daemon, host, from, to } };
    }
    case "reload": {
      const { what, generation, why } = event.event;
      const about = `configuration ${generation}: ${RELOAD_WORDS[what]}${why === "" ? "" : `: ${why}`}`;
      const level = what === "dropped" || what === "removed" ? "warning" : "info";
      return { level, event: `reload.${what}`, message: about, fields: { generation, why } };
    }
    case "trouble": {
      const { kind, about, message } = event;
      return { level: "warning", event: `${kind}.${about}`, message, fields: {} };
    }
    case "left":
      return { level: "info", event: "left", message: "left the configuration", fields: {} };
  }
}

function membershipEntry(
  { event, repeated }: Extract<NodeEvent, { kind: "membership" }>,
  nameOf: (id: number) => string,
): LogEntry | undefined {
  const again = repeated === 0 ? "" : ` (${repeated} more datagrams since this was said last)`;
  switch (event.kind) {
    case "state":
      return {
        level: "debug",
        event: "state",
        message: `membership: ${event.from} to ${event.to}`,
        fields: { from: event.from, to: event.to },
      };
    case "version": {
      const daemon = nameOf(event.daemon);
      const message = `${daemon} sends datagrams of version ${event.version}, which this daemon does not speak: upgrade the older of the two, or set Protocol in the newer${again}`;
      return { level: "warning", event: "version", message, fields: { daemon, version: event.version, repeated } };
    }
    case "configMismatch": {
      const daemon = nameOf(event.daemon);
      const message = `${daemon} runs with another configuration file, and is ignored: give both the same file and restart the one that differs; amalgam doctor shows the difference${again}`;
      return { level: "warning", event: "configMismatch", message, fields: { daemon, hash: event.hash, repeated } };
    }
    // Told as events of the daemon itself.
    case "configuration":
    case "left":
      return undefined;
  }
}

function sessionEntry(event: Extract<NodeEvent, { kind: "session" }>["event"]): LogEntry {
  const { kind, ...fields } = event;
  const entry = (level: LogLevel, message: string): LogEntry => ({ level, event: `session.${kind}`, message, fields });
  switch (event.kind) {
    case "rejected":
      return entry("warning", `a client at ${event.from} was refused: ${event.why}`);
    case "timedOut":
      return entry("warning", `a client at ${event.from} connected and did not finish its handshake in time`);
    case "accepted":
      return entry("debug", `${event.privateGroup} connected from ${event.from} (${event.protocol})`);
    case "resumed":
      return entry("debug", `${event.privateGroup} came back from ${event.from}`);
    case "detached":
      return entry("debug", `${event.privateGroup} lost its connection and may come back`);
    case "ending": {
      const expected = event.reason === "kill" || event.reason === "eof";
      return entry(expected ? "debug" : "warning", `${event.privateGroup} ended: ${event.why}`);
    }
  }
}
