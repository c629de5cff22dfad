import { curveOf, type Experiment, type Figure, type Outcome, type Suite, type Sweep } from "../load/experiment.ts";
import { type Estimate, estimate } from "../load/measures.ts";
import type { Received, WideResult } from "./wide-run.ts";
import { runWide } from "./wide-run.ts";
import type { Line, Traffic, WideScenario } from "./wide-scenario.ts";

/** A scenario that is run with several seeds, of which one is its own. */
export type WidePoint = WideScenario & { readonly seeds: number };
/** One of each seed. */
export type WideResults = readonly WideResult[];

type WideSweep = Sweep<WidePoint>;
type WideOutcomes = readonly Outcome<WideResults>[] | undefined;

/** As the paper: messages of 1 KB. */
const BYTES = 1024;
/** Sites 1 to 3 stand for Maryland, Santa Barbara and New Jersey. */
const DELAYS_MS: readonly (readonly [number, number, number])[] = [
  [1, 2, 35],
  [1, 3, 5],
  [2, 3, 38],
];

function lines(change: Partial<Line>, delays = DELAYS_MS): Line[] {
  return delays.map(([a, b, delayMs]) => ({ sites: [a, b], delayMs, ...change }));
}

function fast(senders: readonly number[]): Traffic {
  return { senders, service: "agreed", bytes: BYTES, perSecond: "max" };
}

function sparse(senders: readonly number[], service: Traffic["service"]): Traffic {
  return { senders, service, bytes: BYTES, perSecond: 20 };
}

const SEEDS = 3;

const LOAD = { seed: 1, seeds: SEEDS, warmMs: 4_000, measureMs: 4_000 } as const;
const THREE = { ...LOAD, sites: [2, 2, 2], traffic: [fast([0, 2, 4])] } as const;
const TWO = { ...LOAD, sites: [2, 2], traffic: [fast([0])] } as const;
const ONE_LINE = [[1, 2, 35]] as const;

const RATES = [2, 10, 50, 100];
/** Of what it may multicast in a rotation, what suits a ring over these sites best at 10 Mbit/s. */
const RING_WINDOW_BYTES = 128 * 1024;

/** W1: one sender, two sites. */
const twoSites: WideSweep = {
  name: "wan-two-sites",
  points: [0, 0.01, 0.03].flatMap((loss) =>
    RATES.map((mbit) => ({
      series: `loss ${loss * 100} %`,
      x: mbit,
      scenario: { ...TWO, lines: lines({ mbit, loss }, ONE_LINE) },
    })),
  ),
};

/** W2: a sender at each of three sites, with hops and with one ring over all. */
const threeSites: WideSweep = {
  name: "wan-three-sites",
  points: [
    ...RATES.map((mbit) => ({ series: "hops", x: mbit, scenario: { ...THREE, lines: lines({ mbit, loss: 0.01 }) } })),
    ...RATES.map((mbit) => ({
      series: "one ring",
      x: mbit,
      scenario: { ...THREE, lines: lines({ mbit, loss: 0.01 }), oneRing: { windowBytes: RING_WINDOW_BYTES } },
    })),
  ],
};

const WINDOWS_KIB = [32, 64, 96, 128, 192, 256];

/** W3: the ring's best window. */
const windows: WideSweep = {
  name: "wan-windows",
  points: WINDOWS_KIB.map((x) => ({
    series: "one ring",
    x,
    scenario: { ...THREE, lines: lines({ mbit: 10, loss: 0.01 }), oneRing: { windowBytes: x * 1024 } },
  })),
};

/** Sites 1 and 3, which are near each other, are joined over site 2, as in the paper; the line between them lies idle. */
const badRoute: WideSweep = {
  name: "wan-bad-route",
  points: RATES.map((mbit) => ({
    series: "bad route",
    x: mbit,
    scenario: {
      ...THREE,
      lines: lines({ mbit, loss: 0.01 }).map((line) =>
        line.sites[1] - line.sites[0] === 2 ? { ...line, weight: 1_000 } : line,
      ),
    },
  })),
};

const LATENCY = { seed: 1, seeds: SEEDS, sites: [2, 2, 2], warmMs: 4_000, measureMs: 20_000 } as const;

/** W4: latency at low load, without loss and with 1 %. */
const latencies: WideSweep = {
  name: "wan-latency",
  points: [0, 1].flatMap((percent) =>
    (["agreed", "safe"] as const).flatMap((service) =>
      [false, true].map((lowLatency) => ({
        series: `${service}${lowLatency ? ", low latency" : ""}`,
        x: percent,
        scenario: {
          ...LATENCY,
          lowLatency,
          lines: lines({ loss: percent / 100 }),
          traffic: [sparse([1, 3, 5], service)],
        },
      })),
    ),
  ),
};

const SKEWS_MS = [0, 5, 10, 20, 50, 100];

