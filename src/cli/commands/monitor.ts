import { setTimeout as sleep } from "node:timers/promises";
import { commonOptions, defineCommand } from "../command.ts";
import { ExitCode } from "../exit-codes.ts";
import { monitorView, type Observation } from "../monitor-view.ts";
import { observeSite, observeSiteByAny } from "../observe.ts";

/** The next picture does not wait longer for a daemon that is silent: what the others said would be old by then. */
const LIVE_TIMEOUT_MS = 1_000;

const CLEAR = "\x1b[H\x1b[J";
const ALTERNATE_SCREEN = "\x1b[?1049h\x1b[?25l";
const ORDINARY_SCREEN = "\x1b[?1049l\x1b[?25h";

export const monitor = defineCommand({
  name: "monitor",
  summary: "watch daemons and regions of nodes: configuration, rates, last changes and why",
  description: `Asks one daemon, learns of the others from it and asks them too. On a terminal the picture is redrawn
    in place; in a pipe there is one picture per interval.

    Columns: state looking means that the daemon serves, and looks for those that are absent; round is the time of a token's round; missing what the daemon itself still lacks; unstable what not all are
    known to have; asked/s the retransmissions it asks for; resent the packets it sent again since its start.

    Where there are scalable groups, regions follow, the largest first: round is that of the region's own token, known to its leader (quiet: there
    is nothing to do); pending what its nodes have not sent, or is not acknowledged; least/s what the slowest of them takes. Then all nodes by
    daemon, and those of note: late are who have not said that they have applied a change; away, who have no session now; behind counts
    packets that are missing or wait for such; takes/s is what it can take in. Rates are those of the nodes' last reports, once a second.`,
  positionals: [],
  options: {
    address: commonOptions.address,
    interval: {
      kind: "number",
      short: "i",
      value: "MS",
      min: 100,
      max: 3_600_000,
      otherwise: 1_000,
      help: "time between pictures",
    },
    all: { kind: "flag", help: "all regions and nodes, not only the largest and those of note" },
    once: { kind: "flag", help: "one picture, then end" },
    json: { kind: "flag", help: "statuses as JSON, one array per line" },
  },
  examples: [
    { line: "amalgam monitor", does: "live, until Ctrl-C" },
    { line: "amalgam monitor --once", does: "for a script or a bug report; with rates, it looks twice" },
    { line: "amalgam monitor --once --json | jq '.[].status.ring'", does: "everything that the daemons report" },
    { line: "amalgam monitor --once --json --all | jq '.[].status.regions.busiest'", does: "every node" },
  ],
  failure: "with --once: a daemon does not answer, or the daemons are split",
  async run(args, terminal) {
    const address = args.text("address") ?? "";
    const interval = args.number("interval") ?? 1_000;
    const json = args.flag("json");
    const whole = args.flag("all");
    const live = terminal.outputInteractive && !args.flag("once") && !json;
    let before: readonly Observation[] = [];
    if (args.flag("once")) {
      if (!json) {
        before = await observeSite(address, terminal.signal, { whole });
        await sleep(Math.min(interval, 1_000), undefined, { signal: terminal.signal });
      }
      const now = await observeSite(address, terminal.signal, { whole });
      const width = terminal.outputInteractive ? terminal.columns : undefined;
      terminal.print(json ? JSON.stringify(now) : monitorView(now, before, width, whole));
      return isWhole(now) ? ExitCode.ok : ExitCode.failed;
    }
    try {
      if (live) await terminal.write(ALTERNATE_SCREEN);
      while (!terminal.signal.aborted) {
        const now = await observed(address, before, whole, terminal.signal);
        if (json) {
          terminal.print(JSON.stringify(now));
        } else {
          const picture = monitorView(now, before, live ? terminal.columns : undefined, whole);
          await terminal.write(live ? `${CLEAR}${fitted(picture, terminal.columns, terminal.rows)}` : `${picture}\n\n`);
        }
        before = now;
        await sleep(interval, undefined, { signal: terminal.signal });
      }
    } catch (error) {
      if (!terminal.signal.aborted) throw error;
    } finally {
      if (live) await terminal.write(ORDINARY_SCREEN);
    }
    return ExitCode.ok;
  },
});

/**
 * The site as its daemons see it now; those that answered last time are asked first. That nobody answers ends the monitor only
 * at its beginning: later it shows it, until somebody does.
 */
async function observed(
  address: string,
  before: readonly Observation[],
  whole: boolean,
  signal: AbortSignal,
): Promise<readonly Observation[]> {
  if (before.length === 0) return observeSite(address, signal, { whole });
  const answering = before.filter(({ status }) => status !== undefined).map((observation) => observation.address);
  const others = before.map((observation) => observation.address);
  try {
    const addresses = [...new Set([...answering, address, ...others])];
    return await observeSiteByAny(addresses, signal, { timeoutMs: LIVE_TIMEOUT_MS, whole });
  } catch (error) {
    if (signal.aborted) throw error;
    return before.map(({ name, address }) => ({ name, address, status: undefined, problem: "no answer" }));
  }
}

function isWhole(now: readonly Observation[]): boolean {
  return now.every(({ status }) => status !== undefined && status.configuration.members.length === now.length);
}

/** What does not fit on the screen would scroll it. */
function fitted(picture: string, columns: number, rows: number): string {
  return picture
    .split("\n")
    .slice(0, rows - 1)
    .map((line) => line.slice(0, columns))
    .join("\r\n");
}
