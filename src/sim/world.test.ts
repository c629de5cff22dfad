import { describe, expect, test } from "vitest";
import type { Channel } from "../machine/network.ts";
import { NEVER } from "../machine/machine.ts";
import { LAN, type NetworkModel, type ProcessorModel } from "./network-model.ts";
import type { ProcessEnvironment, SimProcess } from "./sim-process.ts";
import type { StreamEnd } from "./stream.ts";
import { World } from "./world.ts";

const INSTANT: ProcessorModel = { eventMs: 0, byteMs: 0, pauseEveryBytes: 0, pauseMs: 0 };

type Heard = { readonly at: number; readonly by: number; readonly channel: Channel; readonly text: string };

/** Floods: what a node hears for the first time it multicasts once more. Answers connections with what they say. */
class Flood implements SimProcess {
  readonly #environment: ProcessEnvironment;
  readonly #heard: Heard[];
  readonly #known = new Set<string>();
  deadline = NEVER;
  ticks: number[] = [];
  boot: number;

  constructor(environment: ProcessEnvironment, heard: Heard[]) {
    this.#environment = environment;
    this.#heard = heard;
    this.boot = environment.bootTimeSeconds;
  }

  say(text: string): void {
    this.#known.add(text);
    this.#environment.network.multicast(0, "data", new TextEncoder().encode(text));
  }

