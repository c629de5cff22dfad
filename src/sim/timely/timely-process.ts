import { assert } from "../../base/assert.ts";
import type { GroupNumber, NodeId } from "../../base/ids.ts";
import type { Random } from "../../base/random.ts";
import type { SettledStream } from "../../cms/settled.ts";
import { absentOf, type Change, type NodeInfo, type RegionView } from "../../cms/views.ts";
import { platoDefaults } from "../../plato/config.ts";
import { OrderedGroups } from "../../plato/ordered-groups.ts";
import { PlatoGroup } from "../../plato/plato-group.ts";
import { nodeDefaults } from "../../qsm/config.ts";
import { Node } from "../../qsm/node.ts";
import type { NodeChannel, NodeOutbox } from "../../qsm/outbox.ts";
import { timelyDefaults } from "../../ricochet/config.ts";
import { TimelyGroups } from "../../ricochet/timely-groups.ts";
import { decodePlato } from "../../wire/plato/bodies.ts";
import { headFault, isTimelyKind, kindOf, NodeKind } from "../../wire/region/head.ts";
import { timelyGroupOf, timelySeqOf } from "../../wire/timely/data.ts";
import { decodeRepair } from "../../wire/timely/repair.ts";
import { encodePayload } from "../payload.ts";
import type { NodeEnvironment, NodeLife } from "../regions/machines.ts";
import { channelOf, machineOf, type NodeNetwork, type NodeReports } from "../regions/node-process.ts";
import type { SimChannel } from "../sim-process.ts";
import { messageNumber } from "../trace.ts";
import type { TimelyEvent, TimelyRemains } from "./event.ts";
import { BEHIND_PACKETS_MAX, type TimelyGroupPlan, type TimelySchedule } from "./schedule.ts";

/** `TimelyEvent` without its time. */
export type Happening = TimelyEvent extends infer E ? (E extends TimelyEvent ? Omit<E, "at"> : never) : never;

export type TimelySettings = Pick<TimelySchedule, "groups" | "timely" | "plato" | "node">;

const CLUSTER = 7;
/** Repairs wait so long for the data that they may be of, as in the host of a node. */
const REPAIRS_WAIT_MS = 100;

/**
 * One life of a node in timely groups on a simulated machine: what `NodeHost` puts together on sockets, put together here. Tells what it does and what is
 * done to it.
 */
export class TimelyProcess implements NodeLife {
  readonly info: NodeInfo;
  readonly #number: number;
  readonly #plans: ReadonlyMap<string, TimelyGroupPlan>;
  readonly #network: NodeNetwork;
  readonly #tell: (event: Happening) => void;
  readonly #node: Node;
  readonly #timely: TimelyGroups;
  readonly #ordered: OrderedGroups;
  /** Members of the timely groups that it is in, as its views say. */
  #members = new Map<GroupNumber, readonly NodeId[]>();
  /** What has come and is not processed while it is behind. */
  #waiting: { readonly socket: SimChannel; readonly bytes: Uint8Array }[] = [];
  #behindSince: number | undefined;
  #now: number;
  #counter = 0;
  #hasEnded = false;

  constructor(made: NodeEnvironment, settings: TimelySettings, tell: (event: Happening) => void) {
    const { info, number, network, reports, environment, now } = made;
    this.info = info;
    this.#number = number;
    this.#plans = new Map(settings.groups.map((plan) => [plan.name, plan]));
    this.#network = network;
    this.#tell = tell;
    this.#now = now;
    const { random } = environment;
    const me = { me: info.id, cluster: CLUSTER };
    this.#node = new Node({ ...nodeDefaults, ...settings.node, ...me }, this.#nodeOutbox(reports, random), now);
    this.#timely = this.#newTimely({ ...timelyDefaults, ...settings.timely, ...me }, random);
    this.#ordered = this.#newOrdered(settings.plato);
  }

  get applied(): number {
    return this.#node.applied;
  }