/** W5: how far apart clocks may be. */
const skews: WideSweep = {
  name: "wan-skew",
  points: SKEWS_MS.map((x) => ({
    series: "low latency",
    x,
    scenario: {
      ...LATENCY,
      lowLatency: true,
      skewMs: [0, x, 0],
      lines: lines({}),
      traffic: [sparse([1, 3, 5], "agreed")],
    },
  })),
};

const BACK_MBIT = 50;

/** W7: two hops of different rates, those of both ways between two sites, each with a sender of its own. */
const twoRates: WideSweep = {
  name: "wan-two-rates",
  points: ["there", "back", "both"].map((series, i) => ({
    series,
    x: 10,
    scenario: {
      ...LOAD,
      sites: [2, 2],
      lines: lines({ mbit: 10, mbitBack: BACK_MBIT, loss: 0.01 }, ONE_LINE),
      traffic: [fast([[0], [2], [0, 2]][i] as number[])],
    },
  })),
};

/** Shorter than the others: a local network carries a hundred times as much. */
const LOCAL = {
  seed: 1,
  seeds: SEEDS,
  warmMs: 2_000,
  measureMs: 2_000,
  sites: [3, 2, 2],
  lines: lines({ mbit: 10, loss: 0.01 }),
} as const;
/** From a daemon that does not represent its site, to that site alone; and from the representative to all. */
const local: Traffic = { ...fast([1]), isLocal: true };
const everywhere: Traffic = fast([0]);

/** W8: what is for one site alone, without and with traffic between sites that fills the lines. */
const localTraffic: WideSweep = {
  name: "wan-local",
  points: [
    { series: "local alone", traffic: [local] },
    { series: "between sites alone", traffic: [{ ...local, perSecond: 1 }, everywhere] },
    { series: "both", traffic: [local, everywhere] },
  ].map(({ series, traffic }) => ({ series, x: 10, scenario: { ...LOCAL, traffic } })),
};

const SITES = [2, 5, 10, 20];

function everyPair(sites: number): Line[] {
  const found: Line[] = [];
  for (let a = 1; a <= sites; a++)
    for (let b = a + 1; b <= sites; b++) found.push({ sites: [a, b], delayMs: 20, mbit: 1_000 });
  return found;
}

/** W6: what a daemon handles, by sites and by daemons of each. */
const costs: WideSweep = {
  name: "wan-cost",
  points: [1, 5].flatMap((daemons) =>
    SITES.map((x) => ({
      series: `${daemons} ${daemons === 1 ? "daemon" : "daemons"} a site`,
      x,
      scenario: {
        seed: 1,
        seeds: x > 10 ? 1 : SEEDS,
        sites: Array.from({ length: x }, () => daemons),
        lines: everyPair(x),
        traffic: [{ senders: [0], service: "agreed" as const, bytes: BYTES, perSecond: 50 }],
        warmMs: 500,
        measureMs: 2_000,
      },
    })),
  ),
};

/** Sites and the lines between them that carry nothing. */
const idle: WideSweep = {
  name: "wan-idle",
  points: [false, true].flatMap((lowLatency) =>
    [2, 5, 10].map((x) => ({
      series: lowLatency ? "low latency" : "by default",
      x,
      scenario: {
        seed: 1,
        seeds: SEEDS,
        lowLatency,
        sites: Array.from({ length: x }, () => 2),
        lines: everyPair(x),
        traffic: [],
        warmMs: 1_000,
        measureMs: 5_000,
      },
    })),
  ),
};

/** Mbit/s of payload of all senders together, at the receiver that gets least. */
function throughput({ received }: WideResult): number {
  const byReceiver = new Map<number, number>();
  for (const { receiver, rate } of received) byReceiver.set(receiver, (byReceiver.get(receiver) ?? 0) + rate);
  return received.length === 0 ? 0 : (Math.min(...byReceiver.values()) * 8) / 1e6;
}

/** Mbit/s of payload from one sender, at the receiver that gets least. */
function throughputOf({ received }: WideResult, sender: number): number {
  const rates = received.filter((each) => each.sender === sender).map(({ rate }) => rate);
  return rates.length === 0 ? 0 : (Math.min(...rates) * 8) / 1e6;
}

function worst(result: WideResult, of: (latency: Received["latencyMs"]) => number): number {
  return Math.max(0, ...result.received.map(({ latencyMs }) => of(latencyMs)));
}

function handledElsewhere({ handled }: WideResult): number {
  return handled.slice(1).reduce((sum, count) => sum + count, 0) / Math.max(1, handled.length - 1);
}

function lineBytes({ lines: carried }: WideResult): number {
  const sum = carried.reduce((total, { there, back }) => total + there + back, 0);
  return sum / Math.max(1, 2 * carried.length);
}

