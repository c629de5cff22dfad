import type { PlatoConfig } from "../../plato/config.ts";
import type { TimelyConfig } from "../../ricochet/config.ts";
import type { LossModel } from "../loss.ts";
import { LAN, type Latency } from "../network-model.ts";
import { type PlatoMember, PlatoWorld } from "./plato-world.ts";

/** Senders of a totally ordered group that nobody joins or leaves. */
export type PlatoScenario = {
  readonly seed: number;
  readonly members: number;
  /** So many of them send, all alike and at random times. */
  readonly senders: number;
  /** Messages per second, of all senders together. */
  readonly rate: number;
  readonly trafficMs: number;
  /** What is sent before that is not measured. */
  readonly warmUpMs: number;
  readonly loss: LossModel;
  readonly latency: Latency;
  /** Members that do not run for so long, each so often on average, at random times. */
  readonly stalls: { readonly everyMs: number; readonly forMs: number } | undefined;
  readonly plato: Partial<PlatoConfig>;
  readonly timely: Partial<TimelyConfig>;
};

export const platoScenario: PlatoScenario = {
  seed: 1,
  members: 8,
  senders: 8,
  rate: 500,
  trafficMs: 6_000,
  warmUpMs: 1_000,
  loss: { kind: "none" },
  latency: LAN.latency,
  stalls: undefined,
  plato: {},
  timely: {},
};

/** Two messages, one after the other in the order of the sequencer: how far apart they came at another member; below 0, the other way round. */
export type PlatoResult = {
  readonly sent: number;
  /** ms from sending to the delivery that stood, at all members but the sequencer; ascending. */
  readonly latencies: readonly number[];
  /** Of those: delivered before their order was known. */
  readonly optimistic: number;
  /** Deliveries that were taken back, by all that stood. */
  readonly rolledBack: number;
  /** ms from sending to commitment, likewise. */
  readonly commits: readonly number[];
  /** The gaps between messages that are neighbours in the order, ms, as a member saw them, and whether it saw them the other way round. */
  readonly gaps: readonly { readonly ms: number; readonly isInverted: boolean }[];
  /** What the members had learned in the end, on average, ms. */
  readonly thresholdMs: number;
  /** Datagrams that carry order and acknowledgements, by messages sent. */
  readonly orders: number;
  /** What must not be: empty. */
  readonly faults: readonly string[];
};

const REST_MS = 5_000;
const PAYLOAD_BYTES = 32;
/** Neighbours in the order that are kept for the predictor's picture. */
const GAPS_MAX = 20_000;

/** Runs a scenario. */
export function runPlato(scenario: PlatoScenario): PlatoResult {
  return new PlatoLoad(scenario).run();
}

type Delivery = { readonly key: string; readonly at: number; readonly position: number; readonly isOrdered: boolean };

class PlatoLoad {
  readonly #scenario: PlatoScenario;
  readonly #world: PlatoWorld;
  readonly #members: PlatoMember[] = [];
  readonly #sentAt = new Map<string, number>();
  readonly #shown = new Map<PlatoMember, Delivery[]>();
  readonly #committed = new Map<PlatoMember, string[]>();
  readonly #arrivals = new Map<PlatoMember, Map<string, number>>();
  readonly #latencies: number[] = [];
  readonly #commits: number[] = [];
  readonly #faults: string[] = [];
  #optimistic = 0;
  #rolledBack = 0;

