/*
 * Nodes of a region in one process, for bench/qsm.ts: told what to do by its parent, and no membership service. Arguments: the address of
 * this host. With AMALGAM_PROFILE=folder it writes a CPU profile of the time between two counts there.
 *
 * Asked and answered, each by its kind:
 *   open     { nodes, ports, pool, config, loss, classes }  makes nodes; with loss { share, burst } each of them drops what arrives, in bursts
 *   apply    { change }                            for all nodes here; answered when all have installed it, with what they sealed
 *   views    { members, groups, isShared }         applies the first change: one region of all groups, or a region for each group
 *   flood    { node, bytes, groups, pieces }       sends as much as the node takes, to one group after the other
 *   stop     { drains }                            answered when everything that was sent is stable; with `drains`, also what waited
 *   count    {}                                    what has happened so far
 *   memory   {}                                    after a collection
 */
import { readFileSync, writeFileSync } from "node:fs";
import { Session } from "node:inspector";
import { chooseDatagrams, wantedDatagrams } from "../dist/host/datagrams.js";
import { NodeHost } from "../dist/host/node-host.js";
import { NodeSockets } from "../dist/host/node-sockets.js";
import { nodeDefaults } from "../dist/qsm/config.js";
import { seqOf } from "../dist/wire/region/data.js";
import { kindOf, NodeKind, originOf, packetAt } from "../dist/wire/region/head.js";

const [host] = process.argv.slice(2);
const datagrams = chooseDatagrams(wantedDatagrams(process.env.AMALGAM_DATAGRAMS), [host]);
const SAMPLE_MS = 20;
const REGION = 1_000;

/** By id. */
const stations = new Map();
let sending;
process.on("disconnect", () => process.exit(0));
process.on("message", (message) => void answer(message));

async function answer(message) {
  const { kind } = message;
  process.send({ kind, ...(await ANSWERS[kind](message)) });
}

const ANSWERS = {
  async open({ nodes, ports, pool, config, loss, classes }) {
    for (const [i, id] of nodes.entries()) {
      const [controlPort, repairPort, dataPort] = ports[i];
      const { native } = await datagrams;
      const options = { host, controlPort, repairPort, dataPort, multicast: pool, native };
      const sockets = await NodeSockets.open(options);
      stations.set(id, new Station(id, sockets, config, loss, classes));
    }
  },
  async views({ members, groups, isShared }) {
    const change = firstChange(members, groups, isShared);
    await Promise.all([...stations.values()].map((station) => station.apply(change)));
  },
  async apply({ change }) {
    const sealed = await Promise.all(
      [...stations.values()].map(async (station) => ({ node: station.id, sealed: await station.apply(change) })),
    );
    return { sealed };
  },
  flood({ node, bytes, groups }) {
    sending = stations.get(node);
    sending.flood(bytes, groups);
  },
  async stop({ drains }) {
    sending.isFlooding = false;
    const { node } = sending.host;
    const last = node.senders.map((sender) => [sender, sender.last]);
    const isStable = () => (drains ? sending.isStable : last.every(([sender, seq]) => sender.stable >= seq));
    const giveUpAt = performance.now() + 20_000;
    while (!isStable() && performance.now() < giveUpAt) await sleep(20);
    return { isStable: isStable() };
  },
  count() {
    profile();
    return {
      at: performance.now(),
      cpu: process.cpuUsage(),
      memory: process.memoryUsage(),
      socketDrops: socketDrops(),
      nodes: [...stations.values()].map((station) => station.count()),
    };
  },
  async memory() {
    for (let i = 0; i < 4; i++) {
      globalThis.gc();
      await sleep(50);
    }
    return { memory: process.memoryUsage() };
  },
};

class Station {
  received = 0;
  bytes = 0;
  lost = 0;
  isFlooding = false;
  sent = 0;
  stable = 0;
  roundTrips = [];
  /** Messages received by the time of day, for who wants to know how evenly. */
  timeline = [];
  repairsSeen = { rounds: [], ms: [] };
  #missing = new Map();
  #lastRoundTrip = 0;
  #installed = [];
  #payload;
  #groups = 1;

