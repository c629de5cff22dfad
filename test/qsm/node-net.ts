import type { GroupNumber, NodeId } from "../../src/base/ids.ts";
import { Random } from "../../src/base/random.ts";
import { NO_CHANGE } from "../../src/cms/no-change.ts";
import type { Change, GroupView, NodeInfo, WholeRegionView } from "../../src/cms/views.ts";
import { type NodeConfig, nodeDefaults } from "../../src/qsm/config.ts";
import { Node } from "../../src/qsm/node.ts";
import type { NodeChannel } from "../../src/qsm/outbox.ts";
import { kindOf, NodeKind } from "../../src/wire/region/head.ts";

type Delivered = { readonly group: GroupNumber; readonly sender: NodeId; readonly text: string };

/** A node of the net, with what it has told its application. */
export type NetNode = {
  readonly node: Node;
  readonly info: NodeInfo;
  readonly delivered: Delivered[];
  readonly lost: { readonly sender: NodeId; readonly count: number }[];
  readonly stable: number[];
  readonly installed: { readonly n: number; readonly sealed: readonly { readonly last: number }[] }[];
  readonly retired: string[];
  readonly inquired: (readonly NodeId[])[];
  isUp: boolean;
};

type Event = { readonly at: number; readonly order: number; readonly run: () => void };

/** Nodes joined by a network with loss, told of views by the test. Time is simulated. */
export class NodeNet {
  readonly nodes = new Map<NodeId, NetNode>();
  /** What is lost of each channel: a chance, or a rule. */
  loses: (from: NodeId, to: NodeId, channel: NodeChannel, bytes: Uint8Array) => boolean = () => false;
  latencyMs = 0.1;
  /** What data and repairs wait in sockets, while control is taken at once. */
  waitingMs = 0;
  sent = { control: 0, repair: 0, data: 0 };
  multicasts = 0;
  now = 0;
  readonly random: Random;
  readonly #config: Partial<NodeConfig>;
  readonly #heap: Event[] = [];
  readonly #listeners = new Map<number, Set<NodeId>>();
  readonly #wakeups = new Map<NodeId, number>();
  #order = 0;

  constructor(seed: number, config: Partial<NodeConfig> = {}) {
    this.random = new Random(seed);
    this.#config = config;
  }

  add(id: NodeId): NetNode {
    const address = { host: `n${id}`, controlPort: 1, repairPort: 2, dataPort: 3 };
    const info: NodeInfo = { id, name: `#n${id}#d`, address };
    const decoder = new TextDecoder();
    const record: Omit<NetNode, "node"> = {
      info,
      delivered: [],
      lost: [],
      stable: [],
      installed: [],
      retired: [],
      inquired: [],
      isUp: true,
    };
    const node = new Node(
      { ...nodeDefaults, ...this.#config, me: id, cluster: 7 },
      {
        multicast: (to, bytes) => {
          this.sent.data++;
          // How far a stream goes is told to all by its sender.
          if (kindOf(bytes) !== NodeKind.regionLast) this.multicasts++;
          for (const other of this.#listeners.get(to) ?? []) if (other !== id) this.#carry(id, other, "data", bytes);
        },
        unicast: (to, channel, bytes) => {
          this.sent[channel]++;
          this.#carry(id, Number(to.host.slice(1)), channel, bytes);
        },
        relay: (to, bytes) => {
          this.sent.data += to.length;
          for (const info of to) this.#carry(id, info.id, "data", bytes);
        },
        listen: (to) => {
          const set = this.#listeners.get(to) ?? new Set();
          this.#listeners.set(to, set.add(id));
        },
        unlisten: (to) => this.#listeners.get(to)?.delete(id),
        deliver: (group, sender, payload) => record.delivered.push({ group, sender, text: decoder.decode(payload) }),
        lost: (_groups, sender, count) => record.lost.push({ sender, count }),
        view: () => {},
        left: () => {},
        stable: (number) => record.stable.push(number),
        writable: () => {},
        installed: (n, sealed) => record.installed.push({ n, sealed }),
        retired: ({ region, view }) => record.retired.push(`${region}.${view}`),
        inquire: (nodes) => record.inquired.push(nodes),
        settled: () => {},
        random: () => this.random.unit(),
      },
      this.now,
    );
    const netNode: NetNode = Object.assign(record, { node });
    this.nodes.set(id, netNode);
    return netNode;
  }

  get(id: NodeId): NetNode {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  apply(id: NodeId, change: Change): void {
    this.get(id).node.apply(change, this.now);
    this.#settle(id);
  }

  send(from: NodeId, group: GroupNumber, text: string, number = 0): void {
    this.get(from).node.send(group, new TextEncoder().encode(text), number, this.now);
    this.#settle(from);
  }

  kill(id: NodeId): void {
    this.get(id).isUp = false;
  }

  after(ms: number, run: () => void): void {
    this.#push(this.now + ms, run);
  }

  run(ms: number): void {
    const end = this.now + ms;
    for (let first = this.#heap[0]; first !== undefined && first.at <= end; first = this.#heap[0]) {
      this.#pop();
      this.now = Math.max(this.now, first.at);
      first.run();
    }
    this.now = end;
  }

  #carry(from: NodeId, to: NodeId, channel: NodeChannel, bytes: Uint8Array): void {
    if (this.loses(from, to, channel, bytes)) return;
    const waitingMs = channel === "control" ? 0 : this.waitingMs;
    this.#push(this.now + waitingMs + this.latencyMs * (1 + this.random.unit() / 10), () => {
      const target = this.nodes.get(to);
      if (target === undefined || !target.isUp) return;
      target.node.receive(channel, bytes, this.now);
      this.#settle(to);
    });
  }

  /** The end of a node's turn. */
  #settle(id: NodeId): void {
    const { node, isUp } = this.get(id);
    if (!isUp) return;
    node.flush(this.now);
    const at = node.deadline;
    if (!Number.isFinite(at) && at > 0) return;
    const due = Math.max(this.now, at);
    if ((this.#wakeups.get(id) ?? Number.POSITIVE_INFINITY) <= due && (this.#wakeups.get(id) ?? 0) >= this.now) return;
    this.#wakeups.set(id, due);
    this.#push(due, () => {
      this.#wakeups.delete(id);
      if (!this.get(id).isUp) return;
      node.tick(this.now);
      this.#settle(id);
    });
  }

  #push(at: number, run: () => void): void {
    const heap = this.#heap;
    heap.push({ at, order: this.#order++, run });
    for (let i = heap.length - 1; i > 0; ) {
      const parent = (i - 1) >> 1;
      if (!isBefore(heap[i] as Event, heap[parent] as Event)) break;
      [heap[i], heap[parent]] = [heap[parent] as Event, heap[i] as Event];
      i = parent;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    heap[0] = last;
    for (let i = 0; ; ) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < heap.length && isBefore(heap[child] as Event, heap[least] as Event)) least = child;
      }
      if (least === i) return;
      [heap[i], heap[least]] = [heap[least] as Event, heap[i] as Event];
      i = least;
    }
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** A region view of these nodes with these groups, and the first change that tells of it. */
export function firstChange(view: WholeRegionView): Change {
  const groups: GroupView[] = view.groups.map((group, place) => ({
    group,
    name: `g${group}`,
    view: 1,
    regions: [view.id.region],
    places: [place],
  }));
  return { ...NO_CHANGE, seq: 1, n: 1, regionsCreated: [view], groupsCreated: groups };
}