  receive(channel: Channel, bytes: Uint8Array, now: number): void {
    const text = new TextDecoder().decode(bytes);
    this.#heard.push({ at: now, by: this.#environment.self, channel, text });
    if (this.#known.has(text)) return;
    this.#known.add(text);
    this.#environment.network.multicast(0, "data", bytes);
  }

  tick(now: number): void {
    if (now < this.deadline) return;
    this.ticks.push(now);
    this.deadline = NEVER;
  }

  accept(stream: StreamEnd): void {
    stream.user = { data: (bytes) => void stream.write(bytes), drained: () => undefined, closed: () => undefined };
  }
}

function world(seed: number, network: Partial<NetworkModel> = {}, processor = INSTANT) {
  const heard: Heard[] = [];
  const simulation = new World({
    seed,
    site: [[1, 2, 3, 4]],
    others: [9],
    network: { ...LAN, ...network },
    processor,
    clockDrift: 0,
  });
  for (const id of [1, 2, 3, 4]) simulation.boot(id, (environment) => new Flood(environment, heard));
  const flood = (id: number): Flood => simulation.process(id) as Flood;
  const say = (id: number, text: string): void => {
    simulation.runOnProcess(id, () => flood(id).say(text));
  };
  return { simulation, heard, flood, say };
}

describe("datagrams", () => {
  test("a multicast reaches every other node of the segment after its latency", () => {
    const { simulation, heard, say } = world(1);
    say(1, "a");
    simulation.runUntil(0.029);
    expect(heard).toEqual([]);
    simulation.runUntil(0.071);
    expect(new Set(heard.map((h) => h.by))).toEqual(new Set([2, 3, 4]));
  });

  test("a seed repeats a run exactly, another seed does not", () => {
    const run = (seed: number): Heard[] => {
      const { simulation, heard, say } = world(seed, { loss: { kind: "uniform", probability: 0.3 }, reorder: 0.2 });
      for (let i = 0; i < 20; i++) say(1 + (i % 4), `m${i}`);
      simulation.runUntil(100);
      return heard;
    };
    expect(run(7)).toEqual(run(7));
    expect(run(7)).not.toEqual(run(8));
  });

  test("a link keeps its order unless it is told to reorder", () => {
    const order = (reorder: number): string[] => {
      const { simulation, heard } = world(3, { reorder });
      for (let i = 0; i < 100; i++) {
        simulation.datagrams.unicast(0, 1, 1, new TextEncoder().encode(String(i)), i * 0.01);
      }
      simulation.runUntil(100);
      return [...new Set(heard.filter((h) => h.by === 2).map((h) => h.text))];
    };
    const sent = Array.from({ length: 100 }, (_, i) => String(i));
    expect(order(0)).toEqual(sent);
    expect(order(0.5)).not.toEqual(sent);
    expect(new Set(order(0.5))).toEqual(new Set(sent));
  });

  test.each([
    [{ kind: "uniform", probability: 0.2 } as const, 0.2],
    [{ kind: "burst", probability: 0.05, length: 5 } as const, 0.21],
    [{ kind: "gilbertElliott", toBad: 0.02, toGood: 0.18, lossGood: 0, lossBad: 1 } as const, 0.1],
  ])("a loss model loses about what it says: %o", (loss, expected) => {
    const { simulation } = world(5, { loss });
    for (let i = 0; i < 20_000; i++) simulation.datagrams.unicast(0, 1, 1, new Uint8Array(1), i * 10);
    const { lost, copies } = simulation.datagrams.counters;
    expect(Math.abs(lost / copies - expected)).toBeLessThan(0.03);
  });

  test("a split stops datagrams between its parts only, and heal ends it", () => {
    const { simulation, heard, say } = world(1);
    simulation.split([
      [1, 2],
      [3, 4],
    ]);
    say(1, "a");
    simulation.runUntil(1);
    expect(new Set(heard.map((h) => h.by))).toEqual(new Set([1, 2]));
    simulation.heal();
    say(1, "b");
    simulation.runUntil(2);
    expect(new Set(heard.filter((h) => h.text === "b").map((h) => h.by))).toEqual(new Set([1, 2, 3, 4]));
  });

  test("a one-way cut stops one direction", () => {
    const { simulation } = world(1);
    simulation.cut(1, 2);
    expect(simulation.passes(0, 1)).toBe(false);
    expect(simulation.passes(1, 0)).toBe(true);
  });
});

describe("nodes", () => {
  test("a frozen node's kernel keeps what fits its buffer and loses the rest", () => {
    const { simulation, heard, say } = world(1, { receiveQueueBytes: 10 * (512 + 2) });
    simulation.node(2).freeze(50);
    for (let i = 10; i < 40; i++) say(1, String(i));
    simulation.runUntil(49);
    expect(heard.filter((h) => h.by === 2)).toHaveLength(0);
    simulation.runUntil(51);
    const after = heard.filter((h) => h.by === 2);
    expect(new Set(after.map((h) => h.text)).size).toBe(10);
    expect(simulation.datagrams.counters.receiveDrops).toBeGreaterThan(20);
  });

  test("a node busy with one datagram takes the next one later", () => {
    const { simulation, heard, say } = world(1, {}, { eventMs: 1, byteMs: 0, pauseEveryBytes: 0, pauseMs: 0 });
    for (let i = 0; i < 5; i++) say(1, `m${i}`);
    simulation.runUntil(60);
    const times = heard.filter((h) => h.by === 3).map((h) => h.at);
    for (let i = 1; i < times.length; i++)
      expect((times[i] as number) - (times[i - 1] as number)).toBeGreaterThan(0.99);
  });

  test("a crash loses the process, a restart has a later boot time and runs again", () => {
    const { simulation, heard, flood, say } = world(1);
    const before = flood(2).boot;
    simulation.crash(2);
    say(1, "a");
    simulation.runUntil(1);
    expect(heard.some((h) => h.by === 2)).toBe(false);
    simulation.restart(2);
    expect(flood(2).boot).toBeGreaterThan(before);
    say(1, "b");
    simulation.runUntil(2);
    expect(heard.some((h) => h.by === 2 && h.text === "b")).toBe(true);
  });

  test("a node does what it is asked to in that order, also when its freeze ends early or is prolonged", () => {
    const { simulation } = world(1, {}, { eventMs: 1, byteMs: 0, pauseEveryBytes: 0, pauseMs: 0 });
    const node = simulation.node(1);
    const done: [string, number][] = [];
    const ask = (what: string): void => simulation.runOnProcess(1, () => done.push([what, simulation.now]));
    node.freeze(100);
    ask("a");
    ask("b");
    simulation.runUntil(10);
    node.thaw();
    ask("c");
    simulation.runUntil(50);
    expect(done).toEqual([
      ["a", 10],
      ["b", 11],
      ["c", 12],
    ]);
    node.freeze(10);
    ask("d");
    node.freeze(10);
    ask("e");
    simulation.runUntil(100);
    expect(done.slice(3)).toEqual([
      ["d", 70],
      ["e", 71],
    ]);
  });

  test("an alarm rings at its deadline, also when the deadline was moved meanwhile", () => {
    const { simulation, flood } = world(1);
    const origin = simulation.node(1).localTime(0);
    simulation.runOnProcess(1, () => {
      flood(1).deadline = origin + 10;
    });
    simulation.runUntil(5);
    simulation.runOnProcess(1, () => {
      flood(1).deadline = origin + 20;
    });
    simulation.runUntil(100);
    expect(flood(1).ticks).toEqual([origin + 20]);
    simulation.runOnProcess(1, () => {
      flood(1).deadline = origin + 500;
    });
    simulation.runUntil(101);
    simulation.runOnProcess(1, () => {
      flood(1).deadline = origin + 200;
    });
    simulation.runUntil(300);
    expect(flood(1).ticks).toEqual([origin + 20, origin + 200]);
  });

  test("a drifting clock still meets its deadlines", () => {
    const simulation = new World({
      seed: 3,
      site: [[1]],
      network: LAN,
      processor: INSTANT,
      clockDrift: 0.01,
    });
    simulation.boot(1, (environment) => new Flood(environment, []));
    const flood = simulation.process(1) as Flood;
    const due = simulation.node(1).localTime(0) + 1000;
    simulation.runOnProcess(1, () => {
      flood.deadline = due;
    });
    simulation.runUntil(2000);
    expect(flood.ticks).toHaveLength(1);
    expect(flood.ticks[0]).toBeGreaterThanOrEqual(due);
    expect((flood.ticks[0] as number) - due).toBeLessThan(0.001);
  });
});

describe("streams", () => {
  function talk() {
    const all = world(4);
    const client = { text: "", closed: false };
    all.simulation.boot(9, (environment) => new Flood(environment, []));
    const stream = all.simulation.connect(9, 1) as StreamEnd;
    stream.user = {
      data: (bytes) => {
        client.text += new TextDecoder().decode(bytes);
      },
      drained: () => undefined,
      closed: () => {
        client.closed = true;
      },
    };
    return { ...all, client, stream };
  }

  test("bytes arrive in order and come back", () => {
    const { simulation, client, stream } = talk();
    for (const text of ["one ", "two ", "three"]) stream.write(new TextEncoder().encode(text));
    simulation.runUntil(5);
    expect(client.text).toBe("one two three");
  });

  test("a crash of the daemon closes the connection", () => {
    const { simulation, client } = talk();
    simulation.runUntil(1);
    simulation.crash(1);
    simulation.runUntil(2);
    expect(client.closed).toBe(true);
  });

  test("a short split delays the bytes, a long one breaks the connection", () => {
    const short = talk();
    short.simulation.split([[1], [9]]);
    short.stream.write(new TextEncoder().encode("late"));
    short.simulation.runUntil(1000);
    expect(short.client.text).toBe("");
    short.simulation.heal();
    short.simulation.runUntil(1100);
    expect(short.client.text).toBe("late");

    const long = talk();
    long.simulation.split([[1], [9]]);
    long.stream.write(new TextEncoder().encode("never"));
    long.simulation.runUntil(7000);
    expect(long.client.closed).toBe(true);
  });

  test("a writer that is too fast is asked to wait, and is told when there is room", () => {
    const { simulation, stream } = talk();
    let drained = 0;
    stream.user = { data: () => undefined, closed: () => undefined, drained: () => void drained++ };
    simulation.runUntil(1);
    expect(stream.write(new Uint8Array(100_000))).toBe(true);
    expect(stream.write(new Uint8Array(200_000))).toBe(false);
    simulation.runUntil(50);
    expect(drained).toBe(1);
  });
});
