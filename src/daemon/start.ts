import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { type AccessRules, parseAccessRules } from "../session/access.ts";
import type { ConnectOptions } from "../client/config.ts";
import { connect } from "../client/connect.ts";
import { revivedError } from "./carried-error.ts";
import { Connection } from "../client/connection.ts";
import { DEFAULT_PORT, loadSiteConfig, localConfig, type SiteConfig } from "./config/index.ts";
import { hasAddress } from "./config/site.ts";
import { DaemonError } from "./error.ts";
import { type DatagramPath, wantedDatagrams } from "../host/datagrams.ts";
import { withLargeHeap } from "../host/heap-growth.ts";
import { type DisseminationSetting, SETTINGS } from "../wire/stream-hello.ts";
import { localTransport } from "./local-transport.ts";
import type { NodeEvent } from "./node.ts";
import { runDaemon, type RunOptions } from "./run.ts";
import type { DaemonStatus } from "./status.ts";
import type { FromWorker, ToWorker } from "./worker.ts";

export type DaemonOptions = {
  /** The site: a configuration, or the path of a spread.conf. Without one: a single daemon on this host. */
  readonly config?: SiteConfig | string;
  /** Where a configuration that is given as such was read from: a `reload` writes there. By default the path in `config`. */
  readonly file?: string;
  /** Which of the site's daemons this is; may be left out where the site has one. */
  readonly name?: string;
  /**
   * Where datagrams for daemons of these names go instead of to the places that the file has for them: ports that are forwarded, tunnels,
   * emulated links. Membership and tokens go to `port + 1`.
   */
  readonly via?: Readonly<Record<string, { readonly address: string; readonly port: number }>>;
  /** Port of the single daemon, and the next one, 1 to 65534; 4803 by default. */
  readonly port?: number;
  /** Whether the daemon runs in a thread of its own (the default), so that a busy application cannot delay it. */
  readonly thread?: boolean;
  /** Whether to listen at a Unix socket too. By default yes, where the platform has them. */
  readonly unixSocket?: boolean;
  /** Where to remember how often the daemon has started: makes restarts within a second and clocks set back safe. */
  readonly stateDirectory?: string;
  /**
   * How datagrams pass between the daemon and its kernel: `offload` hands over many in one call (Linux, with the optional package
   * koffi), `auto` tries that. By default what AMALGAM_DATAGRAMS says, or `auto`.
   */
  readonly datagrams?: DatagramPath | "auto";
  /** How packets reach the other daemons of the site (docs/configuration.md); by default what the configuration says. */
  readonly dissemination?: DisseminationSetting;
  /** The daemon has a process of its own: its status names the pid. */
  readonly ownProcess?: boolean;
  /** Told of configurations, sessions and faults. Without it, what needs somebody's attention (`trouble`) is a warning of the process. */
  readonly onEvent?: (event: NodeEvent) => void;
};

/** A running daemon. */
export type Daemon = AsyncDisposable & {
  readonly name: string;
  /** Where clients connect, as `port@host`. */
  readonly address: string;
  readonly port: number;
  readonly httpPort: number | undefined;
  /**
   * Connects a client to this daemon, as the package's `connect` does. In the same thread (`thread: false`) nothing passes through a socket,
   * and messages are not copied on the way; a daemon with a thread of its own is reached at its address. If the connection is lost the client comes
   * back, to this daemon or another one of the site, over sockets where need be. Close connections before the daemon is stopped.
   */
  connect(options?: ConnectOptions): Promise<Connection>;
  /** Rejects when the daemon has ended. */
  status(): Promise<DaemonStatus>;
  /**
   * Puts the text of another configuration file in force, at all daemons of the site at once: they write it to their files. Resolves with why it
   * was not, or undefined. Rejects for a text that is wrong in itself.
   */
  reload(text: string): Promise<string | undefined>;
  /** Leaves its configuration, so that the others go on at once, and ends. */
  stop(): Promise<void>;
  /** Ends at once, as a crash would: the others notice by its silence. */
  abort(): Promise<void>;
  /** Settles when the daemon has ended: rejects if it failed. */
  readonly closed: Promise<void>;
};

