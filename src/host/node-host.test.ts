import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { takePorts } from "../../test/e2e/ports.ts";
import { firstChange } from "../../test/qsm/node-net.ts";
import type { GroupNumber, NodeId } from "../base/ids.ts";
import type { NodeAddress, NodeInfo } from "../cms/views.ts";
import { nodeDefaults } from "../qsm/config.ts";
import { REPAIRS_DEFAULT } from "../wire/timely/repairs.ts";
import { NODE_HEAD_BYTES, NodeKind, setPacketEnd, writeHead } from "../wire/region/head.ts";
import { chooseDatagrams } from "./datagrams.ts";
import type { NativeUdp } from "./native-udp.ts";
import { type NodeApplication, type NodeClasses, NodeHost } from "./node-host.ts";
import { type MulticastPool, type NodeNetwork, type NodeReceive, NodeSockets } from "./node-sockets.ts";

const ports = await takePorts();
afterAll(() => ports[Symbol.dispose]());
const POOL: MulticastPool = { base: "239.77.20.0", size: 16, port: ports.base, ttl: 1 };
const GROUPS: GroupNumber[] = [1, 2];

type Delivered = { readonly group: GroupNumber; readonly sender: NodeId; readonly text: string };

/** A node with what it has told. */
class Station {
  readonly delivered: Delivered[] = [];
  readonly stable: number[] = [];
  installed = 0;
  writable = 0;
  readonly host: NodeHost;
  readonly id: NodeId;
  readonly address: NodeAddress;
  onDeliver: (message: Delivered) => void = () => {};
  onWritable: () => void = () => {};
  #wake: () => void = () => {};

  constructor(id: NodeId, network: NodeNetwork, classes: NodeClasses = "three") {
    this.id = id;
    this.address = network.address;
    const application: NodeApplication = {
      deliver: (group, sender, payload) => {
        const message = { group, sender, text: new TextDecoder().decode(payload) };
        this.delivered.push(message);
        this.onDeliver(message);
        this.#wake();
      },
      lost: () => {},
      view: () => {},
      left: () => {},
      stable: (number) => {
        this.stable.push(number);
        this.#wake();
      },
      writable: () => {
        this.writable++;
        this.onWritable();
        this.#wake();
      },
      installed: (n) => {
        this.installed = n;
        this.#wake();
      },
      retired: () => {},
      inquire: () => {},
      settled: () => {},
      timely: { deliver: () => {}, lost: () => {} },
      ordered: { deliver: () => {}, commit: () => {}, rollback: () => {} },
    };
    this.host = new NodeHost(
      { ...nodeDefaults, me: id, cluster: 7, tokenRate: 50, windowBytes: 64 * 1024 },
      network,
      application,
      { classes },
    );
  }

  send(group: GroupNumber, text: string, number = 0): boolean {
    return this.host.send(group, new TextEncoder().encode(text), number);
  }

