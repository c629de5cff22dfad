import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ByteStream, StreamListener } from "../client/byte-stream.ts";
import { TurnClock } from "../host/clock.ts";
import type { DatagramPath } from "../host/datagrams.ts";
import { HostNames } from "../host/host-names.ts";
import { PasswordFile } from "../host/passwords.ts";
import { StreamHost } from "../host/streams.ts";
import { TurnLoop } from "../machine/turn-loop.ts";
import { SiteFile } from "../host/site-file.ts";
import type { AccessRules } from "../session/access.ts";
import { getU32 } from "../wire/bytes.ts";
import { isMonitorDatagram } from "../wire/spread/monitor.ts";
import { type AdminSource, serveAdmin } from "./admin.ts";
import { hostAddresses } from "./config/load.ts";
import type { DaemonConfig, SiteConfig } from "./config/site.ts";
import { DaemonError } from "./error.ts";
import { type HttpEndpoints, serveHttp } from "./http.ts";
import { KeptState } from "./kept-state.ts";
import { monitorAction } from "./monitor-endpoint.ts";
import { DaemonNode, type MonitorRequestName, type NodeEvent } from "./node.ts";
import type { Keeping } from "./reload.ts";
import { RepeatFilter } from "./repeat-filter.ts";
import { SiteNetwork } from "./site-network.ts";
import type { DaemonStatus } from "./status.ts";
import { VERSION } from "./version.ts";

/** A daemon's options, complete: a plain value, so that it can be handed to a worker thread. */
export type RunOptions = {
  readonly site: SiteConfig;
  /** Which of the site's daemons this is. */
  readonly name: string;
  /** Where its incarnation is kept over restarts; without it the clock has to do. */
  readonly stateDirectory: string | undefined;
  /** Where the site's file is: what is put in force while the daemon runs is written there. Without one nothing can be. */
  readonly file: string | undefined;
  /** Where datagrams for daemons of these names go instead of to their own places: tokens to `port + 1`. */
  readonly via: Readonly<Record<string, { readonly address: string; readonly port: number }>>;
  /** Whether to listen at a Unix socket, named after the port, in the configured directory. */
  readonly unixSocket: boolean;
  readonly access: AccessRules;
  /** The path of datagrams that is wanted (`wantedDatagrams`). */
  readonly datagrams: DatagramPath | "auto";
  /** The daemon has its process to itself, so that its pid says something. */
  readonly ownProcess: boolean;
};

/** Connections are not read while so many of their chunks wait for a turn. */
const REQUESTS_MAX = 256;
/** A graceful stop waits this long for the others to have everything that was sent here. */
const LEAVE_MS_MAX = 2_000;
/** The same request of a monitor, and the same trouble with another daemon, is told so often. */
const REPEAT_MS = 60_000;

/** Clients may use either family where no particular address is meant. */
const OTHER_FAMILY: Readonly<Record<string, string>> = { "0.0.0.0": "::", "::": "0.0.0.0", "127.0.0.1": "::1" };

/** Starts a daemon in this thread. Rejects if it cannot listen where it should. */
export async function runDaemon(options: RunOptions, report: (event: NodeEvent) => void): Promise<RunningDaemon> {
  const daemon = new RunningDaemon(options, report);
  try {
    await daemon.start();
  } catch (error) {
    await daemon.close();
    throw error;
  }
  return daemon;
}

/** A daemon with its sockets: what Node does for a `DaemonNode`. */
export class RunningDaemon {
  #options: RunOptions;
  #self: DaemonConfig;
  readonly #file: SiteFile | undefined;
  readonly #state: KeptState;
  #admin: AsyncDisposable | undefined;
  /** Who waits for what comes of a reload. */
  #reloading: ((why: string | undefined) => void) | undefined;
  readonly #report: (event: NodeEvent) => void;
  readonly #clock = new TurnClock();
  readonly #streams: StreamHost;
  /** Connections that the session layer, or the turn loop, does not want to be read now. */
  readonly #unwanted = new Set<number>();
  readonly #overrun = new Set<number>();
  #network: SiteNetwork | undefined;
  #hostNames: HostNames | undefined;
  #node: DaemonNode | undefined;
  #loop: TurnLoop | undefined;
  #http: HttpEndpoints | undefined;
  #onLeft: (() => void) | undefined;
  /** Daemons that a monitor cut off, until when. */
  #cutOff: { readonly daemons: ReadonlySet<number>; readonly until: number } | undefined;
  readonly #monitorRepeats = new RepeatFilter(REPEAT_MS);
  readonly #networkRepeats = new RepeatFilter(REPEAT_MS);
  #stopping: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  /** Without one, whoever has to be checked by a password is not let in. */
  #passwords: PasswordFile | undefined;

