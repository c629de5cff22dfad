import { describe, expect, test } from "vitest";
import { runWide, type WideResult } from "./wide-run.ts";
import type { Line, Traffic, WideScenario } from "./wide-scenario.ts";

/** The report's experiments in small (docs/evaluation/wan.md). */
const FAST = { service: "agreed", bytes: 1024, perSecond: "max" } as const;
const DELAYS = [
  [1, 2, 35],
  [1, 3, 5],
  [2, 3, 38],
] as const;

const lines = (change: Partial<Line>): Line[] =>
  DELAYS.map(([a, b, delayMs]) => ({ sites: [a, b], delayMs, ...change }));

/** Payload of all senders, bytes per second, at the receiver that gets least. */
function throughput({ received }: WideResult): number {
  const receivers = [...new Set(received.map(({ receiver }) => receiver))];
  return Math.min(
    ...receivers.map((daemon) => {
      return received.filter(({ receiver }) => receiver === daemon).reduce((sum, { rate }) => sum + rate, 0);
    }),
  );
}

test("one sender fills a line of 10 Mbit/s, 70 ms there and back, that loses 1 %", () => {
  const line: Line = { sites: [1, 2], delayMs: 35, mbit: 10, loss: 0.01 };
  const result = runWide({
    seed: 1,
    sites: [2, 1],
    lines: [line],
    traffic: [{ ...FAST, senders: [1] }],
    warmMs: 4_000,
    measureMs: 5_000,
  });
  expect(result.changes).toBe(0);
  // What it carries beside heads of IP and UDP, in datagrams of 1,400 bytes.
  const payloadCapacity = (1_250_000 * 1_400) / 1_428;
  expect(throughput(result)).toBeGreaterThan(0.85 * payloadCapacity);
});

test("three sites do more than four times what one ring over them does", () => {
  const scenario: WideScenario = {
    seed: 1,
    sites: [1, 1, 1],
    lines: lines({ mbit: 10, loss: 0.01 }),
    traffic: [{ ...FAST, senders: [0, 1, 2] }],
    warmMs: 3_000,
    measureMs: 3_000,
  };
  const oneRing = runWide({ ...scenario, oneRing: { windowBytes: 128 * 1024 } });
  expect(throughput(runWide(scenario))).toBeGreaterThan(4 * throughput(oneRing));
});

describe("at low load a message waits", () => {
  const positions = [1, 3, 5];
  const delay = (a: number, b: number): number => {
    if (a === b) return 0;
    return DELAYS.find(([x, y]) => (x === a && y === b) || (x === b && y === a))?.[2] ?? 0;
  };
  const siteOf = (daemon: number): number => Math.ceil(daemon / 2);

  function latenciesOf(traffic: Omit<Traffic, "senders">, lowLatency: boolean) {
    const { received } = runWide({
      seed: 1,
      sites: [2, 2, 2],
      lines: lines({}),
      traffic: [{ ...traffic, senders: positions }],
      lowLatency,
      warmMs: 3_000,
      measureMs: 5_000,
    });
    expect(received).toHaveLength(18);
    return received;
  }

  /** Over the sites, the way there and from there. */
  const thereAndBack = (from: number, to: number): number => {
    return Math.max(...[1, 2, 3].map((site) => delay(from, site) + delay(site, to)));
  };
  const farthest = (to: number): number => Math.max(...[1, 2, 3].map((site) => delay(site, to)));
  const SPARSE = { bytes: 200, perSecond: 5 };

  test("for the way to each site and from there, if it is agreed", () => {
    for (const { sender, receiver, latencyMs } of latenciesOf({ ...SPARSE, service: "agreed" }, false)) {
      expect(latencyMs.max).toBeLessThan(thereAndBack(siteOf(sender), siteOf(receiver)) + 25);
    }
  });

  test("for the way from each site only, if stamps follow the clocks", () => {
    for (const { receiver, latencyMs } of latenciesOf({ ...SPARSE, service: "agreed" }, true)) {
      expect(latencyMs.max).toBeLessThan(farthest(siteOf(receiver)) + 25);
    }
  });

  test("for one more such round, if it is safe", () => {
    for (const { sender, receiver, latencyMs } of latenciesOf({ ...SPARSE, service: "safe" }, false)) {
      const agreedAt = Math.max(
        ...[1, 2, 3].map((site) => thereAndBack(siteOf(sender), site) + delay(site, siteOf(receiver))),
      );
      expect(latencyMs.max).toBeLessThan(agreedAt + 50);
    }
  });

  test("for no other site, if it is reliable or FIFO", () => {
    for (const { sender, receiver, latencyMs } of latenciesOf({ ...SPARSE, service: "fifo" }, false)) {
      expect(latencyMs.max).toBeLessThan(delay(siteOf(sender), siteOf(receiver)) + 5);
    }
  });
});