  texts(): string[] {
    return this.delivered.map(({ text }) => text);
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

function headOnly(kind: number): Uint8Array {
  const bytes = new Uint8Array(NODE_HEAD_BYTES);
  writeHead(bytes, 0, kind, 7, 2);
  setPacketEnd(bytes, 0, bytes.length);
  return bytes;
}

const stations: Station[] = [];
afterEach(async () => {
  for (const { host } of stations.splice(0)) await host.close();
});

function join(list: readonly Station[]): void {
  const members: NodeInfo[] = list.map(({ id, address }) => ({ id, name: `#n${id}#d`, address }));
  const view = { id: { region: 100, view: 1 }, groups: GROUPS, address: 3, members };
  for (const { host } of list) host.apply(firstChange(view));
}

/** Nodes of one region on this machine. */
async function region(
  count: number,
  multicast: MulticastPool | undefined,
  network = asIs,
  native?: NativeUdp,
): Promise<Station[]> {
  const list: Station[] = [];
  for (let id = 1; id <= count; id++) {
    const station = new Station(id, network(await NodeSockets.open({ host: "127.0.0.1", multicast, native })));
    stations.push(station);
    list.push(station);
  }
  join(list);
  await Promise.all(list.map((station) => station.until(() => station.installed === 1)));
  return list;
}

const asIs = (network: NodeNetwork): NodeNetwork => network;

/** Makes a network lose every so-manyth datagram on its way in. */
function losing(every: number): (network: NodeNetwork) => NodeNetwork {
  return (network) => {
    const start = network.start.bind(network);
    let count = 0;
    network.start = (receive, onRoom) =>
      start((channel, bytes) => {
        if (++count % every !== 0) receive(channel, bytes);
      }, onRoom);
    return network;
  };
}

const { native: offloading } = await chooseDatagrams("auto");
const PATHS = [
  { name: "by multicast", pool: POOL, native: undefined },
  { name: "by unicast", pool: undefined, native: undefined },
  { name: "by multicast, offloaded", pool: POOL, native: offloading },
  { name: "by unicast, offloaded", pool: undefined, native: offloading },
];

// Where the offloaded path is not possible, it is not tried.
describe.each(PATHS.slice(0, offloading === undefined ? 2 : 4))("nodes on real sockets, $name", ({ pool, native }) => {
  it("deliver to all members in the sender's order, and tell when messages are stable", async () => {
    const list = await region(3, pool, asIs, native);
    const [first, second] = list as [Station, Station];
    const sent = Array.from({ length: 300 }, (_, i) => `m${i} ${"x".repeat(500)}`);
    sent.forEach((text, i) => first.send(1 + (i % 2), text, i));
    second.send(2, "from the second", 1);
    for (const station of list) {
      await station.until(() => station.delivered.length === 301);
      expect(station.texts().filter((text) => text.startsWith("m"))).toEqual(sent);
      expect(station.delivered.find(({ sender }) => sender === 2)).toEqual({
        group: 2,
        sender: 2,
        text: "from the second",
      });
    }
    await first.until(() => first.stable.length === 300);
  });

  it("repair what the network loses", async () => {
    const list = await region(3, pool, losing(10), native);
    const sent = Array.from({ length: 200 }, (_, i) => `m${i} ${"x".repeat(900)}`);
    sent.forEach((text, i) => list[0]?.send(1, text, i));
    for (const station of list) {
      await station.until(() => station.delivered.length === 200);
      expect(station.texts()).toEqual(sent);
    }
  });

  it("can send from what they deliver, and go on when there is room again", async () => {
    const [first, second] = (await region(2, pool, asIs, native)) as [Station, Station];
    second.onDeliver = ({ sender, text }) => {
      if (sender === 1) second.send(2, `re: ${text}`);
    };
    // More than may wait: 64 KiB.
    let refused = 0;
    for (let i = 0; i < 200; i++) if (!first.send(1, `m${i} ${"x".repeat(1_000)}`)) refused++;
    expect(refused).toBeGreaterThan(0);
    await first.until(() => first.delivered.length === 400);
    expect(first.writable).toBeGreaterThan(0);
    expect(first.texts().filter((text) => text.startsWith("re:"))).toHaveLength(200);
  });
});

/** A network of one node, which takes what `room` says. */
class ScriptedNetwork implements NodeNetwork {
  readonly address = { host: "10.0.0.1", controlPort: 1, repairPort: 2, dataPort: 3 };
  readonly canMulticast = true;
  readonly receiveBufferBytes = 1_000_000;
  readonly unsent = 3;
  readonly sent: number[] = [];
  isBehind = false;
  room = 0;
  receive: NodeReceive = () => {};
  onRoom = (): void => {};

  start(receive: NodeReceive, onRoom: () => void): void {
    this.receive = receive;
    this.onRoom = onRoom;
  }
  multicast(index: number): void {
    this.sent.push(index);
  }
  unicast(): void {}
  flush(): void {}
  loopBack(): void {}
  listen(): void {}
  unlisten(): void {}
  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** What was asked for before has had its turn: those run in the check phase, in the order in which they were asked for. */
async function turn(): Promise<void> {
  for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe("NodeHost", () => {
  afterEach(() => void vi.restoreAllMocks());

  async function alone(): Promise<[Station, ScriptedNetwork]> {
    const network = new ScriptedNetwork();
    const station = new Station(1, network);
    stations.push(station);
    join([station]);
    await station.until(() => station.installed === 1);
    return [station, network];
  }

  it("gives a network that is full nothing but control, until it has room", async () => {
    const [station, network] = await alone();
    station.send(1, "waits");
    network.receive("control", Uint8Array.of(1));
    await turn();
    expect([network.sent, station.host.node.drops.malformed]).toEqual([[], 1]);
    network.room = 1;
    network.onRoom();
    await station.until(() => station.delivered.length === 1);
    expect(network.sent).toEqual([3]);
  });

  it("looks at repairs when it has come to the end of the data that is here, or soon all the same", async () => {
    const [station, network] = await alone();
    const order: string[] = [];
    station.host.timely.receive = () => void order.push("repair");
    station.host.node.receive = (channel) => void order.push(channel);
    let now = performance.now();
    vi.spyOn(performance, "now").mockImplementation(() => now);
    network.isBehind = true;
    network.receive("repair", headOnly(NodeKind.timelyRepair));
    network.receive("data", headOnly(NodeKind.regionData));
    await turn();
    network.receive("data", headOnly(NodeKind.regionData));
    await turn();
    expect(order).toEqual(["data", "data"]);
    network.receive("data", headOnly(NodeKind.regionData));
    network.isBehind = false;
    await turn();
    expect(order.splice(0)).toEqual(["data", "data", "data", "repair"]);
    // Data that never ends.
    network.isBehind = true;
    network.receive("repair", headOnly(NodeKind.timelyRepair));
    await turn();
    expect(order).toEqual([]);
    now += 200;
    network.onRoom();
    await turn();
    expect(order).toEqual(["repair"]);
  });

  it("adds to what its node counts what only it knows", async () => {
    const [station] = await alone();
    const { figures } = station.host.statistics();
    expect(figures).toMatchObject({
      multicast: 1,
      receiveBufferBytes: 1_000_000,
      dropsUnsent: 3,
      dropsOverrun: 0,
      applied: 1,
    });
  });

  it("looks at its timely groups once for all that it is told of together", async () => {
    const [station] = await alone();
    const { host } = station;
    const apply = host.timely.apply.bind(host.timely);
    let applied = 0;
    const seen = new Promise<void>((resolve) => {
      host.timely.apply = (...change) => {
        apply(...change);
        applied++;
        resolve();
      };
    });
    for (const group of GROUPS) host.setTimely(group, REPAIRS_DEFAULT);
    await seen;
    expect([applied, host.timely.membersOf(1), host.timely.membersOf(2)]).toEqual([1, [1], [1]]);
    host.setTimely(1, { ...REPAIRS_DEFAULT, copies: 2 });
    while (applied < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(applied).toBe(2);
  });

  it.each([
    { classes: "three", order: ["control", "repair", "data"] },
    { classes: "two", order: ["repair", "control", "data"] },
  ] as const)(
    "processes control before repairs before data, or copies among tokens: $classes classes",
    async (given) => {
      const network = new ScriptedNetwork();
      const station = new Station(1, network, given.classes);
      stations.push(station);
      join([station]);
      await station.until(() => station.installed === 1);
      const order: string[] = [];
      const last = new Promise<void>((resolve) => {
        station.host.node.receive = (channel) => {
          if (order.push(channel) === given.order.length) resolve();
        };
      });
      network.receive("data", headOnly(NodeKind.regionData));
      network.receive("repair", headOnly(NodeKind.regionData));
      network.receive("control", headOnly(NodeKind.linkAck));
      await last;
      expect(order).toEqual(given.order);
    },
  );

  it("goes on at once while the network takes all that it had room for", async () => {
    const [station, network] = await alone();
    network.room = 1;
    for (let i = 0; i < 5; i++) station.send(1, "x".repeat(1_200));
    await station.until(() => station.delivered.length === 5);
    expect(network.sent.length).toBeGreaterThanOrEqual(5);
  });
});

describe("NodeSockets", () => {
  it("rejects a port that is taken, and names it", async () => {
    const sockets = await NodeSockets.open({ host: "127.0.0.1" });
    const { controlPort } = sockets.address;
    await expect(NodeSockets.open({ host: "127.0.0.1", dataPort: controlPort })).rejects.toThrow(String(controlPort));
    await sockets.close();
  });

  it("refuses a pool that is not of multicast addresses", async () => {
    const pools: readonly [Partial<MulticastPool>, string][] = [
      [{ base: "10.0.0.1" }, "10.0.0.1"],
      [{ base: "239.255.255.255", size: 2 }, "239.255.255.255"],
      [{ base: "ff02::1" }, "ff02::1"],
      [{ port: 0 }, "port"],
    ];
    for (const [pool, named] of pools) {
      const opened = NodeSockets.open({ host: "127.0.0.1", multicast: { ...POOL, ...pool } });
      await expect(opened).rejects.toThrow(named);
    }
  });

  it("counts sends that fail, and does not throw", async () => {
    const sockets = await NodeSockets.open({ host: "127.0.0.1" });
    let isSent = (): void => {};
    const failed = new Promise<void>((resolve) => (isSent = resolve));
    sockets.unicast({ ...sockets.address, host: "::1" }, "control", new Uint8Array(10));
    sockets.unicast(sockets.address, "repair", new Uint8Array(70_000));
    sockets.start(isSent, isSent);
    sockets.unicast(sockets.address, "data", new Uint8Array(10));
    sockets.flush();
    await failed;
    expect(sockets.counters.errors).toBe(2);
    await sockets.close();
    sockets.unicast(sockets.address, "data", new Uint8Array(10));
    expect(sockets.counters.errors).toBe(3);
  });
});

it("what is sent from inside a turn is not overtaken by what is sent right after it", async () => {
  const [only] = (await region(1, undefined)) as [Station];
  const group = GROUPS[0] as GroupNumber;
  const count = 2_000;
  let sent = 0;
  const send = (): boolean => {
    sent++;
    return only.send(group, `${sent} ${"x".repeat(1_000)}`, sent);
  };
  only.onWritable = () => {
    for (let i = 0; i < 20 && sent < count; i++) send();
    queueMicrotask(() => {
      while (sent < count && send());
    });
  };
  while (send());
  await only.until(() => only.delivered.length === count);
  expect(only.texts().map((text) => Number(text.split(" ")[0]))).toEqual(
    Array.from({ length: count }, (_, i) => i + 1),
  );
});
