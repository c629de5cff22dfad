import { assert } from "../../base/assert.ts";
import type { GroupNumber, NodeId } from "../../base/ids.ts";
import { Random } from "../../base/random.ts";
import { NodeViews } from "../../cms/node-views.ts";
import type { RegionPolicy } from "../../cms/region-policy.ts";
import { type Change, absentOf, type NodeInfo } from "../../cms/views.ts";
import { type TimelyConfig, timelyDefaults } from "../../ricochet/config.ts";
import { TimelyGroups } from "../../ricochet/timely-groups.ts";
import type { PacketId } from "../../wire/timely/data.ts";
import { decodeRepair } from "../../wire/timely/repair.ts";
import { EVERY_MAX, type Repairs } from "../../wire/timely/repairs.ts";
import { EventQueue } from "../event-queue.ts";
import { type LossModel, LossState } from "../loss.ts";
import { ModelService } from "../regions/model-service.ts";

/** Timely groups whose members come, go and crash, with a membership service that tells each of them in its own time. */
export type ChurnOptions = {
  readonly seed: number;
  readonly machines: number;
  readonly groups: number;
  /** How the packets of each group are repaired. */
  readonly repairs: Repairs;
  readonly loss: LossModel;
  readonly policy: RegionPolicy;
  readonly config: Partial<TimelyConfig>;
  /** Packets per second, of all nodes together; changes of memberships per second. */
  readonly rate: number;
  readonly changes: number;
  readonly churnMs: number;
  /** How long after its batch a node hears of a change, at most. */
  readonly pathMsMax: number;
};

export type ChurnResult = {
  readonly sent: number;
  readonly delivered: number;
  readonly rebuilt: number;
  readonly lost: number;
  readonly crashes: number;
  readonly views: number;
  /** What must not be: empty. */
  readonly faults: readonly string[];
};

const LATENCY_MS = 0.05;
const JITTER_MS = 0.1;
const BATCH_MS = 20;
/** A member that leaves has sent nothing for so long: what is lost of its last packets can be asked for. */
const LINGER_MS = 600;
/** From the crash of a process until the membership service knows of it. */
const DETECTION_MS = 300;
const RETIRE_MS = 500;
const REST_MS = 60_000;

/** Runs one random schedule. */
export function runChurn(options: ChurnOptions): ChurnResult {
  return new Churn(options).run();
}

/** A packet that was sent, and to whom. */
type Sent = { readonly id: PacketId; readonly payload: Uint8Array; readonly members: readonly NodeId[] };

/** One life of a process. */
class Station {
  readonly views = new NodeViews();
  readonly info: NodeInfo;
  readonly timely: TimelyGroups;
  /** What it wants to be in, and since when it may send there no more. */
  readonly wants = new Set<string>();
  readonly quietSince = new Map<string, number>();
  readonly delivered = new Set<string>();
  readonly lost = new Set<string>();
  /** Groups that it was out of at some time after it was in them. */
  readonly left = new Set<GroupNumber>();
  /** Members that it has had and that are gone, by group. */
  readonly listening = new Set<number>();
  /** Members of its groups in the view before the present one, for what leaves as it changes. */
  before = new Map<GroupNumber, ReadonlySet<NodeId>>();
  isUp = true;
  wakeAt = Number.POSITIVE_INFINITY;
  lastChangeAt = 0;

  constructor(info: NodeInfo, timely: TimelyGroups) {
    this.info = info;
    this.timely = timely;
  }

  /** The members of a group as this node sees them. */
  membersOf(group: GroupNumber): ReadonlySet<NodeId> {
    const regions = this.views.groups.get(group)?.regions ?? [];
    const views = regions.flatMap((region) => this.views.regions.get(region) ?? []);
    return new Set(
      views.flatMap((view) => view.members.map(({ id }) => id).filter((id) => !absentOf(view, id).includes(group))),
    );
  }
}

class Churn {
  readonly #options: ChurnOptions;
  readonly #random: Random;
  readonly #loss: LossState;
  readonly #events = new EventQueue();
  readonly #service: ModelService;
  readonly #stations: (Station | undefined)[] = [];
  readonly #lives: Station[] = [];
  readonly #sent = new Map<string, Sent>();
  readonly #gone = new Set<NodeId>();
  readonly #faults: string[] = [];
  #delivered = 0;
  #rebuilt = 0;
  #lost = 0;
  #crashes = 0;
  #views = 0;