/**
 * Starts a daemon in this process. Rejects with what is wrong: a `ConfigError`, a port that is taken, a multicast group
 * that cannot be joined.
 */
export async function startDaemon(options: DaemonOptions = {}): Promise<Daemon> {
  const run = await runOptions(options);
  const self = run.site.daemons.find(({ name }) => name === run.name);
  const address = `${self?.port ?? DEFAULT_PORT}@${self?.address ?? "127.0.0.1"}`;
  const port = self?.port ?? DEFAULT_PORT;
  const onEvent = options.onEvent ?? troubleOnly;
  return options.thread === false
    ? inThisThread(run, { name: run.name, address, port }, onEvent)
    : inWorker(run, { name: run.name, address, port }, onEvent);
}

/** For who looks at no events: what somebody has to do something about is a warning of the process. */
function troubleOnly(event: NodeEvent): void {
  if (event.kind === "trouble") process.emitWarning(event.message, { type: "AmalgamWarning" });
}

/** Of the build: Node starts no thread from TypeScript. Whoever runs the sources sets `thread: false`. */
const WORKER = new URL("./worker.js", import.meta.url);

type Identity = Pick<Daemon, "name" | "address" | "port">;

async function inThisThread(
  options: RunOptions,
  identity: Identity,
  onEvent: (event: NodeEvent) => void,
): Promise<Daemon> {
  const daemon = await runDaemon(options, onEvent);
  const stop = (): Promise<void> => daemon.stop();
  let hasEnded = false;
  void daemon.ended.then(() => {
    hasEnded = true;
  });
  const running = (): typeof daemon => {
    if (hasEnded) throw endedError();
    return daemon;
  };
  return {
    ...identity,
    httpPort: daemon.httpPort,
    connect: (client) => Connection.open(localTransport(daemon, identity.address), identity.address, client),
    status: async () => running().status(),
    reload: async (text) => running().reload(text),
    stop,
    abort: () => daemon.close(),
    closed: daemon.ended,
    [Symbol.asyncDispose]: stop,
  };
}

async function inWorker(options: RunOptions, identity: Identity, onEvent: (event: NodeEvent) => void): Promise<Daemon> {
  // Without the application's own flags: some, such as --input-type, a thread does not start with.
  const worker = withLargeHeap(() => new Worker(WORKER, { workerData: options, name: identity.name, execArgv: [] }));
  const started = settled<number | undefined>();
  const ended = settled();
  const waiting = new Map<number, (status: DaemonStatus | Error) => void>();
  const reloading = new Map<number, (answer: { why: string | undefined } | Error) => void>();
  let lastId = 0;
  let hasStopped = false;
  let hasEnded = false;

  const fail = (error: Error): void => {
    started.reject(error);
    ended.reject(error);
  };
  worker.on("message", (message: FromWorker) => {
    switch (message.kind) {
      case "started":
        started.resolve(message.httpPort);
        break;
      case "failed":
        fail(revivedError(message.error));
        break;
      case "status":
        waiting.get(message.id)?.(message.status);
        waiting.delete(message.id);
        break;
      case "reloaded":
        reloading.get(message.id)?.("kind" in message.answer ? revivedError(message.answer) : message.answer);
        reloading.delete(message.id);
        break;
      case "event":
        onEvent(message.event);
        break;
      case "stopped":
        hasStopped = true;
        break;
    }
  });
  worker.on("error", fail);
  worker.on("exit", (code) => {
    hasEnded = true;
    if (hasStopped) ended.resolve();
    else fail(new Error(`the daemon's thread ended with code ${code}`));
    for (const answer of waiting.values()) answer(endedError());
    waiting.clear();
    for (const answer of reloading.values()) answer(endedError());
    reloading.clear();
  });
  const httpPort = await started.promise;
  const tell = (message: ToWorker): void => worker.postMessage(message);
  const end = (kind: "stop" | "abort") => async (): Promise<void> => {
    tell({ kind });
    await ended.promise;
  };
  return {
    ...identity,
    httpPort,
    connect: (client) => connect(identity.address, client),
    status: () =>
      new Promise((resolve, reject) => {
        // A thread that is gone answers no more.
        if (hasEnded) throw endedError();
        const id = ++lastId;
        waiting.set(id, (status) => (status instanceof Error ? reject(status) : resolve(status)));
        tell({ kind: "status", id });
      }),
    reload: (text) =>
      new Promise((resolve, reject) => {
        if (hasEnded) throw endedError();
        const id = ++lastId;
        reloading.set(id, (answer) => (answer instanceof Error ? reject(answer) : resolve(answer.why)));
        tell({ kind: "reload", id, text });
      }),
    stop: end("stop"),
    abort: end("abort"),
    closed: ended.promise,
    [Symbol.asyncDispose]: end("stop"),
  };
}

