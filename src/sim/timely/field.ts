import type { NodeId } from "../../base/ids.ts";
import { Random } from "../../base/random.ts";
import type { TimelyShape } from "../../ricochet/bin-plan.ts";
import { type TimelyConfig, timelyDefaults } from "../../ricochet/config.ts";
import { type Arrival, TimelyNode, type TimelyOutbox } from "../../ricochet/timely-node.ts";
import { originOf } from "../../wire/region/head.ts";
import { isTimelyData, type PacketId, timelyGroupOf, timelySeqOf } from "../../wire/timely/data.ts";
import { type BaselineKind, baselineDefaults, BaselineNode } from "./baselines.ts";
import type { FieldNode } from "./field-node.ts";
import { EventQueue, type EventTarget, type SimEvent } from "../event-queue.ts";
import { type LossModel, LossState } from "../loss.ts";

/** What is simulated: nodes with timely groups on one network, all groups with the same traffic. */
export type FieldOptions = {
  readonly seed: number;
  readonly nodes: number;
  /** Groups: each has so many members, drawn at random; 0 is one group of all nodes. */
  readonly groups: number;
  readonly groupSize: number;
  /** c of the rate of fire. */
  readonly repairs: number;
  /** Receivers say themselves how they are to be repaired, so that repairs bring this share. */
  readonly recovery?: number;
  /** Packets that each node receives per second, on average. */
  readonly rate: number;
  /** How long there is traffic, ms of simulated time. */
  readonly trafficMs: number;
  /** At each receiver, of everything that comes there. */
  readonly loss: LossModel;
  /** And from then on, if it changes. */
  readonly lossLater?: { readonly fromMs: number; readonly loss: LossModel };
  readonly payloadBytes: number;
  readonly config: Partial<TimelyConfig>;
  /** Another way to repair than Ricochet. */
  readonly baseline?: BaselineKind;
  /** What is lost later is not counted, since how soon it is found depends on when the traffic ends; default: all counts. */
  readonly countedMs?: number;
  /** Nor what is lost earlier, while nodes learn. */
  readonly countedFromMs?: number;
};

export const fieldDefaults: Omit<FieldOptions, "seed"> = {
  nodes: 64,
  groups: 0,
  groupSize: 10,
  repairs: 5,
  rate: 1_000,
  trafficMs: 4_000,
  loss: { kind: "uniform", probability: 0.01 },
  payloadBytes: 32,
  config: {},
};

/** A network of one building: 50 ± 20 µs. */
const LATENCY_MS = 0.03;
const JITTER_MS = 0.04;
/** After the traffic everything that is missing has time to come, or to be given up. */
const REST_MS = 90_000;

const ARRIVE = 0;
const WAKE = 1;
const SEND = 2;

/** What came of the packets that receivers lost when they were first sent. */
export type FieldResult = {
  readonly sent: number;
  /** Receptions that there should be, and that were lost at first. */
  readonly wanted: number;
  readonly missed: number;
  /** Of those: brought by repairs, by their senders when asked, and not at all. */
  readonly rebuilt: number;
  readonly resent: number;
  readonly lost: number;
  /** Times from when it would have come until it came, ms, ascending: by repairs, and all. */
  readonly rebuiltMs: readonly number[];
  readonly recoveredMs: readonly number[];
  /**
   * Repairs that were sent, by packets that nodes sent or that came to them as they were sent: c/r if all goes to plan. A packet counts also if it was
   * rebuilt before it came: one in r completes its sender's own repair, which may overtake it.
   */
  readonly overhead: number;
  readonly naks: number;
  /** What must not be: empty. */
  readonly faults: readonly string[];
};

/** One node of the field. */
type Station = {
  readonly id: NodeId;
  readonly node: FieldNode;
  readonly delivered: Set<string>;
  readonly index: number;
  wakeAt: number;
};

/** The groups: shape by number. */
export function randomGroups(options: FieldOptions, random: Random): TimelyShape[] {
  const everybody = Array.from({ length: options.nodes }, (_, i) => i + 1);
  const { repairs, recovery } = options;
  if (options.groups === 0) return [{ group: 1, view: 1, members: everybody, repairs, recovery }];
  return Array.from({ length: options.groups }, (_, i) => {
    const members = random.shuffle([...everybody]).slice(0, options.groupSize);
    return { group: i + 1, view: 1, members: members.sort((a, b) => a - b), repairs, recovery };
  });
}

