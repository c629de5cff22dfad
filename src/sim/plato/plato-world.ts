import type { NodeId } from "../../base/ids.ts";
import { Random } from "../../base/random.ts";
import { type PlatoConfig, platoDefaults } from "../../plato/config.ts";
import type { OrderedMessage } from "../../plato/message.ts";
import { PlatoGroup } from "../../plato/plato-group.ts";
import { type TimelyConfig, timelyDefaults } from "../../ricochet/config.ts";
import { TimelyNode } from "../../ricochet/timely-node.ts";
import type { MessageId } from "../../wire/plato/bodies.ts";
import { EventQueue } from "../event-queue.ts";
import { type LossModel, LossState } from "../loss.ts";
import type { Latency } from "../network-model.ts";

/** What a totally ordered timely group runs on. */
export type PlatoWorldOptions = {
  readonly seed: number;
  readonly latency: Latency;
  /** At each receiver, of everything that comes there. */
  readonly loss: LossModel;
  /** (r, c) of Ricochet. */
  readonly packetsPerRepair: number;
  readonly repairs: number;
  readonly timely: Partial<TimelyConfig>;
  readonly plato: Partial<PlatoConfig>;
};

/** What a member hands over, in one stream. */
export interface PlatoObserver {
  deliver(member: PlatoMember, message: OrderedMessage, now: number): void;
  commit(member: PlatoMember, position: number, now: number): void;
  rollback(member: PlatoMember, position: number, now: number): void;
  /** A message came by the network, before anything else becomes of it. */
  arrive?(member: PlatoMember, id: MessageId, now: number): void;
}

/** Links kept apart in the models of loss. */
const NODES_MAX = 4_096;
const GROUP = 1;
/** What a socket holds while its process does not run, datagrams. */
const SOCKET_DATAGRAMS = 64;

/** One member. */
export class PlatoMember {
  readonly id: NodeId;
  readonly timely: TimelyNode;
  readonly plato: PlatoGroup;
  isUp = true;
  /** Hears nothing and is not heard until then. */
  cutUntil = 0;
  /** Does not run until then; what comes waits in its socket. */
  stalledUntil = 0;
  readonly socket: (() => void)[] = [];
  wakeAt = Number.POSITIVE_INFINITY;

  constructor(id: NodeId, timely: TimelyNode, plato: PlatoGroup) {
    this.id = id;
    this.timely = timely;
    this.plato = plato;
  }
}

/** The members of one group on a simulated network, each with its part of Ricochet and of the order. */
export class PlatoWorld {
  readonly members = new Map<NodeId, PlatoMember>();
  readonly random: Random;
  readonly #options: PlatoWorldOptions;
  readonly #observer: PlatoObserver;
  readonly #events = new EventQueue();
  readonly #loss = new LossState(NODES_MAX);
  readonly #target = { fire: (): void => {} };
  #nodes = 0;

  constructor(options: PlatoWorldOptions, observer: PlatoObserver) {
    this.#options = options;
    this.#observer = observer;
    this.random = new Random(options.seed);
  }

  get now(): number {
    return this.#events.now;
  }

  at(time: number, action: () => void): void {
    this.#events.push(Math.max(time, this.now), this.#target, 0, 0, undefined, action);
  }

  /** Until this time, ms. */
  run(until: number): void {
    for (let event = this.#events.pop(until); event !== undefined; event = this.#events.pop(until)) {
      event.action?.(event.at);
    }
    this.#events.advance(until);
  }

  /** A process that will be a member; ids ascend. */
  add(): PlatoMember {
    const id = ++this.#nodes;
    const chance = this.random.fork();
    const { timely: timelyOptions, plato: platoOptions } = this.#options;
    const timely = new TimelyNode(
      { ...timelyDefaults, ...timelyOptions, me: id, cluster: 1 },
      {
        multicast: (_group, bytes) => {
          for (const other of this.#listeners(member)) {
            this.#carry(member, other, (now) => other.timely.receive(bytes, now));
          }
        },
        unicast: (to, _channel, bytes) => {
          const other = this.members.get(to);
          if (other !== undefined) this.#carry(member, other, (now) => other.timely.receive(bytes, now));
        },
        deliver: ({ sender, seq }, payload, how, now, waitedMs) => {
          if (how === "sent") return;
          if (how === "received") this.#observer.arrive?.(member, { sender, seq }, now);
          plato.receive(sender, seq, payload, how === "received" ? undefined : waitedMs, now);
        },
        lost: () => {},
        random: () => chance.unit(),
      },
      this.now,
    );
    const plato = new PlatoGroup(
      { ...platoDefaults, ...platoOptions, me: id },
      {
        multicast: (body) => timely.send(GROUP, body, this.now).seq,
        unicast: (to, body) => {
          const other = this.members.get(to);
          if (other !== undefined) this.#carry(member, other, (now) => other.plato.receiveFrom(id, body, now));
        },
        deliver: (message) => this.#observer.deliver(member, message, this.now),
        commit: (position) => this.#observer.commit(member, position, this.now),
        rollback: (position) => this.#observer.rollback(member, position, this.now),
      },
      this.now,
    );
    const member: PlatoMember = new PlatoMember(id, timely, plato);
    this.members.set(id, member);
    return member;
  }

  /** The member hears of a view. */
  install(member: PlatoMember, view: number, members: readonly NodeId[], failed: ReadonlySet<NodeId>): void {
    const { packetsPerRepair, repairs } = this.#options;
    const shape = { group: GROUP, view, members, repairs, packetsPerRepair };
    member.timely.setGroups([shape], this.now, (node) => failed.has(node));
    member.plato.setView(view, members, this.now);
    this.wake(member);
  }

  send(member: PlatoMember, payload: Uint8Array): MessageId {
    const id = member.plato.send(payload, this.now);
    this.wake(member);
    return id;
  }

  /** It does not run for a while. */
  stall(member: PlatoMember, forMs: number): void {
    member.stalledUntil = Math.max(member.stalledUntil, this.now + forMs);
    this.at(member.stalledUntil, () => {
      if (member.stalledUntil > this.now) return;
      for (const take of member.socket.splice(0)) take();
      this.wake(member);
    });
  }

  /** The member's machines say when they want to be called. */
  wake(member: PlatoMember): void {
    const at = Math.max(Math.min(member.timely.deadline, member.plato.deadline), this.now);
    if (!Number.isFinite(at) || at >= member.wakeAt) return;
    member.wakeAt = at;
    this.at(at, () => {
      if (member.wakeAt !== at) return;
      member.wakeAt = Number.POSITIVE_INFINITY;
      if (!member.isUp || member.stalledUntil > this.now) return;
      member.timely.tick(this.now);
      member.plato.tick(this.now);
      this.wake(member);
    });
  }

  #listeners(sender: PlatoMember): PlatoMember[] {
    return [...this.members.values()].filter((member) => member !== sender && member.isUp);
  }

  #carry(from: PlatoMember, to: PlatoMember, take: (now: number) => void): void {
    if (!from.isUp || from.cutUntil > this.now || to.cutUntil > this.now) return;
    const { baseMs, jitterMs } = this.#options.latency;
    if (this.#loss.isLost(to.id, this.#options.loss, this.random, this.now)) return;
    this.at(this.now + baseMs + this.random.unit() * jitterMs, () => {
      const received = (): void => {
        if (!to.isUp) return;
        take(this.now);
        this.wake(to);
      };
      if (to.stalledUntil <= this.now) received();
      else if (to.socket.length < SOCKET_DATAGRAMS) to.socket.push(received);
    });
  }
}