function figure(name: string, title: string, x: string, y: string, curves: Figure["curves"]): Figure {
  return { name, title, x, y, curves };
}

function runEach({ seeds, ...scenario }: WidePoint): WideResults {
  return Array.from({ length: seeds }, (_, i) => runWide({ ...scenario, seed: scenario.seed + i }));
}

const seriesOf = ({ points }: WideSweep): string[] => [...new Set(points.map(({ series }) => series))];

function curves(outcomes: WideOutcomes, sweep: WideSweep, value: (result: WideResult) => number): Figure["curves"] {
  const ofAll = (results: WideResults): Estimate => estimate(results.map(value));
  return seriesOf(sweep).map((series) => curveOf(outcomes, series, series, ofAll));
}

const RATE = "Mbit/s of each line";
const PAYLOAD = "Mbit/s of payload";

const experiments: readonly Experiment<WidePoint, WideResults>[] = [
  {
    name: "w1",
    title: "Two sites, one sender, 70 ms round trip",
    sweeps: [twoSites],
    figures: (outcomes) => [
      figure("w1-throughput", "Two sites", RATE, PAYLOAD, curves(outcomes.get(twoSites.name), twoSites, throughput)),
    ],
  },
  {
    name: "w2",
    title: "Three sites, a sender at each: hops, and one ring that spans them",
    sweeps: [threeSites, badRoute],
    figures: (outcomes) => [
      figure("w2-throughput", "Three sites, 1 % loss", RATE, PAYLOAD, [
        ...curves(outcomes.get(threeSites.name), threeSites, throughput),
        ...curves(outcomes.get(badRoute.name), badRoute, throughput),
      ]),
    ],
  },
  {
    name: "w3",
    title: "The window of a ring that spans three sites, 10 Mbit/s",
    sweeps: [windows],
    figures: (outcomes) => [
      figure(
        "w3-throughput",
        "One ring",
        "window, KiB",
        PAYLOAD,
        curves(outcomes.get(windows.name), windows, throughput),
      ),
    ],
  },
  {
    name: "w4",
    title: "Latency of a message at low load, three sites",
    sweeps: [latencies],
    figures: (outcomes) => [
      figure(
        "w4-latency-worst",
        "99 of 100, at the receiver that waits longest",
        "loss, %",
        "ms",
        curves(outcomes.get(latencies.name), latencies, (result) => worst(result, ({ p99 }) => p99)),
      ),
      figure(
        "w4-latency-median",
        "The median there",
        "loss, %",
        "ms",
        curves(outcomes.get(latencies.name), latencies, (result) => worst(result, ({ median }) => median)),
      ),
    ],
  },
  {
    name: "w5",
    title: "Low latency and clocks that disagree",
    sweeps: [skews],
    figures: (outcomes) => [
      figure(
        "w5-latency",
        "Median at the receiver that waits longest",
        "ms that the clocks of one site are ahead",
        "ms",
        curves(outcomes.get(skews.name), skews, (result) => worst(result, ({ median }) => median)),
      ),
    ],
  },
  {
    name: "w7",
    title: "Two hops of different rates, those of both ways between two sites",
    sweeps: [twoRates],
    figures: (outcomes) => {
      const of = (sender: number): Figure["curves"] =>
        curves(outcomes.get(twoRates.name), twoRates, (result) => throughputOf(result, sender));
      return [
        figure("w7-there", `From the site whose way has x Mbit/s`, RATE, PAYLOAD, of(1)),
        figure("w7-back", `From the other one, whose way has ${BACK_MBIT}`, RATE, PAYLOAD, of(3)),
      ];
    },
  },
  {
    name: "w8",
    title: "What is for one site alone, beside traffic that fills the lines",
    sweeps: [localTraffic],
    figures: (outcomes) => {
      const of = (sender: number): Figure["curves"] =>
        curves(outcomes.get(localTraffic.name), localTraffic, (result) => throughputOf(result, sender));
      return [
        figure("w8-local", "For one site alone", RATE, PAYLOAD, of(2)),
        figure("w8-everywhere", "For all sites", RATE, PAYLOAD, of(1)),
      ];
    },
  },
  {
    name: "w6",
    title: "Cost and the number of sites",
    sweeps: [costs, idle],
    figures: (outcomes) => [
      figure(
        "w6-handled",
        "Datagrams that a daemon of a receiving site sends and receives, 50 messages/s in all",
        "sites",
        "datagrams/s",
        curves(outcomes.get(costs.name), costs, handledElsewhere),
      ),
      figure(
        "w6-idle",
        "What a line carries in each direction while nobody sends",
        "sites",
        "bytes/s",
        curves(outcomes.get(idle.name), idle, lineBytes),
      ),
    ],
  },
];

export const wanSuite: Suite<WidePoint, WideResults> = {
  name: "wan",
  experiments,
  run: runEach,
  told: (scenario) => scenario,
};
