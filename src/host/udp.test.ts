import { afterAll, afterEach, beforeEach, describe, expect, it, test } from "vitest";
import { takePorts } from "../../test/e2e/ports.ts";
import type { Channel } from "../machine/network.ts";
import { NEVER } from "../machine/machine.ts";
import { TurnLoop } from "../machine/turn-loop.ts";
import { TurnClock } from "./clock.ts";
import { chooseDatagrams, type DatagramChoice, wantedDatagrams } from "./datagrams.ts";
import { Kind, packet } from "../wire/prefix.ts";
import { type UdpOptions, UdpNetwork, type UdpPeer, udpDefaults } from "./udp.ts";

const ports = await takePorts();
afterAll(() => ports[Symbol.dispose]());
const BASE_PORT = ports.base;
const GROUP = { address: "239.77.3.9", port: BASE_PORT + 9 };
const peers: UdpPeer[] = [0, 2, 4].map((offset, i) => ({
  id: i + 1,
  segment: 0,
  address: "127.0.0.1",
  port: BASE_PORT + offset,
}));

type Arrival = { readonly channel: Channel; readonly text: string; readonly viaMulticast: boolean };

/** A daemon's datagrams, with what arrived. */
class Station {
  readonly arrivals: Arrival[] = [];
  #wake: (() => void) | undefined;
  network: UdpNetwork | undefined;

  async open(id: number, more: Partial<UdpOptions> = {}): Promise<this> {
    const datagrams = path;
    const self = peers.find((peer) => peer.id === id) as UdpPeer;
    const others = peers.filter((peer) => peer.id !== id);
    this.network = await UdpNetwork.open(
      { self, others, family: "ipv4", ...udpDefaults, datagrams, ...more },
      (channel, bytes, _from, viaMulticast) => {
        this.arrivals.push({ channel, text: Buffer.from(bytes).toString(), viaMulticast });
        this.#wake?.();
      },
    );
    return this;
  }

