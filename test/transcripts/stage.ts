import type { DaemonId } from "../../src/base/ids.ts";
import type { EvsConfig } from "../../src/membership/config.ts";
import type { EvsEvent } from "../../src/membership/events.ts";
import { Evs } from "../../src/membership/evs.ts";
import { Layout } from "../../src/membership/layout.ts";
import { membershipTimeouts } from "../../src/membership/timeouts.ts";
import { wideAreaConfig } from "../../src/membership/wide-area-config.ts";
import { Content } from "../../src/ordering/content.ts";
import { type Service, serviceRank } from "../../src/ordering/service.ts";
import { payloadOf } from "../../src/ordering/upcall.ts";
import { type RingConfig, ringConfig } from "../../src/ring/config.ts";
import { WIRE_VERSION_MAX } from "../../src/wire/prefix.ts";
import { describe, kindOf } from "./describe.ts";
import { type Datagram, TestNetwork } from "./network.ts";
import type { Command } from "./runner.ts";

const text = { encoder: new TextEncoder(), decoder: new TextDecoder() };
/** What the transcripts of membership do not show: the token goes round all the time, ALIVE and JOIN are repeated. */
const CHATTER = new Set(["token", "held", "hurry", "rest"]);

/**
 * Daemons on a test network that write down what they do. Times are those of the profile "lan". The commands of the
 * transcripts:
 *
 * - `start 1 2 …`: starts daemons. `kill 3`: ends them at once. `leave 3`: asks them to leave.
 * - `form 1 2 …`: starts daemons and lets a second pass, without a word.
 * - `send 1 agreed hello`: daemon 1 multicasts. `fill 1 8`: eight messages that fill a datagram each.
 * - `split 1,2 3`: datagrams pass only inside a set; `split` alone: everywhere. `deaf 1 2`: 2 hears nothing of 1.
 * - `drop 2 data`: loses the next datagram of this kind to 2; `drop 2 data 3`: the next three.
 * - `block 2 data`: loses all of them, without a word, until `unblock`.
 * - `show token data`: datagrams of these kinds are written down; `show`: none.
 * - `run 100`: time passes, in ms.
 */
export class Stage {
  readonly network: TestNetwork;
  readonly evs = new Map<DaemonId, Evs>();
  readonly #segments: readonly (readonly DaemonId[])[];
  readonly #ring: Partial<RingConfig>;
  readonly #versionMax: (daemon: DaemonId) => number;
  readonly #drops: { readonly to: DaemonId; readonly kind: string; count: number }[] = [];
  #blocked: { readonly to: DaemonId; readonly kind: string } | undefined;
  #lines: string[] = [];
  #shown = new Set<string>();
  #reaches: (from: DaemonId, to: DaemonId) => boolean = () => true;
  #incarnations = 0;
  readonly events: { readonly daemon: DaemonId; readonly event: EvsEvent }[] = [];

  constructor(
    segments: readonly (readonly DaemonId[])[],
    ring: Partial<RingConfig> = {},
    versionMax: (daemon: DaemonId) => number = () => WIRE_VERSION_MAX,
  ) {
    this.#segments = segments;
    this.#ring = ring;
    this.#versionMax = versionMax;
    this.network = new TestNetwork(segments);
    this.network.passes = (datagram) => this.#passes(datagram);
  }

