import { assert } from "../../base/assert.ts";
import type { DaemonId } from "../../base/ids.ts";
import { Random } from "../../base/random.ts";
import type { Channel } from "../../machine/network.ts";
import type { EvsConfig } from "../../membership/config.ts";
import { Evs } from "../../membership/evs.ts";
import { Layout } from "../../membership/layout.ts";
import { membershipTimeouts } from "../../membership/timeouts.ts";
import { wideAreaConfig } from "../../membership/wide-area-config.ts";
import { Content } from "../../ordering/content.ts";
import { EVERYBODY, type Interest, OWN_SITE } from "../../ordering/interest.ts";
import { serviceRank } from "../../ordering/service.ts";
import { payloadOf } from "../../ordering/upcall.ts";
import { ringConfig } from "../../ring/config.ts";
import { KNOWN_HEAD_BYTES } from "../../wire/fragment-heads.ts";
import { WIRE_VERSION_MAX } from "../../wire/prefix.ts";
import { quantiles } from "../load/measures.ts";
import { LAN, NODE_PROCESSOR } from "../network-model.ts";
import type { ProcessEnvironment, SimProcess } from "../sim-process.ts";
import { World } from "../world.ts";
import { LINE_OVERHEAD_BYTES, LINE_QUEUE_MS, type Traffic, type WideScenario } from "./wide-scenario.ts";

/** What a sender keeps queued at its daemon, as a session with back-pressure does. */
const QUEUE_BYTES = 256 * 1024;
const FORM_LIMIT_MS = 60_000;
const HEAD_BYTES = 12;

/** What one sender's messages came to at one receiver. */
export type Received = {
  readonly traffic: number;
  readonly sender: number;
  readonly receiver: number;
  /** Payload bytes per second. */
  readonly rate: number;
  /** From `send` to delivery, ms: the median, of a hundred the worst but one, and the worst. */
  readonly latencyMs: { readonly median: number; readonly p99: number; readonly max: number };
  readonly messages: number;
};

export type WideResult = {
  readonly received: readonly Received[];
  /** Bytes per second over each line while measured, heads counted, there and back. */
  readonly lines: readonly { readonly there: number; readonly back: number }[];
  /** Datagrams per second that each daemon handled, sent or received: the mean over its site. */
  readonly handled: readonly number[];
  /** Bytes per second that all daemons sent together. */
  readonly sentBytes: number;
  /** Configurations installed while measured: none, unless the load broke one. */
  readonly changes: number;
};

/** Runs a scenario. The same one gives the same result. */
export function runWide(scenario: WideScenario): WideResult {
  return new WideRun(scenario).run();
}

/** Latencies of the messages of one sender at one receiver. */
type Log = { bytes: number; readonly latencies: number[] };

class WideRun {
  readonly #scenario: WideScenario;
  readonly #world: World;
  readonly #random: Random;
  readonly #site: readonly (readonly DaemonId[])[];
  readonly #daemons: readonly DaemonId[];
  readonly #stations = new Map<DaemonId, Station>();
  readonly #logs = new Map<string, Log>();
  readonly #sentAt = new Map<number, number>();
  #messages = 0;
  #isMeasuring = false;
  #changes = 0;

