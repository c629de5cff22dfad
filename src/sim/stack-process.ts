import { assert } from "../base/assert.ts";
import { decodeEpochRecord, encodeEpochRecord } from "../cms/continuity.ts";
import { type DaemonConfig, parseSiteConfig, type SiteConfig } from "../daemon/config/index.ts";
import { DaemonNode, type NodeEvent } from "../daemon/node.ts";
import type { MembershipStateName } from "../membership/events.ts";
import type { WideAreaConfig } from "../membership/wide-area-config.ts";
import type { Channel } from "../machine/network.ts";
import type { ConnectionNumber } from "../session/outbox.ts";
import { layoutSegment } from "./cluster-site.ts";
import type { ProcessEnvironment, SimProcess } from "./sim-process.ts";
import type { StreamEnd } from "./stream.ts";
import { Traps } from "./traps.ts";

/** What the node's disk has of the membership service. */
const EPOCH_FILE = "epoch";
/** The configuration file that was put in force last, and the one that was kept aside. */
const SITE_FILES = { inForce: "site", aside: "site.next" } as const;
const RECEIVE_BUFFER_BYTES = 212_992;

/** A whole daemon on a simulated node: ring, membership, groups and sessions, with its clients' connections. */
export class StackProcess implements SimProcess {
  readonly node: DaemonNode;
  readonly #streams = new Map<ConnectionNumber, StreamEnd>();
  readonly #traps = new Traps();
  #connections = 0;
  /** What came of changes of the configuration that were asked for here: undefined, or why they were not made. */
  readonly reloads: (string | undefined)[] = [];

  constructor(
    site: SiteConfig,
    self: DaemonConfig,
    environment: ProcessEnvironment,
    report: (event: NodeEvent) => void,
    wideArea: Partial<WideAreaConfig> = {},
  ) {
    const { network, random, bootTimeSeconds, now, disk } = environment;
    const kept = disk.get(EPOCH_FILE);
    const file = disk.get(SITE_FILES.inForce);
    const inForce = file === undefined ? site : siteOf(new TextDecoder().decode(file), site);
    this.node = new DaemonNode(
      {
        site: inForce,
        self: inForce.daemons.find(({ id }) => id === self.id) ?? self,
        incarnation: bootTimeSeconds,
        epoch: kept && decodeEpochRecord(new TextDecoder().decode(kept)),
        clockOriginMs: bootTimeSeconds * 1000 - now,
        receiveBufferBytes: RECEIVE_BUFFER_BYTES,
        wideArea,
        access: [],
        dissemination: () => "multicast",
        version: "simulated",
        pid: undefined,
      },
      {
        unicast: (to, channel, bytes) => network.unicast(to, channel, bytes),
        multicast: (segment, channel, bytes) => {
          const own = (this.node?.site ?? inForce).segments[segment];
          assert(own !== undefined, "a multicast goes to a segment of the file");
          network.multicast(layoutSegment(own), channel, bytes);
        },
        write: (connection, chunks) => this.#streams.get(connection)?.write(joined(chunks)) ?? false,
        close: (connection) => this.#streams.get(connection)?.end(),
        pauseReading: (connection) => this.#streams.get(connection)?.pause(),
        resumeReading: (connection) => this.#streams.get(connection)?.resume(),
        verifyPassword: () => assert(false, "a simulated site asks for no passwords"),
        randomBytes: (count) => Uint8Array.from({ length: count }, () => random.integer(0, 255)),
        persist: (record) => {
          disk.set(EPOCH_FILE, new TextEncoder().encode(encodeEpochRecord(record)));
          environment.run((at) => {
            this.node.persisted(record, at);
            this.node.endTurn(at);
          });
        },
        file: {
          keep: (text, keeping) => {
            disk.set(SITE_FILES[keeping], new TextEncoder().encode(text));
            environment.run((at) => {
              this.node.fileKept(keeping, undefined, at);
              this.node.endTurn(at);
            });
          },
          goOver: () => undefined,
          reloaded: (why) => {
            this.reloads.push(why);
          },
        },
        report: (event) => {
          if (event.kind === "membership" && event.event.kind === "state") this.#traps.entered(event.event.to);
          report(event);
        },
      },
      now,
    );
  }

  get deadline(): number {
    return this.node.deadline;
  }

  get preferred(): Channel {
    return this.node.prefersToken ? "token" : "data";
  }

  tick(now: number): void {
    this.node.tick(now);
    this.node.endTurn(now);
  }

  receive(channel: Channel, bytes: Uint8Array, now: number): void {
    this.node.receive(channel, bytes, now);
    this.node.endTurn(now);
  }

  /** Writes down what daemons read when they start, instead of what an earlier life has left. */
  static giveFile(disk: Map<string, Uint8Array>, { text }: SiteConfig): void {
    disk.set(SITE_FILES.inForce, new TextEncoder().encode(text));
  }

  /** Puts a configuration file in force; `reloads` says what comes of it. */
  reload(text: string, now: number): void {
    const why = this.node.reload(text, {}, now);
    if (why !== undefined) this.reloads.push(why);
    this.node.endTurn(now);
  }

  /** Calls the action once, when the membership next enters the state; it may not call back into the process. */
  whenEnters(state: MembershipStateName, action: () => void): void {
    this.#traps.set(state, action);
  }

  accept(stream: StreamEnd, now: number): void {
    const connection = ++this.#connections;
    const { node } = this;
    this.#streams.set(connection, stream);
    node.connected(connection, { kind: "tcp", address: "10.1.0.1" }, now);
    stream.user = {
      data: (bytes, at) => {
        node.received(connection, bytes, at);
        node.endTurn(at);
      },
      drained: (at) => {
        node.writable(connection, at);
        node.endTurn(at);
      },
      closed: (at) => {
        this.#streams.delete(connection);
        node.closed(connection, at);
        node.endTurn(at);
      },
    };
  }
}

/** A file as a simulated daemon reads it when it starts: with the times of the simulation. */
function siteOf(text: string, { timeouts }: SiteConfig): SiteConfig {
  return { ...parseSiteConfig(text, "(simulated)").site, timeouts };
}

/** Copied: what a daemon keeps of it, it may write again to another client. */
function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