async function runOptions(options: DaemonOptions): Promise<RunOptions> {
  const { config, name, port } = options;
  let site: SiteConfig;
  if (config === undefined) {
    if (port !== undefined && !(Number.isInteger(port) && port >= 1 && port <= 65_534)) {
      throw new RangeError(`port is a whole number from 1 to 65534, not ${port}`);
    }
    site = localConfig({ ...(name === undefined ? {} : { name }), ...(port === undefined ? {} : { port }) });
  } else {
    site = typeof config === "string" ? (await loadSiteConfig(config)).site : config;
  }
  const only = site.daemons.length === 1 ? site.daemons[0]?.name : undefined;
  const chosen = name ?? only;
  if (chosen === undefined || !site.daemons.some((daemon) => daemon.name === chosen)) {
    const names = site.daemons.map((daemon) => daemon.name).join(", ");
    const what = chosen === undefined ? "say which daemon to start" : `there is no daemon ${JSON.stringify(chosen)}`;
    throw new RangeError(`${what}: the configuration has ${names}`);
  }
  const self = site.daemons.find((daemon) => daemon.name === chosen);
  if (self !== undefined && !hasAddress(self)) {
    throw new RangeError(`the name ${self.host}, where ${chosen} is to run, leads nowhere now`);
  }
  return {
    site: { ...site, dissemination: disseminationOf(options, site) },
    name: chosen,
    stateDirectory: options.stateDirectory,
    file: options.file ?? (typeof config === "string" ? config : undefined),
    via: options.via ?? {},
    unixSocket: options.unixSocket ?? process.platform !== "win32",
    access: accessRules(site),
    datagrams: datagramsOf(options),
    ownProcess: options.ownProcess ?? false,
  };
}

function disseminationOf({ dissemination }: DaemonOptions, site: SiteConfig): DisseminationSetting {
  if (dissemination === undefined) return site.dissemination;
  if (SETTINGS.includes(dissemination)) return dissemination;
  throw new RangeError(`dissemination is ${JSON.stringify(dissemination)}; it may be ${SETTINGS.join(", ")}`);
}

function datagramsOf({ datagrams }: DaemonOptions): RunOptions["datagrams"] {
  try {
    return datagrams ?? wantedDatagrams(process.env["AMALGAM_DATAGRAMS"]);
  } catch (error) {
    throw new DaemonError("DATAGRAMS", error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** The rules of the configured file, if clients are to be checked by address. Without the file nobody passes. */
function accessRules({ authentication }: SiteConfig): AccessRules {
  const asked = [...authentication.allowed, ...authentication.required];
  if (!asked.includes("IP")) return [];
  const { accessFile } = authentication;
  const { rules, faults } = parseAccessRules(readAccessFile(accessFile));
  if (faults[0] !== undefined) throw new DaemonError("FILE", `${accessFile}: ${faults[0]}`);
  return rules;
}

function readAccessFile(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const remedy = "the method IP lets in whom this file names, such as 10.0.0.0/8; AccessFile says where it is";
    throw new DaemonError("FILE", `the access file ${file} cannot be read (${why}): ${remedy}`, { cause: error });
  }
}

/** What a daemon that is no more is asked in vain. */
function endedError(): Error {
  return new Error("the daemon has ended");
}

/** A promise with its ends; a rejection that nobody looks at is nobody's fault. */
function settled<T = void>(): {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: Error) => void;
} {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}
