import type { NodeId } from "../src/base/ids.ts";
import type { NodeInfo } from "../src/cms/views.ts";
import { nodeDefaults } from "../src/qsm/config.ts";
import { Node } from "../src/qsm/node.ts";
import type { NodeChannel } from "../src/qsm/outbox.ts";
import { firstChange } from "../test/qsm/node-net.ts";
import { option } from "./options.ts";
import type { Measured } from "./qsm-claims.ts";
import { figure, median, printTable } from "./report.ts";

const PACKETS = Number(option("packets", "200000"));
const RECEIVERS = 2;
/** Of simulated time; there are as many in a turn of the sender as it sends at most. */
const PACKETS_PER_SECOND = 50_000;
const PACKETS_PER_TURN = 250;
/** Not counted: the first ones run in the interpreter. */
const WARM_UP = 0.3;
const CASES = [
  { name: "1000 bytes, not packed", bytes: 1_000, packing: false },
  { name: "1000 bytes, packed", bytes: 1_000, packing: true },
  { name: "100 bytes, packed", bytes: 100, packing: true },
];

/** A node, what has come for it, and the time that it has taken. */
class Station {
  readonly inbox: { readonly channel: NodeChannel; readonly bytes: Uint8Array }[] = [];
  readonly node: Node;
  delivered = 0;
  ms = 0;

  constructor(
    info: NodeInfo,
    packing: boolean,
    net: (to: NodeId | "all", channel: NodeChannel, bytes: Uint8Array) => void,
  ) {
    this.node = new Node(
      { ...nodeDefaults, me: info.id, cluster: 1, tokenRate: 5, packing, rateStart: 1_000_000 },
      {
        multicast: (_address, bytes) => net("all", "data", bytes),
        unicast: (to, channel, bytes) => net(to.controlPort, channel, bytes),
        relay: () => {
          throw new Error("where there is multicast nothing is passed on");
        },
        listen: () => {},
        unlisten: () => {},
        deliver: () => {
          this.delivered++;
        },
        lost: () => {},
        view: () => {},
        left: () => {},
        stable: () => {},
        writable: () => {},
        installed: () => {},
        retired: () => {},
        inquire: () => {},
        settled: () => {},
        random: () => Math.random(),
      },
      0,
    );
  }

  /** One turn, as a host runs it. */
  turn(now: number): void {
    // Copies, as a network makes them: nodes do not share what is in their processors' caches.
    const packets = this.inbox.splice(0).map(({ channel, bytes }) => ({ channel, bytes: bytes.slice() }));
    const begin = performance.now();
    for (const { channel, bytes } of packets) this.node.receive(channel, bytes, now);
    if (this.node.deadline <= now) this.node.tick(now);
    this.node.flush(now);
    this.ms += performance.now() - begin;
  }
}

/** What the protocol alone costs: nodes in one thread, without sockets, and without the turn loop. Microseconds. */
export function protocol(): Measured {
  const results = CASES.map(({ name, bytes, packing }) => {
    const runs = [1, 2, 3].map(() => once(bytes, packing));
    const of = (value: (run: (typeof runs)[number]) => number): number => median(runs.map(value));
    return {
      name,
      perPacketSent: of(({ sent }) => sent),
      perPacketReceived: of(({ received }) => received),
      perDelivery: of(({ delivery }) => delivery),
      runs,
    };
  });
  printTable(
    ["protocol alone", "us/packet sent", "us/packet received", "us/message delivered (2)"],
    results.map(({ name, ...result }) => [
      name,
      figure(result.perPacketSent),
      figure(result.perPacketReceived),
      figure(result.perDelivery),
    ]),
  );
  const claims = results.map(({ name, runs }) => ({
    what: `protocol alone, ${name}: processor time per message delivered`,
    unit: "us" as const,
    bound: "most" as const,
    aim: 2,
    values: runs.map(({ delivery }) => delivery),
  }));
  return { claims, results };
}

function once(bytes: number, packing: boolean): { sent: number; received: number; delivery: number } {
  const stations = new Map<NodeId, Station>();
  const members: NodeInfo[] = Array.from({ length: RECEIVERS + 1 }, (_, i) => {
    return { id: i + 1, name: "", address: { host: "", controlPort: i + 1, repairPort: i + 1, dataPort: i + 1 } };
  });
  let packets = 0;
  for (const info of members) {
    const net = (to: NodeId | "all", channel: NodeChannel, packet: Uint8Array): void => {
      if (to === "all") packets++;
      for (const [id, station] of stations) {
        if (to === id || (to === "all" && id !== info.id)) station.inbox.push({ channel, bytes: packet });
      }
    };
    stations.set(info.id, new Station(info, packing, net));
  }
  const view = { id: { region: 1, view: 1 }, groups: [1], address: 0, members };
  for (const { node } of stations.values()) node.apply(firstChange(view), 0);
  const [sender, ...receivers] = [...stations.values()] as [Station, ...Station[]];
  const payload = new Uint8Array(bytes);
  const perTurn = packing ? Math.floor((PACKETS_PER_TURN * 1_300) / (bytes + 4)) : PACKETS_PER_TURN;
  let now = 0;
  let number = 0;
  const run = (end: number): void => {
    while (packets < end) {
      now += (PACKETS_PER_TURN / PACKETS_PER_SECOND) * 1_000;
      const begin = performance.now();
      for (let i = 0; i < perTurn; i++) sender.node.send(1, payload, ++number, now);
      sender.ms += performance.now() - begin;
      for (const station of stations.values()) station.turn(now);
    }
  };
  run(PACKETS * WARM_UP);
  const packetsBefore = packets;
  const deliveredBefore = receivers.reduce((sum, { delivered }) => sum + delivered, 0);
  for (const station of stations.values()) station.ms = 0;
  run(packetsBefore + PACKETS);
  const sent = packets - packetsBefore;
  const delivered = receivers.reduce((sum, station) => sum + station.delivered, 0) - deliveredBefore;
  const receiverMs = receivers.reduce((sum, { ms }) => sum + ms, 0);
  return {
    sent: (sender.ms * 1_000) / sent,
    received: (receiverMs * 1_000) / (sent * RECEIVERS),
    delivery: (receiverMs * 1_000) / delivered,
  };
}
