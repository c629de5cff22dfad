/*
 * A node of a timely group, for bench/timely.ts: told what to do by its parent, and no membership service. Arguments: JSON of { host, id, members,
 * pool, repairs, timely, loss }; with loss { share, burst } it drops what arrives, in bursts. With AMALGAM_PROFILE=folder it writes a CPU
 * profile of the time between two counts there.
 *
 *   flood  { rate, bytes }  sends so many packets per second, at random times, until `stop`
 *   stop   {}
 *   count  {}               what has happened so far; how long packets took that did not come by themselves since the last count
 */
import { readFileSync, writeFileSync } from "node:fs";
import { Session } from "node:inspector";
import { NodeHost } from "../dist/host/node-host.js";
import { NodeSockets } from "../dist/host/node-sockets.js";
import { nodeDefaults } from "../dist/qsm/config.js";

const GROUP = 1;
const REGION = 1_000;
const { host, id, members, pool, repairs, timely, loss } = JSON.parse(process.argv[2]);
const ports = { controlPort: 4_910, repairPort: 4_911, dataPort: 4_912 };
const sockets = await NodeSockets.open({ host, ...ports, multicast: pool });
if (loss !== undefined) dropSome(sockets, loss);

/** Milliseconds, on a clock that all processes of this machine share. */
const now = () => Number(process.hrtime.bigint()) / 1e6;
const latencies = { received: [], rebuilt: [], resent: [] };
const counts = { sent: 0, received: 0, rebuilt: 0, resent: 0, lost: 0 };
const node = new NodeHost(
  { ...nodeDefaults, me: id, cluster: 77 },
  sockets,
  {
    deliver: () => {},
    lost: () => {},
    view: () => {},
    left: () => {},
    stable: () => {},
    writable: () => {},
    installed: () => {
      node.setTimely(GROUP, repairs);
      process.send({ kind: "started" });
    },
    retired: () => {},
    inquire: () => {},
    settled: () => {},
    timely: {
      deliver: (_packet, payload, how) => {
        counts[how]++;
        if (how === "sent") return;
        // Of those that come by themselves a few are enough.
        if (how === "received" && counts.received % 50 !== 0) return;
        latencies[how].push(now() - new DataView(payload.buffer, payload.byteOffset).getFloat64(0));
      },
      lost: (_first, _now, count) => {
        counts.lost += count;
      },
    },
  },
  { timely },
);
node.apply({
  seq: 1,
  n: 1,
  failed: [],
  viewsFailed: [],
  regionsCreated: [{ id: { region: REGION, view: 1 }, address: 0, members }],
  regionsChanged: [],
  regionsDeleted: [],
  groupsCreated: [{ group: GROUP, name: "g", view: 1, regions: [REGION], places: [0] }],
  groupsChanged: [],
  groupsDeleted: [],
  finals: [],
});

let flooding;
const ANSWERS = {
  flood({ rate, bytes }) {
    let nextAt = now();
    const tick = () => {
      for (let burst = 0; nextAt <= now() && burst < 64; burst++) {
        const payload = new Uint8Array(bytes);
        new DataView(payload.buffer).setFloat64(0, now());
        node.sendTimely(GROUP, payload);
        nextAt += (-Math.log(1 - Math.random()) * 1_000) / rate;
      }
      flooding = setTimeout(tick, Math.max(0, nextAt - now()));
    };
    tick();
  },
  stop() {
    clearTimeout(flooding);
  },
  count() {
    profile();
    const told = { ...latencies };
    for (const how of Object.keys(latencies)) latencies[how] = [];
    return {
      at: performance.now(),
      cpu: process.cpuUsage(),
      memory: process.memoryUsage(),
      counts: { ...counts },
      latencies: told,
      statistics: { ...node.timely.statistics },
      decoding: { ...node.timely.decoding },
      heldBytes: node.timely.heldBytes,
      dropped: node.dropped,
      socketDrops: socketDrops(),
      errors: sockets.counters.errors,
    };
  },
};
process.on("disconnect", () => process.exit(0));
process.on("message", (message) => process.send({ kind: message.kind, ...ANSWERS[message.kind](message) }));

/** Loses a share of what arrives, so many datagrams in a row. */
function dropSome(network, { share, burst }) {
  const start = network.start.bind(network);
  let left = 0;
  network.start = (receive, onRoom) =>
    start((channel, bytes) => {
      if (left === 0 && Math.random() < share / burst / (1 - share)) left = burst;
      if (left > 0) left--;
      else receive(channel, bytes);
    }, onRoom);
}

/** Datagrams that this host's kernel dropped because a socket's buffer was full. */
function socketDrops() {
  const [head, values] = readFileSync("/proc/net/snmp", "utf8")
    .split("\n")
    .filter((line) => line.startsWith("Udp:"))
    .map((line) => line.split(" "));
  return Number(values[head.indexOf("RcvbufErrors")]);
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
      writeFileSync(`${folder}/timely-${id}.cpuprofile`, JSON.stringify(result)),
    );
    inspector.disconnect();
    inspector = undefined;
  }
}