  constructor(options: ChurnOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#loss = new LossState(options.machines);
    const clock = {
      at: (time: number, action: () => void) => this.#at(time, action),
      now: 0,
    };
    Object.defineProperty(clock, "now", { get: () => this.#events.now });
    this.#service = new ModelService(
      { batchMs: BATCH_MS, failureMs: Number.POSITIVE_INFINITY, policy: options.policy },
      clock,
      { failed: () => {}, opened: () => {}, superseded: () => {}, final: () => {}, retired: () => {}, batch: () => {} },
    );
  }

  run(): ChurnResult {
    const { machines, churnMs, rate, changes } = this.#options;
    for (let machine = 0; machine < machines; machine++) this.#start(machine);
    for (let at = 0; at < churnMs; at += 1_000 / changes) this.#at(at, () => this.#change());
    for (let at = 0; at < churnMs; at += 1_000 / rate) this.#at(at, () => this.#send());
    for (
      let event = this.#events.pop();
      event !== undefined && event.at < churnMs + REST_MS;
      event = this.#events.pop()
    ) {
      event.action?.(event.at);
    }
    this.#checkDelivery();
    return {
      sent: this.#sent.size,
      delivered: this.#delivered,
      rebuilt: this.#rebuilt,
      lost: this.#lost,
      crashes: this.#crashes,
      views: this.#views,
      faults: this.#faults,
    };
  }

  #at(time: number, action: () => void): void {
    this.#events.push(Math.max(time, this.#events.now), this.#target, 0, 0, undefined, action);
  }

  readonly #target = { fire: (): void => {} };

  // ---- what happens -----------------------------------------------------------------------------------------------