/** Runs timely groups in a simulated network that loses packets at its receivers, repairs like everything else. */
export function runField(partial: Partial<FieldOptions> & { readonly seed: number }): FieldResult {
  const field = new Field({ ...fieldDefaults, ...partial });
  return field.run();
}

class Field implements EventTarget {
  readonly #options: FieldOptions;
  readonly #events = new EventQueue();
  readonly #random: Random;
  readonly #loss: LossState;
  readonly #shapes: readonly TimelyShape[];
  readonly #stations: Station[] = [];
  readonly #faults: string[] = [];
  /** When what a receiver has lost at first would have come, by receiver and packet. */
  readonly #missedAt = new Map<string, number>();
  readonly #rebuiltMs: number[] = [];
  readonly #recoveredMs: number[] = [];
  #wanted = 0;
  #sent = 0;
  /** Packets that came to receivers by themselves. */
  #came = 0;
  #resent = 0;
  #lost = 0;
  #isRunning = true;

  constructor(options: FieldOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#loss = new LossState(options.nodes);
    this.#shapes = randomGroups(options, this.#random.fork());
    for (let index = 0; index < options.nodes; index++) this.#stations.push(this.#station(index));
    for (const station of this.#stations) {
      const mine = this.#shapes.filter(({ members }) => members.includes(station.id));
      station.node.setGroups(mine, 0);
    }
  }