  constructor(scenario: WideScenario) {
    this.#scenario = scenario;
    let id = 0;
    this.#site = scenario.sites.map((count) => Array.from({ length: count }, () => ++id));
    this.#daemons = this.#site.flat();
    this.#random = new Random(scenario.seed).fork();
    this.#world = new World({
      seed: scenario.seed,
      site: this.#site,
      network: LAN,
      processor: NODE_PROCESSOR,
      clockDrift: 0.0001,
    });
    const indexesOf = (site: number): number[] =>
      (this.#site[site - 1] ?? []).map((daemon) => this.#world.indexOf(daemon));
    for (const { sites, delayMs, jitterMs = 0, mbit: mbitThere, mbitBack = mbitThere, loss = 0 } of scenario.lines) {
      for (const [from, to, mbit] of [
        [sites[0], sites[1], mbitThere],
        [sites[1], sites[0], mbitBack],
      ] as const) {
        for (const a of indexesOf(from)) {
          for (const b of indexesOf(to)) {
            this.#world.datagrams.setLatency({ baseMs: delayMs, jitterMs }, a, b);
            if (loss > 0) this.#world.datagrams.setLoss({ kind: "uniform", probability: loss }, a, b);
          }
        }
        if (mbit === undefined) continue;
        const bytesPerMs = (mbit * 1e6) / 8 / 1000;
        const queueBytes = Math.max(20_000, bytesPerMs * LINE_QUEUE_MS);
        const capacity = { bytesPerMs, queueBytes, overheadBytes: LINE_OVERHEAD_BYTES };
        this.#world.datagrams.shareCapacity(capacity, indexesOf(from), indexesOf(to));
      }
    }
  }

  run(): WideResult {
    const { warmMs, measureMs, lines } = this.#scenario;
    const world = this.#world;
    for (const daemon of this.#daemons) this.#boot(daemon);
    world.runUntil(FORM_LIMIT_MS, () => this.#isTogether);
    assert(this.#isTogether, "daemons without faults come together");
    const startAt = world.now + 10;
    this.#scenario.traffic.forEach((traffic, i) => this.#plan(traffic, i, startAt));
    const measureAt = startAt + warmMs;
    world.runUntil(measureAt);
    this.#isMeasuring = true;
    this.#changes = 0;
    const carriedBefore = lines.map(({ sites: [a, b] }) => [this.#carried(a, b), this.#carried(b, a)] as const);
    const handledBefore = this.#daemons.map((daemon) => this.#station(daemon).handled);
    const bytesBefore = world.datagrams.counters.sentBytes;
    world.runUntil(measureAt + measureMs);
    const perSecond = 1000 / measureMs;
    return {
      received: this.#received(perSecond),
      lines: lines.map(({ sites: [a, b] }, i) => ({
        there: (this.#carried(a, b) - (carriedBefore[i]?.[0] ?? 0)) * perSecond,
        back: (this.#carried(b, a) - (carriedBefore[i]?.[1] ?? 0)) * perSecond,
      })),
      handled: this.#site.map((daemons) => {
        const sum = daemons.reduce((total, daemon) => {
          return total + this.#station(daemon).handled - (handledBefore[this.#daemons.indexOf(daemon)] ?? 0);
        }, 0);
        return (sum / daemons.length) * perSecond;
      }),
      sentBytes: (world.datagrams.counters.sentBytes - bytesBefore) * perSecond,
      changes: this.#changes,
    };
  }

  get #isTogether(): boolean {
    return this.#daemons.every((daemon) => {
      const evs = this.#stations.get(daemon)?.evs;
      return evs?.isServing === true && evs.configuration.members.length === this.#daemons.length;
    });
  }

  #station(daemon: DaemonId): Station {
    const station = this.#stations.get(daemon);
    assert(station !== undefined, "all daemons run");
    return station;
  }

  #carried(from: number, to: number): number {
    const [a] = this.#site[from - 1] ?? [];
    const [b] = this.#site[to - 1] ?? [];
    assert(a !== undefined && b !== undefined, "a line joins two sites");
    return this.#world.datagrams.carried(this.#world.indexOf(a), this.#world.indexOf(b));
  }

  #boot(daemon: DaemonId): void {
    const { oneRing, lines, lowLatency = false, skewMs = [] } = this.#scenario;
    const places = this.#site.flatMap((ids, segment) =>
      ids.map((id) => ({ id, segment, site: oneRing === undefined ? segment + 1 : 0 })),
    );
    const timeouts = membershipTimeouts("wan");
    const window = oneRing && { windowBytesStart: oneRing.windowBytes, windowBytesMax: oneRing.windowBytes };
    const skew = skewMs[this.#site.findIndex((daemons) => daemons.includes(daemon))] ?? 0;
    this.#world.boot(daemon, (environment) => {
      const config: EvsConfig = {
        me: daemon,
        layout: new Layout(places),
        timeouts,
        ring: ringConfig({ tokenProbeMs: timeouts.tokenProbeMs, ...window }),
        wideArea: wideAreaConfig({
          links: lines.flatMap(({ sites: [from, to], delayMs, weight = Math.max(0.01, delayMs) }) => [
            { from, to, weight },
            { from: to, to: from, weight },
          ]),
          lowLatency,
        }),
        primary: { name: "majority" },
        confHash: 0x51a1,
        incarnation: environment.bootTimeSeconds,
        clockOriginSeconds: environment.bootTimeSeconds - environment.now / 1000 + skew / 1000,
        versionMax:
          daemon === this.#daemons.at(-1) ? (this.#scenario.lastVersion ?? WIRE_VERSION_MAX) : WIRE_VERSION_MAX,
      };
      const station = new Station(config, environment, {
        delivered: (payload) => this.#delivered(daemon, payload),
        changed: () => this.#changes++,
        interest: (session) => this.#interest(session),
      });
      this.#stations.set(daemon, station);
      return station;
    });
  }

  #interest(session: number): Interest {
    const isLocal = this.#scenario.traffic[session - 1]?.isLocal === true;
    return isLocal ? OWN_SITE : EVERYBODY;
  }

  #plan(traffic: Traffic, number: number, startAt: number): void {
    for (const position of traffic.senders) {
      const daemon = this.#daemons[position];
      assert(daemon !== undefined, "senders are daemons of the scenario");
      const session = 1 + number;
      if (traffic.perSecond === "max") {
        const fill = (): void => {
          const { evs } = this.#station(daemon);
          while (evs.queuedBytesOf(session) < QUEUE_BYTES) this.#send(daemon, session, traffic, number);
        };
        this.#every(daemon, startAt, () => 1, fill);
      } else {
        const gapMs = 1000 / traffic.perSecond;
        const jittered = (): number => gapMs * (0.5 + this.#random.unit());
        this.#every(daemon, startAt + this.#random.unit() * gapMs, jittered, () =>
          this.#send(daemon, session, traffic, number),
        );
      }
    }
  }

  #every(daemon: DaemonId, at: number, gapMs: () => number, action: () => void): void {
    this.#world.at(at, () => {
      this.#world.runOnProcess(daemon, action);
      this.#every(daemon, at + gapMs(), gapMs, action);
    });
  }

  #send(daemon: DaemonId, session: number, { service, bytes, priority = 0 }: Traffic, traffic: number): void {
    const message = ++this.#messages;
    // Hops leave out zeros, and how messages begin if it is as ever: a client's frame does, what is in it does not.
    const payload = new Uint8Array(Math.max(HEAD_BYTES, bytes)).fill(0xa5);
    for (let at = 0; at < Math.min(payload.length, KNOWN_HEAD_BYTES); at++) {
      payload[at] = 1 + ((Math.imul(message * 131 + at, 0x9e37_79b1) >>> 8) % 255);
    }
    const view = new DataView(payload.buffer);
    view.setUint32(0, message);
    view.setUint16(4, traffic);
    view.setUint16(6, daemon);
    this.#sentAt.set(message, this.#world.now);
    const content = 0;
    this.#station(daemon).evs.send({ session, priority, service: serviceRank(service), content, pieces: [payload] });
  }

  #delivered(receiver: DaemonId, payload: Uint8Array): void {
    if (!this.#isMeasuring) return;
    const view = new DataView(payload.buffer, payload.byteOffset);
    const key = `${view.getUint16(4)} ${view.getUint16(6)} ${receiver}`;
    const log = this.#logs.get(key) ?? { bytes: 0, latencies: [] };
    this.#logs.set(key, log);
    log.bytes += payload.length;
    log.latencies.push(this.#world.now - (this.#sentAt.get(view.getUint32(0)) ?? 0));
  }

  #received(perSecond: number): Received[] {
    return [...this.#logs].map(([key, { bytes, latencies }]) => {
      const [traffic = 0, sender = 0, receiver = 0] = key.split(" ").map(Number);
      const [median = 0, p99 = 0, max = 0] = quantiles(latencies, [0.5, 0.99, 1]);
      const latencyMs = { median, p99, max };
      return { traffic, sender, receiver, rate: bytes * perSecond, latencyMs, messages: latencies.length };
    });
  }
}