  async has(count: number): Promise<void> {
    while (this.arrivals.length < count) await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

const stations: Station[] = [];
const portable: DatagramChoice = udpDefaults.datagrams;
const offload = await chooseDatagrams("auto");
/** Of the test that runs. */
let path = portable;
async function station(id: number, more: Partial<UdpOptions> = {}): Promise<Station> {
  const opened = await new Station().open(id, more);
  stations.push(opened);
  return opened;
}

afterEach(async () => {
  for (const { network } of stations.splice(0)) await network?.close();
});

describe.each([
  { name: "portable", choice: portable },
  { name: "offloaded", choice: offload },
])("UdpNetwork, $name path", ({ name, choice }) => {
  beforeEach((context) => {
    if (name === "offloaded" && choice.path !== "offload") context.skip(`not possible here: ${choice.because}`);
    path = choice;
  });

  it("carries unicast and fan-out on the sockets of their channels", async () => {
    const [a, b, c] = [await station(1), await station(2), await station(3)];
    a.network?.multicast(0, "data", Buffer.from("all"));
    a.network?.unicast(2, "token", Buffer.from("token"));
    a.network?.flush();
    await Promise.all([b.has(2), c.has(1)]);
    expect(b.arrivals).toContainEqual({ channel: "data", text: "all", viaMulticast: false });
    expect(b.arrivals).toContainEqual({ channel: "token", text: "token", viaMulticast: false });
    expect(c.arrivals).toEqual([{ channel: "data", text: "all", viaMulticast: false }]);
    expect(a.arrivals).toEqual([]);
  });

  it("reaches every daemon of the host by multicast, and not itself", async () => {
    const [a, b, c] = [
      await station(1, { multicast: GROUP }),
      await station(2, { multicast: GROUP }),
      await station(3, { multicast: GROUP }),
    ];
    expect(a.network?.multicastFault).toBeUndefined();
    if (a.network) a.network.useMulticast = true;
    a.network?.multicast(0, "data", Buffer.from("all"));
    a.network?.multicast(0, "token", Buffer.from("join"));
    b.network?.unicast(1, "data", Buffer.from("end"));
    b.network?.flush();
    await Promise.all([b.has(2), c.has(2), a.has(1)]);
    for (const { arrivals } of [b, c]) {
      expect(arrivals).toContainEqual({ channel: "data", text: "all", viaMulticast: true });
      expect(arrivals).toContainEqual({ channel: "token", text: "join", viaMulticast: true });
    }
    expect(a.arrivals).toEqual([{ channel: "data", text: "end", viaMulticast: false }]);
    expect(a.network?.counters.packetsSent).toBe(2);
  });

  it("counts what the kernel refuses and never throws, also after it was closed", async () => {
    const a = await station(1);
    const network = a.network as UdpNetwork;
    network.unicast(2, "data", new Uint8Array(70_000));
    while (network.counters.sendErrors === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(network.counters.lastSendError).toBe("EMSGSIZE");
    await network.close();
    network.unicast(2, "data", new Uint8Array(10));
    network.flush();
    expect(network.counters.sendErrors).toBe(1);
  });

  it("delivers packets one by one and in order, whatever their lengths, and datagrams of other programs whole", async () => {
    const [a, b] = [await station(1), await station(2)];
    const lengths = [1400, 1400, 1400, 300, 1400, 20, 9000, 1400, 1400, 16, ...Array.from({ length: 60 }, () => 1400)];
    const packets = lengths.map((length, i) => packet(1, i, 7, 9, new Uint8Array(length - 16).fill(i)));
    for (const bytes of packets) a.network?.unicast(2, "data", bytes);
    a.network?.unicast(2, "data", Buffer.from("none of ours"));
    a.network?.flush();
    await b.has(lengths.length + 1);
    const texts = packets.map((bytes) => Buffer.from(bytes).toString());
    expect(b.arrivals.map(({ text }) => text)).toEqual([...texts, "none of ours"]);
    expect(a.network?.counters.packetsSent).toBe(lengths.length + 1);
    expect((a.network?.counters.batchesSent ?? 0) > 0).toBe(name === "offloaded");
  });

  it("sends runs of packets of any one length up to a hop's in one call each", async () => {
    const [a, b] = [await station(1), await station(2)];
    const lengths = [1_444, 1_200, 1_400, 700].flatMap((length) => Array.from({ length: 8 }, () => length));
    for (const length of lengths) a.network?.unicast(2, "data", packet(1, 1, 7, 9, new Uint8Array(length - 16)));
    a.network?.flush();
    await b.has(lengths.length);
    expect(a.network?.counters.packetsSent).toBe(lengths.length);
    // What is shorter ends a run: the first of 1,200 bytes goes with those of 1,444, and so on.
    expect(a.network?.counters.batchesSent).toBe(name === "offloaded" ? 4 : 0);
  });

  it("lets data that was sent before a token leave before it", async () => {
    const [a, b] = [await station(1), await station(2)];
    for (let i = 0; i < 3; i++) a.network?.unicast(2, "data", packet(1, i, 7, 9, new Uint8Array(100)));
    a.network?.unicast(2, "token", Buffer.from("token"));
    await b.has(4);
    expect(b.arrivals.filter(({ channel }) => channel === "data")).toHaveLength(3);
  });

  it("sends a token of the ring in the last datagram of data before it, if that has room, and nothing else", async () => {
    const [a, b] = [await station(1), await station(2)];
    const control = (kind: number): Uint8Array => packet(1, kind, 7, 9, new Uint8Array(80));
    const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
    const arriving = async (lengths: readonly number[], kind: number): Promise<Channel | undefined> => {
      b.arrivals.length = 0;
      const data = lengths.map((length) => packet(1, Kind.ringData, 7, 9, new Uint8Array(length - 16)));
      for (const bytes of data) a.network?.unicast(2, "data", bytes);
      a.network?.unicast(2, "token", control(kind));
      await b.has(lengths.length + 1);
      const sent = [...data, control(kind)].map(text);
      expect(b.arrivals.map((one) => one.text).sort()).toEqual(sent.sort());
      return b.arrivals.find((one) => one.text === text(control(kind)))?.channel;
    };
    const joined = name === "offloaded" ? "data" : "token";
    expect(await arriving([200], Kind.ringToken)).toBe(joined);
    expect(await arriving([1_400, 1_400, 300], Kind.ringToken)).toBe(joined);
    expect(await arriving([1_400], Kind.ringToken)).toBe("token");
    expect(await arriving([1_400, 1_350], Kind.ringToken)).toBe("token");
    expect(await arriving([], Kind.ringToken)).toBe("token");
    expect(await arriving([200], Kind.ringHeld)).toBe("token");
    expect(await arriving([200], Kind.form1)).toBe("token");
  });

  it("sends a token with what the whole group gets, to a daemon of the group's segment", async () => {
    const [a, b, c] = [
      await station(1, { multicast: GROUP }),
      await station(2, { multicast: GROUP }),
      await station(3, { multicast: GROUP }),
    ];
    const network = a.network as UdpNetwork;
    network.useMulticast = true;
    const token = packet(1, Kind.ringToken, 7, 9, new Uint8Array(80));
    const pass = async (): Promise<number> => {
      for (const { arrivals } of [b, c]) arrivals.length = 0;
      network.multicast(0, "data", packet(1, Kind.ringData, 7, 9, new Uint8Array(200)));
      network.unicast(2, "token", token);
      await Promise.all([b.has(2), c.has(1)]);
      return b.arrivals.filter(({ channel }) => channel === "data").length;
    };
    expect(await pass()).toBe(name === "offloaded" ? 2 : 1);
    network.setOthers(
      peers.filter(({ id }) => id !== 1).map((peer) => ({ ...peer, segment: peer.id === 2 ? 1 : 0 })),
      0,
    );
    expect(await pass()).toBe(1);
  });

  it("refuses a port that is taken and says what the kernel granted", async () => {
    const a = await station(1);
    expect(a.network?.receiveBufferBytes).toBeGreaterThan(0);
    await expect(new Station().open(1)).rejects.toThrow("EADDRINUSE");
  });

  it("keeps a group that cannot be joined from stopping the daemon", async () => {
    const a = await station(1, { multicast: { address: "10.255.255.254", port: BASE_PORT + 9 } });
    expect(a.network?.canMulticast).toBe(false);
    expect(a.network?.multicastFault).toBeDefined();
  });
});

test("datagrams go to where a daemon is said to be now, and to nobody who is not there any more", async () => {
  path = portable;
  const [a, b, c] = [await station(1), await station(2), await station(3)];
  const place = (id: number, at: number): UdpPeer => ({ ...(peers[at] as UdpPeer), id });
  // 2 has moved to where 3 was, and 3 is gone.
  a.network?.setOthers([place(2, 2)]);
  a.network?.unicast(2, "data", Buffer.from("moved"));
  a.network?.unicast(3, "data", Buffer.from("gone"));
  a.network?.multicast(0, "data", Buffer.from("all"));
  await c.has(2);
  expect(c.arrivals.map(({ text }) => text)).toEqual(["moved", "all"]);
  expect(b.arrivals).toEqual([]);
});

test("AMALGAM_DATAGRAMS takes three values and names what is none of them", () => {
  expect([undefined, "", "auto", "portable", "offload"].map(wantedDatagrams)).toEqual([
    "auto",
    "auto",
    "auto",
    "portable",
    "offload",
  ]);
  expect(() => wantedDatagrams("fast")).toThrow('AMALGAM_DATAGRAMS is "fast"; it may be portable, offload or auto');
});

describe("a turn loop on Node", () => {
  it("lets two machines pass a token around over real sockets", async () => {
    const rounds = 50;
    const finished = new Promise<number>((resolve) => {
      for (const id of [1, 2]) {
        const clock = new TurnClock();
        const opened = new Station();
        const loop = new TurnLoop(
          {
            deadline: NEVER,
            tick: () => undefined,
            prefersToken: true,
            receive(channel, bytes) {
              expect(channel).toBe("token");
              const hop = bytes[0] as number;
              if (hop === rounds) resolve(hop);
              else opened.network?.unicast(3 - id, "token", Uint8Array.of(hop + 1));
            },
          },
          Object.assign(clock, { flush: () => undefined }),
        );
        clock.drive(loop);
        const self = peers[id - 1] as UdpPeer;
        const others = peers.filter((peer) => peer.id !== id);
        void UdpNetwork.open({ self, others, family: "ipv4", ...udpDefaults }, (channel, bytes) =>
          loop.packet(channel, bytes),
        ).then((network) => {
          opened.network = network;
          stations.push(opened);
          if (stations.length === 2) network.unicast(3 - id, "token", Uint8Array.of(1));
        });
      }
    });
    expect(await finished).toBe(rounds);
  });

  it("wakes for a deadline, and not before it", async () => {
    const clock = new TurnClock();
    const due = clock.now() + 20;
    const wokenAt = await new Promise<number>((resolve) => {
      let deadline = due;
      const loop = new TurnLoop(
        {
          get deadline() {
            return deadline;
          },
          tick(now) {
            deadline = NEVER;
            resolve(now);
          },
          prefersToken: true,
          receive: () => undefined,
        },
        Object.assign(clock, { flush: () => undefined }),
      );
      clock.drive(loop);
      loop.run();
    });
    clock.stop();
    expect(wokenAt).toBeGreaterThanOrEqual(due);
  });
});