  #onEnded: () => void = () => undefined;
  /** Resolves when the daemon has ended, whoever ended it. */
  readonly ended = new Promise<void>((resolve) => {
    this.#onEnded = resolve;
  });

  constructor(options: RunOptions, report: (event: NodeEvent) => void) {
    const self = options.site.daemons.find(({ name }) => name === options.name);
    if (self === undefined) {
      const names = options.site.daemons.map(({ name }) => name).join(", ");
      throw new RangeError(`the configuration has no daemon ${JSON.stringify(options.name)}; there are ${names}`);
    }
    this.#options = options;
    this.#self = self;
    this.#file = options.file === undefined ? undefined : new SiteFile(options.file, self.name);
    this.#report = report;
    this.#state = new KeptState(options.stateDirectory, self.name, (message) => this.#trouble("state", message));
    this.#streams = new StreamHost({
      opened: (connection, { transport, address }) =>
        this.#request((node, now) =>
          node.connected(connection, transport === "tcp" ? { kind: "tcp", address } : { kind: transport }, now),
        ),
      received: (connection, bytes) => {
        if (this.#request((node, now) => node.received(connection, bytes, now))) return;
        this.#overrun.add(connection);
        this.#streams.pause(connection);
      },
      drained: (connection) => this.#request((node, now) => node.writable(connection, now)),
      closed: (connection, byPeer) => {
        this.#unwanted.delete(connection);
        this.#overrun.delete(connection);
        this.#request((node, now) => node.closed(connection, now, byPeer));
      },
    });
  }

  get name(): string {
    return this.#self.name;
  }

  get port(): number {
    return this.#self.port;
  }

  get httpPort(): number | undefined {
    return this.#http?.port;
  }

  /** `whole`: with all regions and nodes, however many. */
  status(whole = false): DaemonStatus {
    if (this.#node === undefined) throw new Error("the daemon has not started");
    return this.#node.status(this.#clock.now(), whole);
  }

  async start(): Promise<void> {
    const { site } = this.#options;
    const self = this.#self;
    const { passwordFile } = site.authentication;
    if (passwordFile !== undefined) {
      this.#passwords = await PasswordFile.open(passwordFile, (text) => this.#trouble("passwords", text)).catch(
        (error: unknown) => {
          const why = error instanceof Error ? error.message : String(error);
          throw new DaemonError("FILE", `the file that PasswordFile names cannot be used: ${why}`, { cause: error });
        },
      );
    }
    const incarnation = this.#state.begin(Date.now() / 1000);
    const network = this.#openNetwork(incarnation);
    this.#network = network;
    await network.open();
    const now = this.#clock.now();
    const clockOriginMs = Date.now() - now;
    const node = new DaemonNode(
      {
        site,
        self,
        incarnation,
        epoch: this.#state.lastEpoch(),
        clockOriginMs,
        receiveBufferBytes: network.receiveBufferBytes,
        datagrams: () => network.datagrams,
        datagramBytes: () => network.datagramBytes,
        access: this.#options.access,
        dissemination: () => network.dissemination,
        reachability: () => network.reachability,
        version: VERSION,
        pid: this.#options.ownProcess ? process.pid : undefined,
      },
      {
        unicast: (to, channel, bytes) => network.unicast(to, channel, bytes),
        multicast: (segment, channel, bytes) => network.multicast(segment, channel, bytes),
        flush: () => network.flush(),
        write: (connection, chunks) => {
          let more = true;
          for (let i = 0; i < chunks.length; i++) more = this.#streams.write(connection, chunks[i] as Uint8Array);
          return more;
        },
        close: (connection, how) => this.#streams.close(connection, how),
        pauseReading: (connection) => {
          this.#unwanted.add(connection);
          this.#streams.pause(connection);
        },
        resumeReading: (connection) => {
          this.#unwanted.delete(connection);
          if (!this.#overrun.has(connection)) this.#streams.resume(connection);
        },
        verifyPassword: (connection, user, password) => void this.#verify(connection, user, password),
        randomBytes: (count) => new Uint8Array(randomBytes(count)),
        persist: (record) =>
          this.#state.keepEpoch(record, () => void this.#request((to, at) => to.persisted(record, at))),
        file: {
          keep: (text, keeping) => this.#keepFile(text, keeping),
          goOver: (fresh) => this.#goOver(fresh),
          reloaded: (why) => this.#reloaded(why),
        },
        report: (event) => this.#onEvent(event),
      },
      now,
    );
    this.#node = node;
    this.#drive(node, network);
    await this.#listen();
    await this.#serveAdmin();
    this.#watchHostNames();
  }

  /** A stream for a client in this thread; `undefined` when the daemon is about to end. */
  openLocal(listener: StreamListener): ByteStream | undefined {
    return this.#loop === undefined || this.#closing !== undefined ? undefined : this.#streams.openLocal(listener);
  }

  /** Leaves gracefully, so that the others go on at once, and ends; once, however often it is asked to. */
  stop(): Promise<void> {
    if (this.#loop === undefined || this.#closing !== undefined) return this.close();
    this.#stopping ??= this.#leave();
    return this.#stopping;
  }

  #leave(): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#onLeft = undefined;
        resolve(this.close());
      };
      const timer = setTimeout(finish, LEAVE_MS_MAX);
      this.#onLeft = finish;
      void this.#streams.stopListening();
      this.#request((node, now) => node.leave(now));
    });
  }

  /**
   * Puts another configuration file in force, here and at all daemons of the site. Resolves with why it was not, or undefined; rejects with a
   * `ConfigError` for a wrong text.
   */
  async reload(text: string): Promise<string | undefined> {
    const addresses = await hostAddresses(text, "the new configuration");
    if (this.#loop === undefined) return "this daemon does not run";
    if (this.#reloading !== undefined) return "another change of the configuration is under way";
    return new Promise((resolve, reject) => {
      this.#reloading = resolve;
      this.#request((node, now) => {
        try {
          const why = node.reload(text, addresses, now);
          if (why !== undefined) this.#reloaded(why);
        } catch (error) {
          this.#reloading = undefined;
          reject(error);
        }
      });
    });
  }

  /** Ends at once. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#loop = undefined;
    this.#clock.stop();
    this.#hostNames?.stop();
    this.#state.close();
    this.#reloaded("the daemon ended");
    await this.#admin?.[Symbol.asyncDispose]();
    await this.#http?.[Symbol.asyncDispose]();
    await this.#streams.shutDown();
    await this.#network?.close();
    this.#onEnded();
  }

  #request(run: (node: DaemonNode, now: number) => void): boolean {
    const node = this.#node;
    if (node === undefined || this.#loop === undefined) return true;
    return this.#loop.request((now) => run(node, now));
  }

  async #verify(connection: number, user: string, password: string): Promise<void> {
    const isWanted = (): boolean => this.#streams.has(connection);
    const isRight = (await this.#passwords?.verify(user, password, isWanted)) ?? false;
    this.#request((node, now) => node.verified(connection, isRight, now));
  }

  #trouble(about: Extract<NodeEvent, { kind: "trouble" }>["about"], message: string): void {
    this.#report({ kind: "trouble", about, message });
  }

  // ---- another configuration file ---------------------------------------------------------------------------------

  #keepFile(text: string, keeping: Keeping): void {
    let why: string | undefined;
    try {
      if (this.#file === undefined) why = "it was started without a configuration file that could be replaced";
      else if (keeping === "aside") this.#file.writeAside(text);
      else this.#file.putInForce(text);
    } catch (error) {
      why = `${this.#options.file}: ${error instanceof Error ? error.message : String(error)}`;
    }
    // Not within the step that asks for it.
    setImmediate(() => this.#request((node, now) => node.fileKept(keeping, why, now)));
  }

  #goOver(site: SiteConfig): void {
    this.#options = { ...this.#options, site };
    const { index, segment, site: number } = site.daemons.find(({ id }) => id === this.#self.id) ?? this.#self;
    this.#self = { ...this.#self, index, segment, site: number };
    this.#network?.goOver(site, this.#self);
    this.#hostNames?.stop();
    this.#watchHostNames();
  }

  #dropFile(): void {
    try {
      this.#file?.drop();
    } catch {
      // It is in nobody's way: the next one is written over it.
    }
  }

  #reloaded(why: string | undefined): void {
    const reloading = this.#reloading;
    this.#reloading = undefined;
    reloading?.(why);
  }

  /** For those who run this daemon: told from all others by the operating system. */
  async #serveAdmin(): Promise<void> {
    if (!this.#options.unixSocket) return;
    const source: AdminSource = {
      configuration: () => this.#options.site.text,
      reload: async (text) => {
        try {
          return { why: await this.reload(text) };
        } catch (error) {
          return { why: error instanceof Error ? error.message : String(error) };
        }
      },
    };
    try {
      this.#admin = await serveAdmin(this.#options.site.sessions.unixDirectory, this.#self.port, source);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#trouble("admin", `amalgam reload does not find this daemon: ${why}`);
    }
  }

  #onEvent(event: NodeEvent): void {
    if (event.kind === "configuration") {
      const { time } = event.change.id;
      if (time > Date.now() / 1000) this.#state.reserve(time);
    }
    this.#report(event);
    if (event.kind === "reload" && event.event.what === "dropped") this.#dropFile();
    // Out of the turn that is running: closing ends the loop.
    if (event.kind === "left") setImmediate(() => (this.#onLeft === undefined ? void this.close() : this.#onLeft()));
  }

  // ---- datagrams --------------------------------------------------------------------------------------------------

  /** Daemons that the file names by their hosts are followed when these get other addresses. */
  #watchHostNames(): void {
    const { daemons, family } = this.#options.site;
    // After a reload the file may have another address of a daemon than the network, which has followed the name since.
    const named = daemons.flatMap(({ id, host, address }) =>
      host === undefined ? [] : [{ id, host, address: this.#network?.addressOf({ id, address }) ?? address }],
    );
    if (named.length === 0) return;
    this.#hostNames = new HostNames(named, family, ({ id, host, address: from }, to) => {
      const isSelf = id === this.#self.id;
      const daemon = daemons.find((one) => one.id === id)?.name ?? host;
      this.#report({ kind: "moved", daemon, host, from, to, isSelf });
      if (isSelf) return;
      this.#network?.moved(id, to);
    });
  }

  #openNetwork(incarnation: number): SiteNetwork {
    const { site, via, datagrams } = this.#options;
    return new SiteNetwork(
      { site, self: this.#self, incarnation, via, datagrams },
      {
        packet: (channel, bytes, continues) => {
          if (!this.#isCutOff(bytes)) this.#loop?.packet(channel, bytes, continues);
        },
        foreign: (bytes, from, continues) => {
          if (isMonitorDatagram(bytes)) this.#onMonitor(bytes, from);
          // Counted as malformed where all that is malformed is.
          else this.#loop?.packet("data", bytes, continues);
        },
        happened: (event) => {
          const isTrouble = event.what === "refused" || event.what === "disagreement";
          if (isTrouble && this.#networkRepeats.admit(event.message, this.#clock.now()) === undefined) return;
          this.#report({ kind: "network", event });
        },
        now: () => this.#clock.now(),
        wake: () => this.#clock.schedule(),
      },
    );
  }

  #isCutOff(bytes: Uint8Array): boolean {
    const cutOff = this.#cutOff;
    if (cutOff === undefined) return false;
    if (this.#clock.now() < cutOff.until) return cutOff.daemons.has(getU32(bytes, 12));
    this.#cutOff = undefined;
    return false;
  }

  #onMonitor(bytes: Uint8Array, from: string): void {
    // The sockets are open before there is anything to ask about.
    if (this.#node === undefined) return;
    const { site } = this.#options;
    const action = monitorAction(bytes, from, site, this.#self.id, () => this.status());
    switch (action.kind) {
      case "reply":
        this.#network?.reply(action.address, action.port, action.bytes);
        break;
      case "partition": {
        if (action.exit) {
          this.#tellOfMonitor("partition", `a monitor at ${from} ends this daemon`);
          setImmediate(() => void this.close());
          return;
        }
        const mine = action.components[this.#self.index];
        const apart = site.daemons.filter(({ index }) => action.components[index] !== mine);
        this.#cutOff =
          apart.length === 0
            ? undefined
            : { daemons: new Set(apart.map(({ id }) => id)), until: this.#clock.now() + action.durationMs };
        const names = apart.map(({ name }) => name).join(", ");
        const what = names === "" ? "ends its split" : `cuts off ${names} for ${action.durationMs / 1_000} s`;
        this.#tellOfMonitor("partition", `a monitor at ${from} ${what}`);
        break;
      }
      case "flowControl": {
        this.#request((node) => node.changeWindows(action));
        const shown = (packets: number | undefined) => (packets === undefined ? "unchanged" : `${packets} packets`);
        const windows = `window ${shown(action.global)}, personal ${shown(action.personal)}, accelerated ${shown(action.accelerated)}`;
        this.#tellOfMonitor("flowControl", `a monitor at ${from} sets windows: ${windows}`);
        break;
      }
      case "reload": {
        const answer = "use amalgam reload as the user whom a daemon runs as; it does that for all daemons at once";
        this.#tellOfMonitor("reload", `a monitor at ${from} asks to read the configuration again: ${answer}`);
        break;
      }
      case "ignore":
        this.#tellOfMonitor("ignored", action.reason);
        break;
    }
  }

  /** Told once, and then once a minute: monitors send everything twice, and repeat splits. */
  #tellOfMonitor(request: MonitorRequestName, message: string): void {
    if (this.#monitorRepeats.admit(message, this.#clock.now()) === undefined) return;
    this.#report({ kind: "monitor", request, message });
  }

  // ---- turns and connections --------------------------------------------------------------------------------------

  #drive(node: DaemonNode, network: SiteNetwork): void {
    const clock = this.#clock;
    let repaired = 0;
    const loop = new TurnLoop(
      {
        get deadline() {
          return Math.min(node.deadline, network.deadline);
        },
        tick: (now) => {
          node.tick(now);
          network.tick(now);
          network.flush();
        },
        get prefersToken() {
          return node.prefersToken;
        },
        // Between daemons repairs come on the data channel, and count as data.
        receive: (packetClass, bytes, now) => {
          node.receive(packetClass === "token" ? "token" : "data", bytes, now);
          // What a step sends leaves with it, whatever else there is to do.
          network.flush();
        },
      },
      {
        now: () => clock.now(),
        schedule: () => clock.schedule(),
        wakeAt: (timeMs) => clock.wakeAt(timeMs),
        flush: () => {
          node.endTurn(clock.now());
          if (node.packetsRepaired > repaired) {
            repaired = node.packetsRepaired;
            network.packetsLost(clock.now());
          }
          network.flush();
          this.#streams.flush();
          this.#readOn();
        },
      },
      { requestsMax: REQUESTS_MAX },
    );
    this.#loop = loop;
    clock.drive(loop);
    clock.schedule();
  }

  /** Connections that had brought more than a turn could take are read again. */
  #readOn(): void {
    if (this.#overrun.size === 0 || (this.#loop?.backlog ?? 0) > REQUESTS_MAX / 2) return;
    for (const connection of this.#overrun) if (!this.#unwanted.has(connection)) this.#streams.resume(connection);
    this.#overrun.clear();
  }

  async #listen(): Promise<void> {
    const { site } = this.#options;
    const self = this.#self;
    const configured = self.interfaces.flatMap(({ client, address, zone }) =>
      client ? (zone === undefined ? address : `${address}%${zone}`) : [],
    );
    const twins = configured.flatMap((address) => OTHER_FAMILY[address] ?? []);
    for (const address of new Set([...configured, ...twins])) {
      try {
        await this.#streams.listenTcp(address, self.port);
      } catch (error) {
        // A host without IPv6 has nothing to listen at there; others would notice what is missing.
        const code = (error as NodeJS.ErrnoException).code;
        if (!address.includes(":") || (code !== "EAFNOSUPPORT" && code !== "EADDRNOTAVAIL")) throw error;
      }
    }
    if (this.#options.unixSocket) {
      const path = join(site.sessions.unixDirectory, String(self.port));
      await this.#streams.listenUnix(path).catch((error: unknown) => {
        throw unixSocketError(path, error);
      });
    }
    if (site.http !== undefined && self.httpPort !== undefined) {
      const { address } = site.http;
      this.#http = await serveHttp({ address, port: self.httpPort, status: (whole) => this.status(whole) });
    }
  }
}

/** A socket that is in use says so itself; for all else the system's words name neither the file nor what to do. */
function unixSocketError(path: string, error: unknown): unknown {
  if (!(error instanceof Error) || !("code" in error) || error.code === "EADDRINUSE") return error;
  const why = `the Unix socket ${path} cannot be made (${error.message})`;
  const remedy = existsSync(path)
    ? "a daemon of another user has left it there: remove it, or run as that user"
    : `${dirname(path)}, which UnixSocketDir names, has to exist and to be writable`;
  return new DaemonError("UNIX_SOCKET", `${why}: ${remedy}`, { cause: error });
}