type StationHooks = {
  readonly delivered: (payload: Uint8Array) => void;
  readonly changed: () => void;
  readonly interest: (session: number) => Interest;
};

/** A daemon's core, and a count of what it handles. */
class Station implements SimProcess {
  readonly evs: Evs;
  handled = 0;

  constructor(config: EvsConfig, { network, now }: ProcessEnvironment, { delivered, changed, interest }: StationHooks) {
    this.evs = new Evs(
      config,
      {
        unicast: (to, channel, bytes) => {
          this.handled++;
          network.unicast(to, channel, bytes);
        },
        multicast: (segment, channel, bytes) => {
          this.handled++;
          network.multicast(segment, channel, bytes);
        },
        message: (delivery) => {
          if (delivery.content !== Content.numbers) delivered(payloadOf(delivery));
        },
        interest: ({ session }) => interest(session),
        transitional: () => undefined,
        regular: changed,
        event: () => undefined,
      },
      now,
    );
  }

  get deadline(): number {
    return this.evs.deadline;
  }

  get preferred(): Channel {
    return this.evs.ring?.prefersToken === false ? "data" : "token";
  }

  tick(now: number): void {
    this.evs.tick(now);
  }

  receive(_channel: Channel, bytes: Uint8Array, now: number): void {
    this.handled++;
    this.evs.receive(bytes, now);
  }
}