  constructor(scenario: PlatoScenario) {
    this.#scenario = scenario;
    const { seed, loss, latency, plato, timely } = scenario;
    // The host of a real node would see its own packet as late as others do.
    const loopbackMs = latency.baseMs + latency.jitterMs / 2;
    this.#world = new PlatoWorld(
      { seed, loss, latency, packetsPerRepair: 8, repairs: 5, timely, plato: { loopbackMs, ...plato } },
      {
        deliver: (member, { sender, seq, position, isOrdered }, at) => {
          this.#shown.get(member)?.push({ key: `${sender}.${seq}`, at, position, isOrdered });
        },
        commit: (member, position, at) => this.#onCommit(member, position, at),
        rollback: (member, position) => this.#onRollback(member, position),
        arrive: (member, { sender, seq }, at) => this.#arrivals.get(member)?.set(`${sender}.${seq}`, at),
      },
    );
  }

  run(): PlatoResult {
    const { members, senders, rate, trafficMs, stalls } = this.#scenario;
    for (let i = 0; i < members; i++) {
      const member = this.#world.add();
      this.#members.push(member);
      this.#shown.set(member, []);
      this.#committed.set(member, []);
      this.#arrivals.set(member, new Map());
    }
    const ids = this.#members.map(({ id }) => id);
    for (const member of this.#members) this.#world.install(member, 1, ids, new Set());
    const random = this.#world.random.fork();
    const payload = new Uint8Array(PAYLOAD_BYTES);
    for (let at = 100; at < trafficMs; at += (-Math.log(1 - random.unit()) * 1_000) / rate) {
      // The sequencer is the first, and the last to send.
      const sender = this.#members[members - 1 - random.integer(0, senders - 1)] as PlatoMember;
      this.#world.at(at, () => this.#send(sender, payload));
    }
    if (stalls !== undefined) {
      for (const member of this.#members) {
        for (let at = 100; at < trafficMs; at += -Math.log(1 - random.unit()) * stalls.everyMs) {
          this.#world.at(at, () => this.#world.stall(member, stalls.forMs));
        }
      }
    }
    this.#world.run(trafficMs + REST_MS);
    this.#check();
    const others = this.#members.slice(1);
    const orders = this.#members.reduce((sum, { plato }) => sum + plato.statistics.ordersSent, 0);
    return {
      sent: this.#sentAt.size,
      latencies: this.#latencies.sort((a, b) => a - b),
      commits: this.#commits.sort((a, b) => a - b),
      optimistic: this.#optimistic,
      rolledBack: this.#rolledBack,
      gaps: this.#gaps(),
      thresholdMs: others.reduce((sum, { plato }) => sum + plato.thresholdMs, 0) / others.length,
      orders: orders / this.#sentAt.size,
      faults: this.#faults,
    };
  }

  #send(sender: PlatoMember, payload: Uint8Array): void {
    if (!sender.plato.canSend || sender.stalledUntil > this.#world.now) return;
    const now = this.#world.now;
    const id = this.#world.send(sender, payload);
    const key = `${id.sender}.${id.seq}`;
    this.#sentAt.set(key, now);
    // As it takes its own: loopback.
    this.#arrivals.get(sender)?.set(key, now + this.#scenario.latency.baseMs + this.#scenario.latency.jitterMs / 2);
  }

  #isMeasured(member: PlatoMember, key: string): boolean {
    return member !== this.#members[0] && (this.#sentAt.get(key) as number) >= this.#scenario.warmUpMs;
  }

  #onCommit(member: PlatoMember, position: number, now: number): void {
    const shown = this.#shown.get(member) as Delivery[];
    while (shown[0] !== undefined && shown[0].position <= position) {
      const { key, at, isOrdered } = shown.shift() as Delivery;
      this.#committed.get(member)?.push(key);
      if (!this.#isMeasured(member, key)) continue;
      const sentAt = this.#sentAt.get(key) as number;
      this.#latencies.push(at - sentAt);
      this.#commits.push(now - sentAt);
      if (!isOrdered) this.#optimistic++;
    }
  }

  #onRollback(member: PlatoMember, position: number): void {
    const shown = this.#shown.get(member) as Delivery[];
    const from = shown.findIndex((delivery) => delivery.position > position);
    if (from < 0) this.#faults.push(`nothing was taken back at ${member.id}`);
    else this.#rolledBack += shown.splice(from).filter(({ key }) => this.#isMeasured(member, key)).length;
  }

  /** K50, and that all is committed in the end. */
  #check(): void {
    const [order] = this.#committed.values();
    for (const [member, committed] of this.#committed) {
      if (committed.length !== this.#sentAt.size) {
        this.#faults.push(`${committed.length} of ${this.#sentAt.size} messages were committed at ${member.id}`);
      }
      if (committed.some((key, i) => key !== order?.[i])) this.#faults.push(`another order at ${member.id}`);
    }
  }

  #gaps(): PlatoResult["gaps"] {
    const gaps: { ms: number; isInverted: boolean }[] = [];
    const order = this.#committed.values().next().value as string[];
    for (const [member, arrivals] of this.#arrivals) {
      if (member === this.#members[0]) continue;
      for (let i = 1; i < order.length && gaps.length < GAPS_MAX; i++) {
        const [before, after] = [arrivals.get(order[i - 1] as string), arrivals.get(order[i] as string)];
        if (before === undefined || after === undefined) continue;
        gaps.push({ ms: Math.abs(after - before), isInverted: after < before });
      }
    }
    return gaps;
  }
}