  get deadline(): number {
    if (this.#hasEnded) return Number.POSITIVE_INFINITY;
    const repairsAt = this.#hasRepairsWaiting ? (this.#behindSince as number) + REPAIRS_WAIT_MS : Infinity;
    return Math.min(this.#node.deadline, this.#timely.deadline, this.#ordered.deadline, repairsAt);
  }

  tick(now: number): void {
    if (this.#hasEnded) return;
    this.#now = now;
    if (this.#node.deadline <= now) {
      this.#node.relays = !this.#network.canMulticast;
      this.#node.tick(now);
    }
    this.#takeRepairs();
    if (this.#timely.deadline <= now) {
      this.#timely.behind(this.#isBehind, now);
      this.#timely.tick(now);
    }
    if (this.#ordered.deadline <= now) this.#ordered.tick(now);
    this.#endTurn();
  }

  receive(socket: SimChannel, bytes: Uint8Array, now: number): void {
    if (this.#hasEnded) return;
    this.#now = now;
    if (this.#isBehind && socket !== "token") this.#wait(socket, bytes);
    else this.#take(socket, bytes);
    this.#endTurn();
  }

  apply(change: Change, now: number): void {
    if (this.#hasEnded) return;
    this.#now = now;
    const node = this.info.id;
    this.#tell({ kind: "applying", node });
    this.#node.apply(change, now);
    this.#learnFacts();
    const members = this.#timelyMembers();
    const changed = new Set([...this.#members.keys(), ...members.keys()]);
    for (const group of changed) {
      const [before, after] = [this.#members.get(group), members.get(group)];
      const name = this.#node.views.groups.get(group)?.name ?? "";
      if (after?.join() === before?.join()) continue;
      const machines = this.#machinesOf(group);
      this.#tell({ kind: "members", node, group, name, members: after, view: this.#node.views.n, machines });
    }
    this.#members = members;
    this.#timely.apply(this.#node.views, change, now);
    this.#tell({ kind: "applied", node });
    this.#ordered.apply(this.#node.views.n, (group) => this.#timely.membersOf(group), now);
    this.#endTurn();
  }

  /** The application sends a message, if the node is in the group by then. */
  send(name: string, bytes: number, now: number): void {
    if (this.#hasEnded) return;
    this.#now = now;
    const { id } = this.info;
    const view = [...this.#node.views.groups.values()].find((group) => group.name === name);
    if (view === undefined) return;
    const { group } = view;
    const repairs = this.#plans.get(name)?.repairs;
    const bodyBytesMax = repairs === undefined ? Infinity : this.#timely.payloadBytesMax(repairs);
    const bytesMax = this.#ordered.has(group) ? PlatoGroup.payloadBytesMax(bodyBytesMax) : bodyBytesMax;
    const payload = encodePayload(messageNumber(this.#number, ++this.#counter), Math.min(bytes, bytesMax));
    if (this.#ordered.has(group)) {
      if (!this.#ordered.isHeldBack(group)) this.#ordered.send(group, payload, now);
    } else if (this.#timely.has(group)) this.#timely.send(group, payload, now);
    else if (this.#node.group(group) !== undefined) {
      this.#tell({ kind: "cast", node: id, group, payload });
      this.#node.send(group, payload, this.#counter, now);
    }
    this.#endTurn();
  }

  /** What comes is not processed from now on, or is again. */
  hold(isHeld: boolean, now: number): void {
    if (this.#hasEnded || isHeld === this.#isBehind) return;
    this.#now = now;
    this.#tell({ kind: "behind", node: this.info.id, isBehind: isHeld });
    this.#behindSince = isHeld ? now : undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { socket, bytes } of waiting) this.#take(socket, bytes);
    this.#timely.behind(isHeld, now);
    this.#endTurn();
  }

  expelled(settled: readonly SettledStream[]): void {
    this.#node.expelled(settled);
    this.#hasEnded = true;
  }

  remains(): TimelyRemains {
    return {
      node: this.info.id,
      missing: (this.#timely.figures().timelyMissing ?? 0) + this.#timely.unsettled,
      isAtRest: this.#ordered.deadline === Number.POSITIVE_INFINITY,
    };
  }

  // ---- what comes -------------------------------------------------------------------------------------------------

  get #isBehind(): boolean {
    return this.#behindSince !== undefined;
  }

  get #hasRepairsWaiting(): boolean {
    return this.#isBehind && this.#waiting.some(({ socket }) => socket === "repair");
  }

  #wait(socket: SimChannel, bytes: Uint8Array): void {
    if (this.#waiting.length < BEHIND_PACKETS_MAX) this.#waiting.push({ socket, bytes });
  }

  /** Repairs do not wait for ever. */
  #takeRepairs(): void {
    if (!this.#hasRepairsWaiting || this.#now < (this.#behindSince as number) + REPAIRS_WAIT_MS) return;
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(({ socket }) => socket !== "repair");
    this.#timely.behind(true, this.#now);
    for (const { socket, bytes } of waiting) if (socket === "repair") this.#take(socket, bytes);
  }

  #take(socket: SimChannel, bytes: Uint8Array): void {
    if (!isTimely(bytes)) {
      this.#node.receive(channelOf(socket, bytes), bytes, this.#now);
      return;
    }
    if (kindOf(bytes) === NodeKind.timelyRepair) this.#tell({ kind: "repaired", node: this.info.id });
    this.#timely.receive(bytes, this.#now);
  }

  /** What is known of its groups beside their members: here at once with the first view. */
  #learnFacts(): void {
    for (const { group, name } of this.#node.views.groups.values()) {
      const plan = this.#plans.get(name);
      if (plan?.repairs === undefined || this.#timely.has(group) || !this.#membersOf(group).includes(this.info.id)) {
        continue;
      }
      this.#timely.set(group, plan.repairs);
      if (plan.order === undefined) continue;
      this.#ordered.set(group, plan.order === "optimistic", this.#timely.payloadBytesMax(plan.repairs), this.#now);
    }
  }

  #timelyMembers(): Map<GroupNumber, readonly NodeId[]> {
    const all = new Map<GroupNumber, readonly NodeId[]>();
    for (const group of this.#node.views.groups.keys()) {
      const members = this.#timely.has(group) ? this.#membersOf(group) : [];
      if (members.includes(this.info.id)) all.set(group, members);
    }
    return all;
  }

  /** As its views say, ascending. */
  #membersOf(group: GroupNumber): readonly NodeId[] {
    const members = this.#regionsOf(group).flatMap((view) =>
      view.members.map(({ id }) => id).filter((id) => !absentOf(view, id).includes(group)),
    );
    return members.sort((a, b) => a - b);
  }

  #machinesOf(group: GroupNumber): ReadonlyMap<NodeId, number> {
    const infos = this.#regionsOf(group).flatMap(({ members }) => members);
    return new Map(infos.map(({ id, address }) => [id, machineOf(address.host)]));
  }

  #regionsOf(group: GroupNumber): readonly RegionView[] {
    const { groups, regions } = this.#node.views;
    return (groups.get(group)?.regions ?? []).flatMap((id) => regions.get(id) ?? []);
  }

  #endTurn(): void {
    this.#ordered.pump(this.#now);
    this.#node.relays = !this.#network.canMulticast;
    this.#node.flush(this.#now);
  }

  // ---- what it is made of -----------------------------------------------------------------------------------------

  #nodeOutbox(reports: NodeReports, random: Random): NodeOutbox {
    const node = this.info.id;
    return {
      multicast: (address, bytes, members) => this.#multicast(address, bytes, members),
      unicast: (to, channel, bytes) => this.#network.unicast(machineOf(to.host), socketOf(channel), bytes),
      relay: (to, bytes) => this.#toEach(to, bytes),
      listen: (address) => this.#network.listen(address),
      unlisten: (address) => this.#network.unlisten(address),
      deliver: (group, sender, payload) => this.#tell({ kind: "deliver", node, group, sender, payload }),
      lost: () => {},
      view: () => {},
      left: () => {},
      stable: () => {},
      writable: () => {},
      ...reports,
      random: () => random.unit(),
    };
  }

  #newTimely(config: ConstructorParameters<typeof TimelyGroups>[0], random: Random): TimelyGroups {
    const node = this.info.id;
    return new TimelyGroups(
      config,
      {
        multicast: (address, bytes, members) => {
          if (kindOf(bytes) === NodeKind.timelyData) {
            const id = { sender: node, group: timelyGroupOf(bytes), seq: timelySeqOf(bytes) };
            this.#tell({ kind: "packet", node, id, bytes });
          }
          this.#multicast(address, bytes, members);
        },
        unicast: (to, channel, bytes) => {
          const machine = machineOf(to.host);
          if (kindOf(bytes) === NodeKind.timelyRepair) {
            const repair = decodeRepair(bytes);
            assert(repair !== undefined, "a node can read the repairs that it sends");
            this.#tell({ kind: "repair", node, machine, repair });
          }
          this.#network.unicast(machine, socketOf(channel), bytes);
        },
        deliver: (id, payload, how, now, waitedMs) => {
          this.#tell({ kind: "arrive", node, id, payload, how });
          if (how === "sent") return;
          const { group, sender, seq } = id;
          this.#ordered.receive(group, sender, seq, payload, how === "received" ? undefined : waitedMs, now);
        },
        told: (from, group, body, now) => this.#ordered.receiveFrom(group, from, body, now),
        lost: (first, _now, count) => this.#tell({ kind: "lost", node, first, count }),
        random: () => random.unit(),
      },
      this.#now,
    );
  }

  #newOrdered(plato: TimelySettings["plato"]): OrderedGroups {
    const node = this.info.id;
    return new OrderedGroups(
      { ...platoDefaults, ...plato, me: node },
      {
        multicast: (group, bytes) => {
          const { seq } = this.#timely.send(group, bytes, this.#now);
          const body = decodePlato(bytes);
          assert(body !== undefined, "a member can read what it says");
          if (body.kind === "message") {
            this.#tell({ kind: "submit", node, group, id: { sender: node, seq }, payload: body.payload });
          } else this.#tell({ kind: "said", node, group, body });
          return seq;
        },
        unicast: (group, to, body) => this.#timely.tell(group, to, body),
        deliver: (group, message) => this.#tell({ kind: "show", node, group, message }),
        commit: (group, position) => this.#tell({ kind: "commit", node, group, position }),
        rollback: (group, position) => this.#tell({ kind: "rollback", node, group, position }),
      },
    );
  }

  #multicast(address: number, bytes: Uint8Array, members: readonly NodeInfo[]): void {
    if (this.#network.canMulticast) this.#network.multicast(address, bytes);
    else this.#toEach(members, bytes);
  }

  #toEach(members: readonly NodeInfo[], bytes: Uint8Array): void {
    for (const { id, address } of members) {
      if (id !== this.info.id) this.#network.unicast(machineOf(address.host), "data", bytes);
    }
  }
}

function isTimely(bytes: Uint8Array): boolean {
  return headFault(bytes) === undefined && isTimelyKind(kindOf(bytes));
}

function socketOf(channel: NodeChannel): SimChannel {
  return channel === "control" ? "token" : channel;
}
