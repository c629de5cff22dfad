import {
  type Curve,
  curveOf,
  distribution,
  type Experiment,
  type Figure,
  type Outcome,
  type Outcomes,
  published,
  type Suite,
} from "./experiment.ts";
import type { LoadResult } from "./load-meter.ts";
import type { Estimate } from "./measures.ts";
import { runLoad } from "./load-run.ts";
import type { LoadScenario } from "./scenario.ts";
import { groups, incidents, loss, pairs, plans, rates, replication, sizes, sleep, tokenRates } from "./qsm-sweeps.ts";

const NODES = "nodes in the region";
const ONE = "one sender";
const CLASSES = ["three classes", "two classes", "one class", "our defaults"] as const;

/** A sender's backlog that is none, messages; and losses that are none. */
const BACKLOG_MAX = 200;
const LOSS_MAX = 0.001;
/** When measuring begins. */
const WARM_UP_SECONDS = 4;

function figure(name: string, title: string, x: string, y: string, curves: readonly Curve[], cut?: "x" | "y"): Figure {
  return { name, title, x, y, curves, ...(cut !== undefined && { cut }) };
}

/** The same thing of several series of a sweep. */
function each(
  outcomes: readonly Outcome[] | undefined,
  names: readonly string[],
  value: Parameters<typeof curveOf<LoadResult>>[3],
): Curve[] {
  return names.map((name) => curveOf(outcomes, name, name, value));
}

function resultAt(outcomes: readonly Outcome[] | undefined, series: string, x: number): LoadResult | undefined {
  return outcomes?.find((outcome) => outcome.series === series && outcome.x === x)?.result;
}

/** Of each number of nodes, the greatest throughput of two senders that left no backlog. */
function sustained(outcomes: readonly Outcome[] | undefined): Curve {
  const best = new Map<number, { readonly x: number; readonly y: number; readonly ci: number }>();
  for (const { x, result } of outcomes ?? []) {
    const { throughput, backlog, otherLoss } = result;
    if (backlog.mean > BACKLOG_MAX || otherLoss > LOSS_MAX || throughput.mean < (best.get(x)?.y ?? 0)) continue;
    best.set(x, { x, y: throughput.mean, ci: throughput.ci95 });
  }
  return { name: "two senders, sustained", points: [...best.values()].sort((a, b) => a.x - b.x) };
}

const ofSizes = (outcomes: Outcomes) => outcomes.get("sizes");

