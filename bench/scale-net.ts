import type { NodeId } from "../src/base/ids.ts";
import { Random } from "../src/base/random.ts";
import { NO_CHANGE } from "../src/cms/no-change.ts";
import type { Change, NodeInfo, RegionView } from "../src/cms/views.ts";
import { type NodeConfig, nodeDefaults } from "../src/qsm/config.ts";
import { Node } from "../src/qsm/node.ts";
import type { NodeChannel } from "../src/qsm/outbox.ts";
import { EventQueue } from "../src/sim/event-queue.ts";
import { kindOf, NodeKind } from "../src/wire/region/head.ts";
import { decodeLinkData } from "../src/wire/region/link.ts";

/**
 * What a datagram costs its sender and its receiver, ms, as in the cost model of `src/sim/load`; a hop of the token is then half a
 * millisecond. Data costs time, too, but there is so little of it here that it waits for nothing.
 */
const COST_MS = { control: 0.2, repair: 0.06 } as const;
const WAKE_MS = 0.1;
const LATENCY_MS = 0.05;
/** First byte of a token on a link. */
const TOKEN = 1;

type Place = {
  readonly node: Node;
  readonly info: NodeInfo;
  isUp: boolean;
  busyUntil: number;
  dueAt: number;
  controls: number;
};

/** One region of very many real nodes over a network that loses datagrams. A multicast is one event. Simulated time, in ms. */
export class ScaleNet {
  readonly places: Place[] = [];
  readonly view: RegionView;
  readonly counts = {
    data: 0,
    lost: 0,
    control: 0,
    controlBytes: 0,
    repair: 0,
    tokens: 0,
    tokenBytes: 0,
    tokenBytesMax: 0,
  };
  /** When messages became stable at their sender, by number. */
  readonly stableAt = new Map<number, number>();
  delivered = 0;
  lossShare = 0;
  readonly #random: Random;
  readonly #events = new EventQueue();

  constructor(size: number, seed: number, config: Partial<NodeConfig>) {
    this.#random = new Random(seed);
    const members = Array.from({ length: size }, (_, i): NodeInfo => {
      return { id: i + 1, name: `#n${i + 1}`, address: { host: "", controlPort: i, repairPort: i, dataPort: i } };
    });
    this.view = { id: { region: 1, view: 1 }, address: 0, members };
    for (const info of members) {
      const node = new Node({ ...nodeDefaults, ...config, me: info.id, cluster: 7 }, this.#outbox(info), 0);
      this.places.push({ node, info, isUp: true, busyUntil: 0, dueAt: Number.POSITIVE_INFINITY, controls: 0 });
    }
    const first: Change = {
      ...NO_CHANGE,
      seq: 1,
      n: 1,
      regionsCreated: [this.view],
      groupsCreated: [{ group: 1, name: "g", view: 1, regions: [1], places: [0] }],
    };
    for (const place of this.places) this.#turn(place, () => place.node.apply(first, 0));
  }

  get now(): number {
    return this.#events.now;
  }

  at(time: number, action: () => void): void {
    this.#events.push(time, ACTION, 0, 0, undefined, action);
  }

  runTo(time: number): void {
    const events = this.#events;
    for (let event = events.pop(time); event !== undefined; event = events.pop(time)) {
      event.target.fire(event);
    }
    events.advance(time);
  }

  send(from: NodeId, bytes: number, number: number): void {
    const place = this.#place(from);
    this.#turn(place, () => place.node.send(1, new Uint8Array(bytes), number, this.now));
  }

  crash(node: NodeId): void {
    this.#place(node).isUp = false;
  }

  /** The membership service says that a node has failed; in the same view, as before the next one comes. */
  declareFailed(node: NodeId): void {
    const change = { ...NO_CHANGE, seq: 2, n: 2, failed: [node], viewsFailed: [{ id: this.view.id, nodes: [node] }] };
    for (const place of this.places) if (place.isUp) this.#turn(place, () => place.node.apply(change, this.now));
  }

  #place(node: NodeId): Place {
    const place = this.places[node - 1];
    if (place === undefined) throw new Error(`no node ${node}`);
    return place;
  }

  #loses(): boolean {
    return this.lossShare > 0 && this.#random.chance(this.lossShare);
  }

  #outbox(info: NodeInfo): ConstructorParameters<typeof Node>[1] {
    return {
      multicast: (_address, bytes) => {
        this.counts.data++;
        this.at(this.now + LATENCY_MS, () => {
          for (const place of this.places) {
            if (place.info.id === info.id || !place.isUp) continue;
            if (this.#loses()) this.counts.lost++;
            else this.#turn(place, () => place.node.receive("data", bytes, this.now));
          }
        });
      },
      unicast: (to, channel, bytes) =>
        this.#unicast(this.#place(info.id), this.places[to.controlPort] as Place, channel, bytes),
      relay: () => {
        throw new Error("where there is multicast nothing is passed on");
      },
      listen: () => {},
      unlisten: () => {},
      deliver: () => void this.delivered++,
      lost: () => {},
      view: () => {},
      left: () => {},
      stable: (number) => this.stableAt.set(number, this.now),
      writable: () => {},
      installed: () => {},
      retired: () => {},
      inquire: () => {},
      settled: () => {},
      random: () => this.#random.unit(),
    };
  }

  #unicast(from: Place, to: Place, channel: NodeChannel, bytes: Uint8Array): void {
    const { counts } = this;
    if (channel !== "data") counts[channel]++;
    if (channel === "control") this.#count(from, to, bytes);
    const cost = channel === "data" ? 0 : COST_MS[channel];
    from.busyUntil = Math.max(from.busyUntil, this.now) + cost;
    if (this.#loses()) {
      if (channel !== "control") counts.lost++;
      return;
    }
    this.at(from.busyUntil + LATENCY_MS, () => {
      to.busyUntil = Math.max(to.busyUntil, this.now + WAKE_MS) + cost;
      this.at(to.busyUntil, () => {
        if (to.isUp) this.#turn(to, () => to.node.receive(channel, bytes, this.now));
      });
    });
  }

  #count(from: Place, to: Place, bytes: Uint8Array): void {
    from.controls++;
    to.controls++;
    this.counts.controlBytes += bytes.length;
    const piece = kindOf(bytes) === NodeKind.linkData ? decodeLinkData(bytes) : undefined;
    if (piece === undefined || piece.offset > 0 || piece.bytes[0] !== TOKEN) return;
    this.counts.tokens++;
    this.counts.tokenBytes += piece.total;
    this.counts.tokenBytesMax = Math.max(this.counts.tokenBytesMax, piece.total);
  }

  /** Something happens at a node, and then its turn ends. */
  #turn(place: Place, happen: () => void): void {
    happen();
    const { node } = place;
    node.flush(this.now);
    const due = Math.max(this.now, node.deadline);
    if (due === Number.POSITIVE_INFINITY || (place.dueAt <= due && place.dueAt >= this.now)) return;
    place.dueAt = due;
    this.at(due, () => {
      if (place.dueAt !== due || !place.isUp) return;
      place.dueAt = Number.POSITIVE_INFINITY;
      this.#turn(place, () => node.tick(this.now));
    });
  }
}

const ACTION = {
  fire: ({ action, at }: { readonly action: ((now: number) => void) | undefined; readonly at: number }): void =>
    action?.(at),
};