  #start(machine: number): void {
    const address = { host: `m${machine}`, controlPort: 1, repairPort: 2, dataPort: 3 };
    const random = this.#random.fork();
    const info: NodeInfo = this.#service.register(`#n${this.#lives.length}#d`, address, {
      change: (change) => this.#tell(station, change),
      expelled: () => {
        station.isUp = false;
      },
    });
    const timely = new TimelyGroups(
      { ...timelyDefaults, ...this.#options.config, me: info.id, cluster: 1 },
      {
        multicast: (index, bytes) => {
          for (const other of this.#stations) {
            if (other !== undefined && other !== station && other.listening.has(index)) this.#carry(other, bytes);
          }
        },
        unicast: (to, _channel, bytes) => {
          this.#checkRepair(station, to.host, bytes);
          const target = this.#stations[Number(to.host.slice(1))];
          if (target !== undefined) this.#carry(target, bytes);
        },
        deliver: (id, payload, how) => this.#onDelivery(station, id, payload, how),
        told: () => {},
        lost: (first, _now, count) => {
          for (let i = 0; i < count; i++) {
            this.#lost++;
            station.lost.add(keyOf({ ...first, seq: first.seq + i }));
          }
        },
        random: () => random.unit(),
      },
      this.#events.now,
    );
    const station: Station = new Station(info, timely);
    this.#stations[machine] = station;
    this.#lives.push(station);
    this.#join(station, "g1");
  }

  /** Each node hears of changes in order, each after a time of its own. */
  #tell(station: Station, change: Change): void {
    const at = this.#events.now + this.#random.unit() * this.#options.pathMsMax;
    station.lastChangeAt = Math.max(station.lastChangeAt, at);
    this.#at(station.lastChangeAt, () => {
      if (station.isUp) this.#apply(station, change);
    });
  }

  #apply(station: Station, change: Change): void {
    const { views, timely, info } = station;
    const before = new Map([...views.groups.keys()].map((group) => [group, station.membersOf(group)] as const));
    for (const node of change.failed) this.#gone.add(node);
    views.apply(change);
    this.#views++;
    station.before = before;
    for (const [group, members] of before) {
      if (members.has(info.id) && !station.membersOf(group).has(info.id)) station.left.add(group);
    }
    // A region is listened to until its views have been retired.
    for (const address of station.listening)
      this.#at(this.#events.now + RETIRE_MS, () => this.#unlisten(station, address));
    for (const { members, address } of views.regions.values()) {
      if (members.some(({ id }) => id === info.id)) station.listening.add(address);
    }
    for (const { group, address } of views.groups.values()) {
      if (!station.membersOf(group).has(info.id)) continue;
      if (address !== undefined) station.listening.add(address);
      if (!timely.has(group)) timely.set(group, this.#options.repairs);
    }
    timely.apply(views, change, this.#events.now);
    this.#schedule(station);
    const installed = change.n;
    this.#at(this.#events.now + LATENCY_MS, () => this.#service.installed(info.id, installed, []));
  }

  #unlisten(station: Station, address: number): void {
    const { regions, groups } = station.views;
    const isRegion = [...regions.values()].some(
      (view) => view.address === address && view.members.some(({ id }) => id === station.info.id),
    );
    if (!isRegion && ![...groups.values()].some((view) => view.address === address)) station.listening.delete(address);
  }

  #change(): void {
    const machine = this.#random.integer(0, this.#options.machines - 1);
    const station = this.#stations[machine];
    if (station === undefined || !station.isUp) return;
    if (this.#random.chance(0.08)) return this.#crash(machine, station);
    const group = `g${this.#random.integer(1, this.#options.groups)}`;
    if (!station.wants.has(group)) this.#join(station, group);
    else if (!station.quietSince.has(group)) this.#leave(station, group);
  }

  #join(station: Station, group: string): void {
    station.wants.add(group);
    this.#service.join(station.info.id, group);
  }

  #leave(station: Station, group: string): void {
    station.quietSince.set(group, this.#events.now);
    this.#at(this.#events.now + LINGER_MS, () => {
      station.wants.delete(group);
      station.quietSince.delete(group);
      if (station.isUp) this.#service.leave(station.info.id, group);
    });
  }

  #crash(machine: number, station: Station): void {
    this.#crashes++;
    station.isUp = false;
    this.#gone.add(station.info.id);
    this.#stations[machine] = undefined;
    this.#at(this.#events.now + DETECTION_MS, () => this.#service.fail(station.info.id));
    this.#at(this.#events.now + this.#random.integer(50, 1_000), () => this.#start(machine));
  }

  #send(): void {
    const station = this.#random.pick(this.#stations);
    if (station === undefined || !station.isUp) return;
    const groups = [...station.timely.sizes()].map(([group]) => group);
    if (groups.length === 0) return;
    const group = this.#random.pick(groups);
    const name = station.views.groups.get(group)?.name;
    if (name === undefined || station.quietSince.has(name) || !station.wants.has(name)) return;
    const payload = new Uint8Array(this.#random.integer(1, 60));
    for (let i = 0; i < payload.length; i++) payload[i] = this.#random.integer(0, 255);
    this.#sending = { payload, members: [...station.membersOf(group)] };
    station.timely.send(group, payload, this.#events.now);
    this.#sending = undefined;
    this.#schedule(station);
  }

  #sending: Omit<Sent, "id"> | undefined;

  #carry(station: Station, bytes: Uint8Array): void {
    const machine = Number(station.info.address.host.slice(1));
    if (this.#loss.isLost(machine, this.#options.loss, this.#random, this.#events.now)) return;
    this.#at(this.#events.now + LATENCY_MS + this.#random.unit() * JITTER_MS, () => {
      if (!station.isUp) return;
      station.timely.receive(bytes, this.#events.now);
      this.#schedule(station);
    });
  }

  #schedule(station: Station): void {
    const at = Math.max(station.timely.deadline, this.#events.now);
    if (!Number.isFinite(at) || at >= station.wakeAt) return;
    station.wakeAt = at;
    this.#at(at, () => {
      if (station.wakeAt !== at) return;
      station.wakeAt = Number.POSITIVE_INFINITY;
      if (!station.isUp) return;
      station.timely.tick(this.#events.now);
      this.#schedule(station);
    });
  }

  // ---- what holds -------------------------------------------------------------------------------------------------

  /** K46. */
  #onDelivery(station: Station, id: PacketId, payload: Uint8Array, how: string): void {
    const key = keyOf(id);
    if (how === "sent") {
      assert(this.#sending !== undefined, "what is sent is sent by the schedule");
      if (this.#sent.has(key)) this.#faults.push(`a number was used twice: ${key}`);
      this.#sent.set(key, { id, ...this.#sending });
      return;
    }
    this.#delivered++;
    if (how === "rebuilt") this.#rebuilt++;
    if (station.delivered.has(key)) this.#faults.push(`delivered twice at ${station.info.id}: ${key}`);
    if (station.lost.has(key))
      this.#faults.push(`delivered at ${station.info.id}, which was told that it is lost: ${key}`);
    station.delivered.add(key);
    const sent = this.#sent.get(key);
    if (sent === undefined || Buffer.compare(sent.payload, payload) !== 0) {
      this.#faults.push(`not what was sent, at ${station.info.id}: ${key}`);
    }
  }

  /** K47: no more packets than make a repair, each of a group that its origin shares with who gets it. */
  #checkRepair(origin: Station, host: string, bytes: Uint8Array): void {
    const repair = decodeRepair(bytes);
    if (repair === undefined) return;
    const target = this.#lives.findLast(({ info }) => info.address.host === host)?.info.id as NodeId;
    const targets = this.#lives.filter(({ info }) => info.address.host === host).map(({ info }) => info.id);
    const { every, recovery } = this.#options.repairs;
    if (repair.packets.length > (recovery === undefined ? every : EVERY_MAX))
      this.#faults.push(`${repair.packets.length} packets in one repair`);
    for (const { group } of repair.packets) {
      const known = [origin.membersOf(group), origin.before.get(group)];
      const isShared = known.some((members) => members?.has(origin.info.id) && targets.some((id) => members.has(id)));
      if (!isShared)
        this.#faults.push(`${origin.info.id} repairs a packet of group ${group} at ${target}, which is not in it`);
    }
  }

  /** K49: whoever was a member for a packet's sender, and stayed in the group, has it, if the sender has stayed as well. */
  #checkDelivery(): void {
    for (const [key, { id, members }] of this.#sent) {
      const sender = this.#lives.find(({ info }) => info.id === id.sender);
      if (sender === undefined || this.#gone.has(id.sender) || sender.left.has(id.group)) continue;
      for (const { info, delivered, left, lost } of this.#lives) {
        if (info.id === id.sender || !members.includes(info.id) || this.#gone.has(info.id) || left.has(id.group))
          continue;
        if (delivered.has(key)) continue;
        this.#faults.push(`${info.id} ${lost.has(key) ? "was told of the loss of" : "has never had"} ${key}`);
      }
    }
  }
}

function keyOf({ sender, group, seq }: PacketId): string {
  return `${sender}.${group}.${seq}`;
}