/** What A.12 has of each figure: few numbers, since the paper gives more of them in words than in its text. */
export const experiments: readonly Experiment[] = [
  {
    name: "q1",
    title: "Throughput and the number of nodes",
    sweeps: [sizes, pairs],
    figures: (outcomes) => [
      figure(
        "q1-throughput",
        "Throughput of a region",
        NODES,
        "messages/s",
        [
          curveOf(ofSizes(outcomes), ONE, ONE, (r) => r.throughput),
          sustained(outcomes.get("pairs")),
          curveOf(ofSizes(outcomes), "memory costs nothing", "one sender, if memory cost nothing", (r) => r.throughput),
          published("paper: falls by 5 %", fallOf(resultAt(ofSizes(outcomes), ONE, 10)?.throughput.mean ?? 0, 0.05)),
          published("paper: about 9,000 at 110 nodes", [[110, 9_000]]),
        ],
        "y",
      ),
    ],
  },
  {
    name: "q2",
    title: "Processor load and the sending rate",
    sweeps: [rates],
    figures: (outcomes) => {
      const of = outcomes.get("rates");
      return [
        figure("q2-processor", "Processor load, 100 receivers", "messages/s sent", "share of time busy", [
          curveOf(of, "1000 bytes", "sender", (r) => r.senderBusy),
          curveOf(of, "1000 bytes", "receivers", (r) => r.receiverBusy),
          published("paper: sender saturated, receivers half idle", [
            [8_000, 1],
            [8_000, 0.5],
          ]),
        ]),
      ];
    },
  },
  {
    name: "q3",
    title: "Where the sender's time goes",
    sweeps: [sizes],
    figures: (outcomes) => {
      const share = (what: "own" | "runtime" | "collector") => (r: LoadResult) => r.senderShares[what];
      return [
        figure("q3-shares", "The sender's time", NODES, "share of its busy time", [
          curveOf(ofSizes(outcomes), ONE, "the system's own code", share("own")),
          curveOf(ofSizes(outcomes), ONE, "allocation and copying", share("runtime")),
          curveOf(ofSizes(outcomes), ONE, "collector", share("collector")),
        ]),
      ];
    },
  },
  {
    name: "q4",
    title: "Memory, and messages that wait to be acknowledged",
    sweeps: [sizes],
    figures: (outcomes) => [
      figure("q4-pending", "Messages pending acknowledgement", NODES, "messages", [
        curveOf(ofSizes(outcomes), ONE, ONE, (r) => r.pending),
        curveOf(ofSizes(outcomes), "our defaults", "our defaults", (r) => r.pending),
        published("paper, from A62: about 7,000 at 192", [[192, 7_000]]),
      ]),
      figure("q4-memory", "Memory in use", NODES, "MB", [
        curveOf(ofSizes(outcomes), ONE, "sender", (r) => r.senderMemory),
        curveOf(ofSizes(outcomes), ONE, "receivers", (r) => r.receiverMemory),
        curveOf(ofSizes(outcomes), "our defaults", "receivers, our defaults", (r) => r.receiverMemory),
      ]),
    ],
  },
  {
    name: "q5",
    title: "Token round trip and time to acknowledge",
    sweeps: [sizes, plans],
    figures: (outcomes) => [
      figure("q5-latency", "Aggregation of state", NODES, "ms", [
        curveOf(ofSizes(outcomes), ONE, "token round trip", (r) => r.roundTrip),
        curveOf(ofSizes(outcomes), ONE, "time to acknowledge", (r) => r.acknowledged),
        published("paper: 2 ms per node", [
          [10, 20],
          [192, 384],
        ]),
        published("paper: half a second more", [
          [10, 520],
          [192, 884],
        ]),
      ]),
      figure(
        "q5-plans",
        "Round trip by the structure of the region",
        NODES,
        "token round trip, ms",
        each(
          outcomes.get("plans"),
          ["partitions of 5, one token", "partitions of 25, one token", "tree of rings"],
          (r) => r.roundTrip,
        ),
      ),
    ],
  },
  {
    name: "q6",
    title: "Token rate",
    sweeps: [tokenRates],
    figures: (outcomes) => {
      const of = outcomes.get("token-rates");
      const series = ["periodic", "afterReturn"];
      const base = resultAt(of, "periodic", 1)?.pending.mean ?? 0;
      return [
        figure("q6-pending", "Unacknowledged messages, 110 receivers", "tokens/s", "messages", [
          ...each(of, series, (r) => r.pending),
          published("paper: −30 % from 1 to 5", [
            [1, base],
            [5, base * 0.7],
          ]),
        ]),
        figure(
          "q6-throughput",
          "Throughput, 110 receivers",
          "tokens/s",
          "messages/s",
          each(of, series, (r) => r.throughput),
          "y",
        ),
        figure(
          "q6-round-trip",
          "Token round trip, 110 receivers",
          "tokens/s",
          "ms",
          each(of, series, (r) => r.roundTrip),
        ),
      ];
    },
  },
  {
    name: "q7",
    title: "Acknowledgements with ranges",
    sweeps: [sizes, loss],
    figures: (outcomes) => {
      const left = (r: LoadResult): Estimate => ({ ...r.pending, mean: r.pending.mean - r.clearable.mean });
      const calm = ofSizes(outcomes);
      const losing = outcomes.get("loss");
      const base = resultAt(calm, ONE, 192)?.pending.mean ?? 0;
      return [
        figure("q7-pending", "Messages pending acknowledgement", NODES, "messages", [
          curveOf(losing, "three classes", "one node loses 1 %", (r) => r.pending),
          curveOf(losing, "three classes", "with ranges, at best", left),
          curveOf(calm, ONE, "calm", (r) => r.pending),
          curveOf(calm, ONE, "calm, with ranges", left),
          published("paper, calm: −30 % with ranges", [[192, base * 0.7]]),
        ]),
      ];
    },
  },
  {
    name: "q8",
    title: "Nodes that keep a packet, and memory at receivers",
    sweeps: [replication],
    figures: (outcomes) => {
      const of = outcomes.get("replication");
      const base = resultAt(of, "cachers", 5)?.roundTrip.mean ?? 0;
      return [
        figure("q8-round-trip", "Token round trip, 110 receivers", "nodes that keep a packet", "ms", [
          curveOf(of, "cachers", "measured", (r) => r.roundTrip),
          published("paper: three times as long", [
            [5, base],
            [55, 3 * base],
          ]),
        ]),
        figure("q8-memory", "Memory of a receiver, 110 receivers", "nodes that keep a packet", "MB", [
          curveOf(of, "cachers", "measured", (r) => r.receiverMemory),
        ]),
        figure(
          "q8-mechanism",
          "If receivers have more memory in use, 110 receivers",
          "MB more at each receiver",
          "ms",
          [
            curveOf(of, "memory", "token round trip", (r) => r.roundTrip),
            curveOf(of, "memory", "time to acknowledge", (r) => r.acknowledged),
          ],
        ),
        figure(
          "q8-throughput",
          "If receivers have more memory in use, 110 receivers",
          "MB more at each receiver",
          "messages/s",
          [curveOf(of, "memory", ONE, (r) => r.throughput)],
        ),
      ];
    },
  },
  ...(["sleep", "loss"] as const).map((kind) => perturbation(kind)),
  {
    name: "q11",
    title: "Lateness of timers",
    sweeps: [sizes, sleep],
    figures: (outcomes) => {
      const calm = resultAt(ofSizes(outcomes), ONE, 192);
      const slept = resultAt(outcomes.get("sleep"), "two classes", 192);
      return [
        figure("q11-receivers", "Latest timer of each second, receivers", "ms", "share of seconds", [
          distribution("undisturbed", calm?.receiverLateMaxima),
          distribution("one node sleeps", slept?.receiverLateMaxima),
          published("paper: 12–14 ms", [[13, 1]]),
          published("paper, disturbed: 130–140 ms", [[135, 1]]),
        ]),
        figure("q11-sender", "Latest timer of each second, sender", "ms", "share of seconds", [
          distribution("undisturbed", calm?.senderLateMaxima),
          distribution("one node sleeps", slept?.senderLateMaxima),
        ]),
      ];
    },
  },
  {
    name: "q12",
    title: "A lightly loaded system",
    sweeps: [rates],
    figures: (outcomes) => {
      const of = outcomes.get("rates");
      const kilobyte = "1000 bytes";
      const rate = "messages/s sent";
      return [
        figure("q12-pending", "Unacknowledged messages, 100 receivers", rate, "messages", [
          curveOf(of, kilobyte, kilobyte, (r) => r.pending),
        ]),
        figure("q12-round-trip", "Token round trip, 100 receivers", rate, "ms", [
          curveOf(of, kilobyte, kilobyte, (r) => r.roundTrip),
        ]),
        figure("q12-memory", "Memory in use, 100 receivers", rate, "MB", [
          curveOf(of, kilobyte, "sender", (r) => r.senderMemory),
          curveOf(of, kilobyte, "receivers", (r) => r.receiverMemory),
        ]),
        figure(
          "q12-latency",
          "From send to delivery, 100 receivers",
          rate,
          "ms",
          each(of, [kilobyte, "100 bytes"], (r) => r.latency),
        ),
        figure("q12-timers", "Mean lateness of timers, 100 receivers", rate, "ms", [
          curveOf(of, kilobyte, "sender", (r) => r.senderLate),
          curveOf(of, kilobyte, "receivers", (r) => r.receiverLate),
          published("paper, sender", [
            [7_000, 7],
            [8_000, 45],
          ]),
          published("paper, receivers", [
            [7_000, 1.5],
            [8_000, 3],
          ]),
        ]),
      ];
    },
  },
  {
    name: "q13",
    title: "Thousands of groups",
    sweeps: [groups],
    figures: (outcomes) => {
      const of = outcomes.get("groups");
      const series = ["22 KB per group", "33 KB per group", "1.5 KB per group, as here"];
      const x = "groups";
      return [
        figure(
          "q13-throughput",
          "Throughput, 110 receivers",
          x,
          "messages/s",
          each(of, series, (r) => r.throughput),
        ),
        figure("q13-memory", "Memory of the sender, 110 receivers", x, "MB", [
          ...each(of, series, (r) => r.senderMemory),
          published("paper: 8,192 groups, peak near 360 MB", [[8_192, 360]]),
        ]),
        figure(
          "q13-pending",
          "Unacknowledged messages, 110 receivers",
          x,
          "messages",
          each(of, series, (r) => r.pending),
        ),
        figure(
          "q13-round-trip",
          "Token round trip, 110 receivers",
          x,
          "ms",
          each(of, series, (r) => r.roundTrip),
        ),
      ];
    },
  },
  {
    name: "q14",
    title: "What changes with the number of groups",
    sweeps: [groups],
    figures: (outcomes) => {
      const of = (x: number): LoadResult | undefined => resultAt(outcomes.get("groups"), "22 KB per group", x);
      const share = "share";
      const both = (value: (r: LoadResult) => readonly number[]) =>
        [1_000, 8_192].map((x) => {
          const result = of(x);
          return distribution(`${x} groups`, result && value(result));
        });
      return [
        figure(
          "q14-rates",
          "Multicast rates, over half a second",
          "messages/s",
          share,
          both((r) => averaged(r.rates, 5)),
        ),
        figure(
          "q14-round-trips",
          "Token round trips",
          "ms",
          share,
          both((r) => r.roundTrips),
          "x",
        ),
        figure(
          "q14-intervals",
          "From one token to the next",
          "ms",
          share,
          both((r) => r.tokenIntervals),
          "x",
        ),
        figure("q14-hops", "Hops of the token, 110 receivers", "groups", "ms per hop", [
          curveOf(outcomes.get("groups"), "22 KB per group", "to and from the sender", (r) => r.leaderHops),
          curveOf(outcomes.get("groups"), "22 KB per group", "between receivers", (r) => r.otherHops),
          published("paper, sender: 50–90 ms", [
            [8_192, 50],
            [8_192, 90],
          ]),
          published("paper, receivers: 2 ms", [
            [1_000, 2],
            [8_192, 2],
          ]),
        ]),
      ];
    },
  },
  {
    name: "q15",
    title: "Crashes, freezes and bursts of loss with 8,000 groups",
    sweeps: [incidents],
    figures: (outcomes) => {
      const run = outcomes.get("incidents")?.[0]?.result;
      const points = (run?.throughputs ?? []).map((y, i) => ({ x: WARM_UP_SECONDS + i + 0.5, y }));
      return [
        figure("q15-throughput", "Delivered to those that live, 110 receivers", "seconds", "messages/s", [
          { name: "mean of all receivers", points },
        ]),
      ];
    },
  },
];

