import { readFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { adminPlaces } from "../../daemon/admin.ts";
import { couldDecideTwice, type Difference, differenceOf } from "../../daemon/config/difference.ts";
import { resolveSiteConfig } from "../../daemon/config/index.ts";
import { withoutLineage } from "../../daemon/config/lineage.ts";
import type { SiteConfig } from "../../daemon/config/site.ts";
import type { Arguments } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { CliError, ExitCode } from "../exit-codes.ts";
import { isLocal } from "../host-probe.ts";

/** A daemon waits this long for the others. */
const PATIENCE_MS = 60_000;

export const reload = defineCommand({
  name: "reload",
  summary: "put another configuration file in force while daemons run",
  description: `Reads a file, shows what it changes, and has a daemon of this host put it in force at all daemons at once, without a restart:
    daemons and sites come and go, and links between sites and the rule of who is primary may change. All daemons write it to the files that they were started with. Either
    all have the new one afterwards or none; who is away is given it when it comes back. What each daemon
    reads at its start only, such as timeouts and limits, counts when it is started again.

    Only the user that a daemon runs as, and root, may do that: it listens for it at a Unix socket that is closed to others.`,
  positionals: [],
  options: {
    config: { kind: "text", short: "c", value: "FILE", help: "the new configuration" },
    name: {
      kind: "text",
      short: "n",
      value: "NAME",
      help: "which daemon of this host to ask, by its name in the file",
    },
    socket: { kind: "text", value: "PATH", help: "ask the daemon that listens there, such as /tmp/4803.admin/socket" },
    check: { kind: "flag", help: "show what the file would change, and end" },
  },
  examples: [
    { line: "amalgam reload -c new.conf --check", does: "what would happen" },
    { line: "amalgam reload -c new.conf", does: "makes it happen" },
  ],
  failure: "a daemon could not take the file, or it changes what cannot be changed while daemons run",
  async run(args, terminal) {
    const file = args.text("config");
    if (file === undefined) throw new CliError(ExitCode.usage, "say which file: --config FILE");
    const text = withoutLineage(await readText(file));
    const { site: fresh, warnings } = await resolveSiteConfig(text, file);
    for (const warning of warnings) terminal.note(warning.rendered);
    const socket = await socketOf(args, fresh);
    const { site: old } = await resolveSiteConfig(await ask(socket, "GET", "/configuration"), "the file in force");
    const difference = differenceOf(old, fresh);
    for (const line of shown(difference)) terminal.print(line);
    const { added, refused, later } = difference;
    if (refused.length > 0) {
      const why =
        "that cannot be changed while daemons run: stop all of them, give them the file, and start them again";
      throw new CliError(ExitCode.failed, `${refused.join("; ")}: ${why}`);
    }
    if (args.flag("check")) return ExitCode.ok;
    await ask(socket, "POST", "/reload", text);
    terminal.print(`in force at all daemons of the configuration, and written to their files`);
    if (added.length > 0) {
      const names = added.map(({ name }) => name).join(", ");
      terminal.print(`now start ${names}, each with a copy of the file as it is on this host now`);
    }
    if (couldDecideTwice(old, fresh)) {
      terminal.print(
        "until a configuration of the new daemons is primary, a majority of the old ones is needed as well",
      );
    }
    if (later.length > 0) terminal.print("daemons take over the rest when they are started again");
    return ExitCode.ok;
  },
});

function shown({ added, removed, together, later, refused }: Difference): string[] {
  const place = (address: string, port: number): string =>
    address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
  const lines = [
    ...added.map(({ name, host, address, port }) => `adds     ${name} at ${place(host ?? address, port)}`),
    ...removed.map(({ name, host, address, port }) => `removes  ${name} at ${place(host ?? address, port)}`),
    ...together.map((what) => `changes  ${what}`),
    ...later.map((what) => `later    ${what}: when each daemon is started again`),
    ...refused.map((what) => `not so   ${what}`),
  ];
  return lines.length > 0 ? lines : ["changes nothing but the text of the file"];
}

/** Of a daemon of this host that answers. */
async function socketOf(args: Arguments, site: SiteConfig): Promise<string> {
  const given = args.text("socket");
  if (given !== undefined) return given;
  const name = args.text("name");
  const candidates = site.daemons.filter((daemon) =>
    name === undefined ? isLocal(daemon.address) : daemon.name === name,
  );
  if (candidates.length === 0) {
    const who =
      name === undefined ? "no daemon of the file has an address of this host" : `the file has no daemon ${name}`;
    throw new CliError(ExitCode.configuration, `${who}: ask one with --socket, or run this on the host of one`);
  }
  for (const { port } of candidates) {
    const { socket } = adminPlaces(site.sessions.unixDirectory, port);
    const answers = await ask(socket, "GET", "/configuration").then(
      () => true,
      () => false,
    );
    if (answers) return socket;
  }
  const places = candidates.map(({ port }) => adminPlaces(site.sessions.unixDirectory, port).socket).join(", ");
  throw new CliError(
    ExitCode.unreachable,
    `no daemon of this host answers you at ${places}: does it run, as your user?`,
  );
}

function ask(socketPath: string, method: "GET" | "POST", path: string, body = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest({ socketPath, method, path, timeout: PATIENCE_MS }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => {
        if (response.statusCode === 200) resolve(text);
        else reject(new CliError(ExitCode.failed, text.trim()));
      });
      response.on("error", reject);
    });
    asked.on("timeout", () => asked.destroy(new Error(`no answer for ${PATIENCE_MS / 1_000} s`)));
    asked.on("error", (error) => {
      reject(new CliError(ExitCode.unreachable, `${socketPath}: ${error.message}`, { cause: error }));
    });
    asked.end(body);
  });
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(ExitCode.configuration, `${file} cannot be read: ${why}`, { cause: error });
  }
}
