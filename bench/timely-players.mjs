/*
 * All members of a timely group but one, in one process, for bench/timely.ts: what they send each other stays here, and only what is for the one
 * that is measured goes over the network. So that one gets what it would get of seven processes, on a machine that could not run them. Arguments: JSON
 * of { members, measured, pool, repairs, timely, loss }; with loss { share } each of them loses so much of what comes from the others here. Told what to
 * do as timely-process.mjs is.
 */
import { NodeHost } from "../dist/host/node-host.js";
import { NodeSockets } from "../dist/host/node-sockets.js";
import { nodeDefaults } from "../dist/qsm/config.js";

const GROUP = 1;
const REGION = 1_000;
const { members, measured, pool, repairs, timely, loss } = JSON.parse(process.argv[2]);

/** A member's network: the others of this process at the end of the turn, the measured one over sockets of its own. */
class Player {
  canMulticast = true;
  receiveBufferBytes = 0;
  unsent = 0;
  isBehind = false;
  #sockets;
  #waiting = [];

  constructor(address, sockets) {
    this.address = address;
    this.#sockets = sockets;
  }

  get room() {
    return this.#sockets.room;
  }

  start(receive, onRoom) {
    this.receive = receive;
    this.#sockets.start(receive, onRoom);
  }

  multicast(index, bytes) {
    for (const player of players) if (player !== this) player.carry("data", bytes);
    this.#sockets.multicast(index, bytes);
  }

  unicast(to, channel, bytes) {
    const player = players.find(({ address }) => address.controlPort === to.controlPort);
    if (player === undefined) this.#sockets.unicast(to, channel, bytes);
    else player.carry(channel, bytes);
  }

  carry(channel, bytes) {
    if (this.#waiting.push([channel, bytes]) > 1) return;
    setImmediate(() => {
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const one of waiting) if (!(Math.random() < (loss?.share ?? 0))) this.receive(...one);
    });
  }

  flush() {
    this.#sockets.flush();
  }

  loopBack() {}
  listen() {}
  unlisten() {}
  async close() {}
}

const others = members.filter(({ id }) => id !== measured);
const players = [];
for (const { address } of others) {
  players.push(new Player(address, await NodeSockets.open({ ...address, multicast: pool })));
}
const nothing = () => {};
const hosts = others.map(({ id }, i) => {
  const node = new NodeHost(
    { ...nodeDefaults, me: id, cluster: 77 },
    players[i],
    {
      ...Object.fromEntries(["deliver", "lost", "view", "left", "stable", "writable"].map((name) => [name, nothing])),
      ...Object.fromEntries(["retired", "inquire", "settled"].map((name) => [name, nothing])),
      installed: () => node.setTimely(GROUP, repairs),
      timely: { deliver: nothing, lost: nothing },
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
  return node;
});

const now = () => performance.now();
let flooding;
process.on("disconnect", () => process.exit(0));
process.on("message", ({ kind, rate, bytes }) => {
  if (kind === "stop") clearTimeout(flooding);
  if (kind === "flood") flood(rate, bytes);
  process.send({ kind, sent: hosts[0].timely.statistics.sent });
});

function flood(rate, bytes) {
  let nextAt = now();
  const tick = () => {
    for (let burst = 0; nextAt <= now() && burst < 64; burst++) {
      const payload = new Uint8Array(bytes);
      new DataView(payload.buffer).setFloat64(0, Number(process.hrtime.bigint()) / 1e6);
      hosts[0].sendTimely(GROUP, payload);
      nextAt += 1_000 / rate;
    }
    flooding = setTimeout(tick, 1);
  };
  tick();
}
process.send({ kind: "started" });