  run(): FieldResult {
    this.#scheduleSend();
    for (;;) {
      const event = this.#events.pop();
      if (event === undefined) break;
      if (event.at > this.#options.trafficMs) this.#isRunning = false;
      // Those that are compared say again and again how far their packets go: for ever, and in many groups minutes apart.
      const isBaseline = this.#options.baseline !== undefined;
      const isOver = isBaseline
        ? !this.#isRunning && this.#missedAt.size === 0
        : event.at > this.#options.trafficMs + REST_MS;
      if (isOver) break;
      event.target.fire(event);
    }
    for (const key of this.#missedAt.keys()) this.#faults.push(`never came, and nobody was told: ${key}`);
    const total = (key: "repairsSent" | "naksSent") =>
      this.#stations.reduce((sum, { node }) => sum + node.statistics[key], 0);
    return {
      sent: this.#sent,
      wanted: this.#wanted,
      missed: this.#recoveredMs.length + this.#lost + this.#missedAt.size,
      rebuilt: this.#rebuiltMs.length,
      resent: this.#resent,
      lost: this.#lost,
      rebuiltMs: this.#rebuiltMs.sort((a, b) => a - b),
      recoveredMs: this.#recoveredMs.sort((a, b) => a - b),
      overhead: total("repairsSent") / (this.#came + this.#sent),
      naks: total("naksSent"),
      faults: this.#faults,
    };
  }

  fire({ what, value, bytes, at }: SimEvent): void {
    if (what === SEND) {
      if (!this.#isRunning) return;
      this.#sendOne(at);
      this.#scheduleSend();
      return;
    }
    const station = this.#stations[value] as Station;
    if (what === ARRIVE) station.node.receive(bytes as Uint8Array, at);
    else {
      station.wakeAt = Number.POSITIVE_INFINITY;
      station.node.tick(at);
    }
    this.#schedule(station);
  }

  #scheduleSend(): void {
    const { nodes, rate } = this.#options;
    const size = (this.#shapes[0] as TimelyShape).members.length;
    const perSecond = (rate * nodes) / (size - 1);
    const waitMs = (-Math.log(1 - this.#random.unit()) * 1000) / perSecond;
    this.#events.push(this.#events.now + waitMs, this, SEND);
  }

  #sendOne(now: number): void {
    const { group, members } = this.#random.pick(this.#shapes);
    const station = this.#stations[this.#random.pick(members) - 1] as Station;
    const payload = new Uint8Array(this.#options.payloadBytes);
    const seq = ++this.#sent;
    for (let i = 0; i < payload.length; i++) payload[i] = (seq >>> (8 * (i & 3))) ^ i;
    this.#wanted += members.length - 1;
    station.node.send(group, payload, now);
    this.#schedule(station);
  }

  #station(index: number): Station {
    const id = index + 1;
    const { config, baseline, rate } = this.#options;
    const random = this.#random.fork();
    const outbox: TimelyOutbox = {
      multicast: (group, bytes) => {
        const { members } = this.#shapes[group - 1] as TimelyShape;
        const isData = isTimelyData(bytes);
        for (const member of members) if (member !== id && this.#transmit(member, bytes) && isData) this.#came++;
      },
      unicast: (to, _channel, bytes) => this.#transmit(to, bytes),
      deliver: (packet, payload, how, now) => this.#onDelivery(station, packet, payload, how, now),
      lost: (packet) => this.#onLoss(station, packet),
      random: () => random.unit(),
    };
    const node =
      baseline === undefined
        ? new TimelyNode({ ...timelyDefaults, me: id, cluster: 1, ...config }, outbox, 0)
        : new BaselineNode({ ...baselineDefaults, kind: baseline, me: id, rate }, outbox);
    const delivered = new Set<string>();
    const station: Station = { id, index, node, delivered, wakeAt: Number.POSITIVE_INFINITY };
    return station;
  }

  /** Whether it comes there. */
  #transmit(to: NodeId, bytes: Uint8Array): boolean {
    const at = this.#events.now + LATENCY_MS + this.#random.unit() * JITTER_MS;
    const station = this.#stations[to - 1] as Station;
    const { loss, lossLater } = this.#options;
    const model = lossLater !== undefined && at >= lossLater.fromMs ? lossLater.loss : loss;
    if (this.#loss.isLost(station.index, model, this.#random, at)) {
      const packet = dataPacketOf(bytes);
      if (packet !== undefined && !station.delivered.has(keyOf(packet))) {
        const key = `${to} ${keyOf(packet)}`;
        const { countedFromMs = 0, countedMs = Number.POSITIVE_INFINITY } = this.#options;
        if (!this.#missedAt.has(key) && at >= countedFromMs && at < countedMs) {
          this.#missedAt.set(key, at);
        }
      }
      return false;
    }
    this.#events.push(at, this, ARRIVE, station.index, bytes);
    return true;
  }

  #onDelivery(station: Station, id: PacketId, payload: Uint8Array, how: Arrival, now: number): void {
    const key = keyOf(id);
    if (station.delivered.has(key)) this.#faults.push(`delivered twice at ${station.id}: ${key}`);
    station.delivered.add(key);
    for (let i = 4; i < payload.length; i++) {
      if (((payload[i] as number) ^ i) === ((payload[i - 4] as number) ^ (i - 4))) continue;
      this.#faults.push(`not what was sent, at ${station.id}: ${key}`);
      break;
    }
    const missedAt = this.#missedAt.get(`${station.id} ${key}`);
    if (missedAt === undefined) return;
    this.#missedAt.delete(`${station.id} ${key}`);
    const tookMs = Math.max(0, now - missedAt);
    this.#recoveredMs.push(tookMs);
    if (how === "rebuilt") this.#rebuiltMs.push(tookMs);
    else this.#resent++;
  }

  #onLoss(station: Station, id: PacketId): void {
    const key = `${station.id} ${keyOf(id)}`;
    if (this.#missedAt.delete(key)) this.#lost++;
    else if (this.#options.countedMs === undefined && this.#options.countedFromMs === undefined)
      this.#faults.push(`said to be lost, and was not: ${key}`);
  }

  #schedule(station: Station): void {
    const at = Math.max(station.node.deadline, this.#events.now);
    if (at >= station.wakeAt || at === Number.POSITIVE_INFINITY) return;
    station.wakeAt = at;
    this.#events.push(at, this, WAKE, station.index);
  }
}

/** The packet in a datagram of data; undefined for repairs and control. */
function dataPacketOf(bytes: Uint8Array): PacketId | undefined {
  if (!isTimelyData(bytes)) return undefined;
  return { sender: originOf(bytes), group: timelyGroupOf(bytes), seq: timelySeqOf(bytes) };
}

function keyOf({ sender, group, seq }: PacketId): string {
  return `${sender}.${group}.${seq}`;
}
