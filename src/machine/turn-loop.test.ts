import { describe, expect, it } from "vitest";
import { NEVER } from "./machine.ts";
import { type TurnOptions, TurnLoop } from "./turn-loop.ts";

/** A loop whose clock advances by `packetMs` with each packet, and a log of what happened. */
function setUp(options: Partial<TurnOptions> = {}, packetMs = 0) {
  const log: string[] = [];
  const state = { now: 0, prefersToken: false, deadline: NEVER, scheduled: 0, wakeAt: NEVER };
  const loop = new TurnLoop(
    {
      get prefersToken() {
        return state.prefersToken;
      },
      get deadline() {
        return state.deadline;
      },
      tick() {
        log.push("tick");
        state.deadline = NEVER;
      },
      receive(channel, bytes) {
        state.now += packetMs;
        log.push(`${channel} ${bytes[0]}`);
      },
    },
    {
      now: () => state.now,
      schedule: () => (state.scheduled += 1),
      wakeAt: (timeMs) => (state.wakeAt = timeMs),
      flush: () => log.push("flush"),
    },
    options,
  );
  return { loop, log, state };
}

const packet = (mark: number): Uint8Array => Uint8Array.of(mark);

describe("TurnLoop", () => {
  it("asks to be scheduled once for any number of packets and does nothing before it runs", () => {
    const { loop, log, state } = setUp();
    loop.packet("data", packet(1));
    loop.packet("token", packet(2));
    loop.request(() => log.push("request"));
    expect(state.scheduled).toBe(1);
    expect(log).toEqual([]);
  });

  it("processes packets before timers, timers before requests, and flushes at the end", () => {
    const { loop, log, state } = setUp();
    state.deadline = 0;
    loop.request(() => log.push("request"));
    loop.packet("data", packet(1));
    loop.run();
    expect(log).toEqual(["data 1", "tick", "request", "flush"]);
    expect(state.wakeAt).toBe(NEVER);
  });

  it("takes data before the token while the machine does not prefer the token", () => {
    const { loop, log } = setUp();
    loop.packet("token", packet(1));
    loop.packet("data", packet(2));
    loop.packet("repair", packet(3));
    loop.run();
    expect(log).toEqual(["repair 3", "data 2", "token 1", "flush"]);
  });

  it("takes the token first as soon as the machine prefers it", () => {
    const { loop, log, state } = setUp();
    state.prefersToken = true;
    loop.packet("data", packet(2));
    loop.packet("token", packet(1));
    loop.run();
    expect(log).toEqual(["token 1", "data 2", "flush"]);
  });

  it("keeps the token back while the data socket may hold more, but not for ever", () => {
    const { loop, log } = setUp({ drainMax: 2 });
    loop.packet("token", packet(9));
    let turns = 0;
    while (!log.includes("token 9")) {
      loop.packet("data", packet(1));
      loop.packet("data", packet(1));
      loop.run();
      turns += 1;
      expect(turns).toBeLessThan(100);
    }
    expect(turns).toBeGreaterThan(1);

    loop.packet("token", packet(8));
    loop.packet("data", packet(1));
    loop.run();
    expect(log).toContain("token 8");
  });

  it("looks at the sockets again after its quantum and goes on in the next turn", () => {
    const { loop, log, state } = setUp({ packetQuantumMs: 10 }, 1);
    for (let i = 0; i < 40; i++) loop.packet("data", packet(i));
    loop.run();
    const first = log.filter((line) => line.startsWith("data")).length;
    expect(first).toBeGreaterThanOrEqual(10);
    expect(first).toBeLessThan(40);
    expect(state.scheduled).toBe(2);
    loop.run();
    loop.run();
    expect(log.filter((line) => line.startsWith("data"))).toEqual(Array.from({ length: 40 }, (_, i) => `data ${i}`));
  });

  it("stops requests at their quantum and keeps their order over turns", () => {
    const { loop, log, state } = setUp({ requestQuantumMs: 2 });
    for (let i = 0; i < 5; i++) {
      loop.request(() => {
        state.now += 1;
        log.push(`request ${i}`);
      });
    }
    loop.run();
    expect(loop.backlog).toBe(3);
    loop.run();
    loop.run();
    expect(log.filter((line) => line !== "flush")).toEqual([0, 1, 2, 3, 4].map((i) => `request ${i}`));
    expect(loop.backlog).toBe(0);
  });

  it("tells who asks too much, and drops packets beyond its bounds", () => {
    const { loop, log } = setUp({ requestsMax: 2, packetsMax: 4, bytesMax: 1000 });
    expect(loop.request(() => {})).toBe(true);
    expect(loop.request(() => {})).toBe(false);
    for (let i = 0; i < 7; i++) loop.packet("data", packet(i));
    expect(loop.dropped).toBe(3);
    loop.packet("repair", new Uint8Array(1001));
    expect(loop.dropped).toBe(4);
    loop.run();
    expect(log).toEqual(["data 0", "data 1", "data 2", "data 3", "flush"]);
  });

  it("wakes at the machine's deadline", () => {
    const { loop, state } = setUp();
    state.deadline = 25;
    loop.run();
    expect(state.wakeAt).toBe(25);
  });
});