/** Q9 or Q10. */
function perturbation(kind: "sleep" | "loss"): Experiment {
  const isSleep = kind === "sleep";
  const name = isSleep ? "q9" : "q10";
  const what = isSleep ? "one node sleeps" : "one node loses 1 %";
  return {
    name,
    title: isSleep
      ? "A node that sleeps half a second of every five"
      : "A node that loses ten milliseconds of every second",
    sweeps: [sizes, isSleep ? sleep : loss],
    figures: (outcomes) => {
      const of = outcomes.get(kind);
      const beside = (value: (r: LoadResult) => { readonly mean: number; readonly ci95: number }): Curve[] => [
        curveOf(ofSizes(outcomes), ONE, "undisturbed", value),
        ...each(of, CLASSES, value),
      ];
      return [
        figure(
          `${name}-throughput`,
          `Throughput, ${what}`,
          NODES,
          "messages/s",
          beside((r) => r.throughput),
        ),
        figure(`${name}-round-trip`, `Token round trip, ${what}`, NODES, "ms", [
          ...beside((r) => r.roundTrip),
          published("paper: twice the undisturbed", [
            [192, 2 * (resultAt(ofSizes(outcomes), ONE, 192)?.roundTrip.mean ?? 0)],
          ]),
        ]),
        figure(
          `${name}-pending`,
          `Unacknowledged messages, ${what}`,
          NODES,
          "messages",
          beside((r) => r.pending),
        ),
        figure(
          `${name}-repair`,
          `From loss to repair, ${what}`,
          NODES,
          "ms",
          each(of, CLASSES, (r) => r.repair),
        ),
        figure(`${name}-loss`, `Loss at the node, ${what}`, NODES, "%", [
          ...each(of, CLASSES, (r) => r.perturbedLoss * 100),
          published(isSleep ? "paper: 2–3 %" : "paper: 2–5 %", [
            [192, 2],
            [192, isSleep ? 3 : 5],
          ]),
        ]),
        figure(
          `${name}-memory`,
          `Memory of the node, ${what}`,
          NODES,
          "MB",
          each(of, CLASSES, (r) => r.perturbedMemory),
        ),
      ];
    },
  };
}

/** Means of so many samples each. */
function averaged(samples: readonly number[], count: number): number[] {
  return Array.from({ length: Math.floor(samples.length / count) }, (_, i) => {
    return samples.slice(i * count, (i + 1) * count).reduce((sum, sample) => sum + sample, 0) / count;
  });
}

/** From its value at 10 nodes, by this share at 192. */
function fallOf(from: number, share: number): (readonly [number, number])[] {
  return [
    [10, from],
    [192, from * (1 - share)],
  ];
}

/** The experiments on QSM. */
export const qsmSuite: Suite<LoadScenario, LoadResult> = {
  name: "qsm",
  experiments,
  run: (scenario) => runLoad(scenario),
  // Without what is the same for each of its nodes.
  told: ({ groupsOf, ...rest }) => ({ ...rest, nodes: groupsOf.length, groups: groupsOf[0]?.length ?? 0 }),
};