  constructor(id, sockets, config, loss, classes) {
    this.id = id;
    this.sockets = sockets;
    if (loss !== undefined) this.#dropSome(sockets, loss);
    const fill = () => {
      if (this.isFlooding) this.#fill();
    };
    const application = {
      deliver: (_group, _sender, payload) => {
        this.received++;
        this.bytes += payload.length;
      },
      lost: (_groups, _sender, count) => {
        this.lost += count;
      },
      view: () => {},
      left: () => {},
      stable: () => {
        this.stable++;
      },
      writable: fill,
      installed: (_n, sealed) => this.#installed.shift()?.(sealed),
      retired: () => {},
      inquire: () => {},
      settled: () => {},
      expelled: () => {},
    };
    this.host = new NodeHost({ ...nodeDefaults, ...config, me: id, cluster: 77 }, sockets, application, { classes });
    setInterval(() => this.#sample(), SAMPLE_MS);
  }

  get isStable() {
    return this.stable === this.sent;
  }

  apply(change) {
    return new Promise((resolve) => {
      this.#installed.push(resolve);
      this.host.apply(change);
    });
  }

  flood(bytes, groups) {
    this.#payload = new Uint8Array(bytes).fill(0x61);
    this.#groups = groups;
    this.isFlooding = true;
    this.#fill();
  }

  count() {
    const { node } = this.host;
    const sum = { pushed: 0, pulled: 0, waited: 0, duplicates: 0, naks: 0, keptPackets: 0, keptBytes: 0 };
    let rounds = 0;
    for (const region of node.regions) {
      const { counters } = region;
      sum.pushed += counters.pushed;
      sum.pulled += counters.pulled + counters.pulledElsewhere;
      sum.waited += counters.forwardedLate;
      sum.duplicates += counters.redundant;
      sum.naks += counters.naks;
      rounds += region.ring.round;
      for (const { kept } of region.streams.values()) {
        sum.keptPackets += kept.packets;
        sum.keptBytes += kept.bytes;
      }
    }
    let last = 0;
    let resent = 0;
    for (const sender of node.senders) {
      last += sender.last;
      resent += sender.resentCount;
    }
    const { roundTrips, timeline, repairsSeen } = this;
    this.roundTrips = [];
    this.timeline = [];
    this.repairsSeen = { rounds: [], ms: [] };
    return {
      id: this.id,
      received: this.received,
      bytes: this.bytes,
      lost: this.lost,
      sent: this.sent,
      last,
      resent,
      rounds,
      ...sum,
      ...this.sockets.counters,
      dropped: this.host.dropped,
      unrepaired: this.#missing.size,
      delay: this.host.loopDelayMs,
      roundTrips,
      timeline,
      repairsSeen,
    };
  }

  #fill() {
    for (let more = true; more && this.isFlooding; ) {
      this.sent++;
      more = this.host.send(1 + (this.sent % this.#groups), this.#payload, this.sent);
    }
  }

  #sample() {
    this.timeline.push([Date.now(), this.received]);
    let count = 0;
    for (const region of this.host.node.regions) {
      // Where there are thousands of them, some are enough.
      if (++count > 16) return;
      if (!region.isLeader) return;
      const { roundTripMs } = region.ring;
      if (roundTripMs > 0 && roundTripMs !== this.#lastRoundTrip) this.roundTrips.push(roundTripMs);
      this.#lastRoundTrip = roundTripMs;
    }
  }

  /** Loses a share of what arrives, so many datagrams in a row, and notes when that of data was repaired. */
  #dropSome(sockets, { share, burst }) {
    const start = sockets.start.bind(sockets);
    let left = 0;
    sockets.start = (receive, onRoom) =>
      start((channel, joined) => {
        for (const bytes of packetsIn(joined)) {
          if (left === 0 && Math.random() < share / burst / (1 - share)) left = burst;
          const isDropped = left > 0;
          if (isDropped) left--;
          this.#note(channel, bytes, isDropped);
          if (!isDropped) receive(channel, bytes);
        }
      }, onRoom);
  }

  #note(channel, bytes, isDropped) {
    const kind = kindOf(bytes);
    if (kind !== NodeKind.regionData && kind !== NodeKind.regionResent) return;
    const key = `${originOf(bytes)} ${seqOf(bytes)}`;
    const [region] = this.host.node.regions;
    const round = region?.ring.round ?? 0;
    const now = performance.now();
    if (isDropped) {
      if (channel === "data" && kind === NodeKind.regionData) this.#missing.set(key, { round, at: now });
      return;
    }
    const missing = this.#missing.get(key);
    if (missing === undefined) return;
    this.#missing.delete(key);
    this.repairsSeen.rounds.push(round - missing.round);
    this.repairsSeen.ms.push(now - missing.at);
  }
}

function firstChange(members, count, isShared) {
  const numbers = Array.from({ length: count }, (_, i) => i + 1);
  const view = (region) => ({ id: { region, view: 1 }, address: 0, members });
  return {
    seq: 1,
    n: 1,
    failed: [],
    viewsFailed: [],
    regionsCreated: isShared ? [view(REGION)] : numbers.map((group) => view(REGION + group)),
    regionsChanged: [],
    regionsDeleted: [],
    groupsCreated: numbers.map((group) => ({
      group,
      name: `g${group}`,
      view: 1,
      regions: [isShared ? REGION : REGION + group],
      places: [isShared ? group - 1 : 0],
    })),
    groupsChanged: [],
    groupsDeleted: [],
    finals: [],
  };
}

/** One datagram, or several that the kernel has joined. */
function packetsIn(bytes) {
  const packets = [];
  for (let at = 0; at < bytes.length; at += packets.at(-1).length) packets.push(packetAt(bytes, at));
  return packets;
}

/** Datagrams that this host's kernel dropped because a socket's buffer was full. */
function socketDrops() {
  const [head, values] = readFileSync("/proc/net/snmp", "utf8")
    .split("\n")
    .filter((line) => line.startsWith("Udp:"))
    .map((line) => line.split(" "));
  return Number(values[head.indexOf("RcvbufErrors")]);
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

let inspector;
function profile() {
  const folder = process.env.AMALGAM_PROFILE;
  if (folder === undefined) return;
  if (inspector === undefined) {
    inspector = new Session();
    inspector.connect();
    inspector.post("Profiler.enable");
    inspector.post("Profiler.setSamplingInterval", { interval: 200 });
    inspector.post("Profiler.start");
  } else {
    inspector.post("Profiler.stop", (_error, { profile: result }) =>
      writeFileSync(`${folder}/qsm-${[...stations.keys()].join("-")}.cpuprofile`, JSON.stringify(result)),
    );
    inspector.disconnect();
    inspector = undefined;
  }
}
process.send({ kind: "started" });