  /** The commands of a transcript. */
  get commands(): Readonly<Record<string, Command>> {
    const ids = (words: readonly string[]): number[] => words.map(Number);
    const collect = (action: () => void): readonly string[] => {
      action();
      return this.take();
    };
    return {
      start: (...words) => collect(() => ids(words).forEach((id) => this.start(id))),
      form: (...words) => {
        ids(words).forEach((id) => this.start(id));
        this.network.run(1_000);
        this.take();
        return [];
      },
      fill: (id, count) =>
        collect(() => {
          for (let i = 1; i <= Number(count); i++) this.send(Number(id), "agreed", `m${i}`.padEnd(190));
        }),
      kill: (...words) => collect(() => ids(words).forEach((id) => this.kill(id))),
      leave: (...words) => collect(() => ids(words).forEach((id) => this.evs.get(id)?.leave(this.network.now))),
      send: (id, service, ...words) => collect(() => this.send(Number(id), service as Service, words.join(" "))),
      split: (...sets) => collect(() => this.split(sets.map((set) => ids(set.split(","))))),
      deaf: (from, to) =>
        collect(() => {
          this.#reaches = (a, b) => !(a === Number(from) && b === Number(to));
        }),
      drop: (to, kind = "", count = "1") =>
        collect(() => this.#drops.push({ to: Number(to), kind, count: Number(count) })),
      block: (to, kind = "") =>
        collect(() => {
          this.#blocked = { to: Number(to), kind };
        }),
      unblock: () =>
        collect(() => {
          this.#blocked = undefined;
        }),
      show: (...kinds) =>
        collect(() => {
          this.#shown = new Set(kinds);
        }),
      run: (ms) => collect(() => this.network.run(Number(ms))),
    };
  }

  start(id: DaemonId): void {
    const evs = new Evs(this.#config(id), this.#outbox(id), this.network.now);
    this.evs.set(id, evs);
    this.network.stations.set(id, {
      get deadline() {
        return evs.deadline;
      },
      tick: (now) => evs.tick(now),
      receive: (_channel, bytes, now) => evs.receive(bytes, now),
    });
  }

  kill(id: DaemonId): void {
    this.network.stations.delete(id);
    this.evs.delete(id);
  }

  send(id: DaemonId, service: Service, words: string): void {
    const pieces = [text.encoder.encode(words)];
    this.evs.get(id)?.send({ session: 1, priority: 0, service: serviceRank(service), content: Content.frame, pieces });
  }

  split(sets: readonly (readonly DaemonId[])[]): void {
    this.#reaches = (from, to) => sets.length === 0 || sets.some((set) => set.includes(from) && set.includes(to));
  }

  /** What has happened since the last call. */
  take(): readonly string[] {
    const lines = this.#lines;
    this.#lines = [];
    return lines;
  }

  #note(line: string): void {
    this.#lines.push(`${this.network.now.toFixed(1).padStart(7)}  ${line}`);
  }

  #passes(datagram: Datagram): boolean {
    const { from, to, bytes } = datagram;
    const kind = kindOf(bytes);
    if (!this.network.stations.has(to) || !this.#reaches(from, to)) return false;
    if (this.#blocked?.to === to && this.#blocked.kind === kind) return false;
    const drop = this.#drops.find((other) => other.to === to && other.kind === kind && other.count > 0);
    if (drop !== undefined) drop.count--;
    if (drop !== undefined || this.#shown.has(kind) || (this.#shown.has("all") && !CHATTER.has(kind))) {
      this.#note(`${from} → ${to}  ${describe(bytes)}${drop === undefined ? "" : "  (lost)"}`);
    }
    return drop === undefined;
  }

  #config(me: DaemonId): EvsConfig {
    return {
      me,
      layout: new Layout(this.#segments.flatMap((ids, segment) => ids.map((id) => ({ id, segment })))),
      timeouts: membershipTimeouts("lan"),
      ring: ringConfig({ acceleratedPackets: 0, ...this.#ring }),
      wideArea: wideAreaConfig(),
      primary: { name: "majority" },
      confHash: 0x51a1,
      incarnation: ++this.#incarnations,
      clockOriginSeconds: 1000,
      versionMax: this.#versionMax(me),
    };
  }

  #outbox(me: DaemonId): ConstructorParameters<typeof Evs>[1] {
    return {
      ...this.network.of(me),
      message: (delivery) =>
        this.#note(`${me} delivers "${text.decoder.decode(payloadOf(delivery)).trimEnd()}" of ${delivery.sender}`),
      transitional: ({ id, members }) =>
        this.#note(`${me} transitional ${id.leader}.${id.time} [${members.join(",")}]`),
      regular: ({ id, members, primary }) =>
        this.#note(`${me} regular ${id.leader}.${id.time} [${members.join(",")}]${primary ? " primary" : ""}`),
      event: (event) => {
        this.events.push({ daemon: me, event });
        if (event.kind === "state") this.#note(`${me} ${event.from} → ${event.to}`);
        if (event.kind === "configuration") {
          this.#note(`${me} because of ${event.evidence.map(({ kind }) => kind).join(", ")}`);
        }
        if (event.kind === "left") this.#note(`${me} has left`);
      },
    };
  }
}