test("what is urgent overtakes what waits for a line, at its sender and on the way", () => {
  const bulk: Traffic = { ...FAST, senders: [0] };
  const line = { delayMs: 10, mbit: 10 };
  const slowest = (priority: number): number => {
    const { received } = runWide({
      seed: 1,
      sites: [1, 1, 1],
      lines: [
        { sites: [1, 2], ...line },
        { sites: [2, 3], ...line },
        { sites: [1, 3], ...line, weight: 1_000 },
      ],
      traffic: [bulk, { senders: [0], service: "fifo", bytes: 100, perSecond: 20, priority }],
      warmMs: 2_000,
      measureMs: 2_000,
    });
    return Math.max(...received.filter(({ traffic }) => traffic === 1).map(({ latencyMs }) => latencyMs.median));
  };
  expect(slowest(1)).toBeLessThan(0.7 * slowest(0));
});

test("what a daemon handles does not grow with the daemons of other sites", () => {
  const run = (others: number): number => {
    const { handled } = runWide({
      seed: 1,
      sites: [2, others, others],
      lines: lines({}),
      traffic: [{ senders: [0], service: "agreed", bytes: 200, perSecond: 50 }],
      warmMs: 500,
      measureMs: 2_000,
    });
    return handled[0] ?? 0;
  };
  expect(run(6)).toBeLessThan(1.1 * run(2));
});

describe("messages that nobody at other sites listens to", () => {
  const run = (isLocal: boolean, lastVersion?: number): WideResult =>
    runWide({
      seed: 1,
      ...(lastVersion === undefined ? {} : { lastVersion }),
      sites: [2, 2],
      lines: [{ sites: [1, 2], delayMs: 35, mbit: 100 }],
      traffic: [
        { ...FAST, senders: [1], perSecond: 200, isLocal },
        // To all, now and then: the order goes on.
        { ...FAST, senders: [0, 2], perSecond: 5 },
      ],
      warmMs: 500,
      measureMs: 2_000,
    });

  test("do not cross lines", () => {
    const [pruned, whole] = [run(true), run(false)] as const;
    const receiversOf = ({ received }: WideResult): Set<number> =>
      new Set(received.filter(({ traffic }) => traffic === 0).map(({ receiver }) => receiver));
    expect(receiversOf(pruned)).toEqual(new Set([1, 2]));
    expect(receiversOf(whole)).toEqual(new Set([1, 2, 3, 4]));
    expect(pruned.lines[0]?.there).toBeLessThan(0.2 * (whole.lines[0]?.there ?? 0));
    for (const { traffic, messages, latencyMs } of pruned.received) {
      if (traffic === 0) expect(messages).toBeGreaterThan(350);
      // In the order of all sites: there and back, and what digests take.
      expect(latencyMs.median).toBeLessThan(2 * 38 + 25);
    }
  });

  test("do, as long as one daemon speaks the version before", () => {
    const { received } = run(true, 2);
    const receivers = new Set(received.filter(({ traffic }) => traffic === 0).map(({ receiver }) => receiver));
    expect(receivers).toEqual(new Set([1, 2, 3, 4]));
  });
});
