import {
  type Curve,
  curveOf,
  type Experiment,
  type Figure,
  type Outcome,
  type Point,
  published,
  type Suite,
  type Sweep,
} from "../load/experiment.ts";
import type { LossModel } from "../loss.ts";
import { fieldDefaults } from "./field.ts";
import { type FieldMeasures, type FieldPoint, measureField } from "./field-measures.ts";
import { ricochetClaims } from "./ricochet-claims.ts";

const SEEDS = 3;
const TRAFFIC_MS = 1_000;
const { nodes, groupSize, rate } = fieldDefaults;
/** Groups for which each node is in so many, on average. */
const totalOf = (perNode: number, of: number) => Math.round((of * perNode) / groupSize);

function point(series: string, x: number, changes: Partial<FieldPoint>): Point<FieldPoint> {
  return { series, x, scenario: { ...fieldDefaults, trafficMs: TRAFFIC_MS, seeds: SEEDS, ...changes } };
}

function uniform(probability: number): LossModel {
  return { kind: "uniform", probability };
}

/** So many losses in a row, and as many losses as at 1 %. */
function bursts(length: number): LossModel {
  return { kind: "burst", probability: 0.01 / length, length };
}

const PER_NODE = [1, 4, 16, 64, 128, 256, 512, 1_024];

/** Groups per node, the same traffic over all of them. */
const perNode: Sweep<FieldPoint> = {
  name: "ricochet-groups",
  points: [
    ...PER_NODE.map((x) => point("assigned", x, { groups: totalOf(x, nodes), seeds: 2 })),
    ...[1, 16, 128, 1_024].map((x) =>
      point("random", x, { groups: totalOf(x, nodes), seeds: 2, config: { targets: "random" } }),
    ),
  ],
};

/** Fewer nodes make no difference to these, in which a sender's packets are waited for in each group. */
const BASELINE_NODES = 16;
/** What is lost in the first second is found within so many times the time between two packets of a sender in a group. */
const BASELINE_GAPS = 7;

const baselines: Sweep<FieldPoint> = {
  name: "ricochet-baselines",
  points: (["srm", "senderNak"] as const).flatMap((baseline) =>
    PER_NODE.map((x) => {
      const gapMs = (1_000 * x * (groupSize - 1)) / rate;
      const trafficMs = 1_500 + BASELINE_GAPS * gapMs;
      const groups = totalOf(x, BASELINE_NODES);
      const seeds = x > 100 ? 1 : SEEDS;
      return point(baseline, x, { nodes: BASELINE_NODES, groups, baseline, trafficMs, countedMs: 1_000, seeds });
    }),
  ),
};

const LOSSES = [0.01, 0.05, 0.1, 0.15, 0.2];
const FEW_GROUPS = 64;

const losses: Sweep<FieldPoint> = {
  name: "ricochet-loss",
  points: LOSSES.flatMap((x) => [
    point("one group, aligned", x, { loss: uniform(x) }),
    point("one group, random", x, { loss: uniform(x), config: { targets: "random" } }),
    point("64 groups, assigned", x, { loss: uniform(x), groups: FEW_GROUPS }),
    point("64 groups, random", x, { loss: uniform(x), groups: FEW_GROUPS, config: { targets: "random" } }),
  ]),
};

const COPIES = [1, 2, 3, 5, 7, 10];
const EVERY = [2, 4, 8, 12, 16];

/** The rate of fire, one group. */
const ratesOfFire: Sweep<FieldPoint> = {
  name: "ricochet-rates",
  points: (["auto", "random"] as const).flatMap((targets) => [
    ...COPIES.map((x) => point(`c, ${targets}`, x, { repairs: x, seeds: 2, config: { targets } })),
    ...EVERY.map((x) => point(`r, ${targets}`, x, { seeds: 2, config: { targets, packetsPerRepair: x } })),
  ]),
};

const BURSTS = [10];
const STAGGERS = [1, 5, 10, 20];
const PATIENT = { binMs: 400, nakMs: 400 };

const staggers: Sweep<FieldPoint> = {
  name: "ricochet-bursts",
  points: [
    ...BURSTS.flatMap((length) =>
      STAGGERS.map((x) => {
        const config = { burstPackets: x, ...PATIENT };
        return point(`bursts of ${length}`, x, { loss: bursts(length), seeds: 2, config });
      }),
    ),
    ...[64, 1_024].flatMap((groups) =>
      [1, 10].map((x) => {
        const config = { burstPackets: x };
        return point(`bursts of 10, ${groups} groups`, x, { groups, loss: bursts(10), seeds: 2, config });
      }),
    ),
  ],
};

const SIZES = [8, 16, 32, 48];

const sizes: Sweep<FieldPoint> = {
  name: "ricochet-sizes",
  points: (["auto", "random"] as const).flatMap((targets) =>
    SIZES.map((x) => point(targets, x, { groups: FEW_GROUPS, groupSize: x, seeds: 2, config: { targets } })),
  ),
};

type Of = readonly Outcome<FieldMeasures>[] | undefined;

function curve(of: Of, series: string, value: Parameters<typeof curveOf<FieldMeasures>>[3], name = series): Curve {
  return curveOf<FieldMeasures>(of, series, name, value);
}

const rebuilt = ({ rebuilt: { mean, ci95 } }: FieldMeasures) => ({ mean: 100 * mean, ci95: 100 * ci95 });
const meanMs = (result: FieldMeasures) => result.recoveredMs;

/** With x in percent. */
function percent({ points, ...rest }: Curve): Curve {
  return { ...rest, points: points.map(({ x, ...other }) => ({ x: 100 * x, ...other })) };
}

function figure(
  name: string,
  title: string,
  x: string,
  y: string,
  curves: readonly Curve[],
  more: Pick<Figure, "cut" | "log"> = {},
): Figure {
  return { name, title, x, y, curves, ...more };
}

function histogramOf(of: Of, series: string, x: number, name: string): Curve {
  const found = of?.find((outcome) => outcome.series === series && outcome.x === x);
  return { name, points: (found?.result.histogram ?? []).map(([ms, share]) => ({ x: ms, y: share })) };
}

const WITHOUT_ASKING = "% recovered without asking";
const RECOVERY = "mean recovery, ms";
const PER_NODE_AXIS = "groups per node";

/** B22: what the paper's text and its authors' pages tell of each figure. */
export const experiments: readonly Experiment<FieldPoint, FieldMeasures>[] = [
  {
    name: "r1",
    title: "Groups per node",
    sweeps: [perNode],
    figures: (outcomes) => {
      const of = outcomes.get("ricochet-groups");
      const series = ["assigned", "random"];
      return [
        figure(
          "r1-recovery",
          "1 % loss, 1,000 packets/s at each node",
          PER_NODE_AXIS,
          WITHOUT_ASKING,
          [...series.map((one) => curve(of, one, rebuilt)), published("paper: over 99", [[1_024, 99]])],
          { log: "x", cut: "y" },
        ),
        figure(
          "r1-latency",
          "Time to recover",
          PER_NODE_AXIS,
          "ms",
          [
            ...series.map((one) => curve(of, one, meanMs, `${one}, mean`)),
            curve(of, "assigned", (r) => r.p99Ms, "assigned, 99 %"),
            published("paper: 25 ms", [[1_024, 25]]),
          ],
          { log: "x" },
        ),
      ];
    },
  },
  {
    name: "r2",
    title: "Loss",
    sweeps: [losses],
    figures: (outcomes) => {
      const of = outcomes.get("ricochet-loss");
      const series = ["one group, aligned", "one group, random", "64 groups, assigned", "64 groups, random"];
      return [
        figure(
          "r2-recovery",
          "Recovered without asking",
          "loss, %",
          WITHOUT_ASKING,
          [
            ...series.map((one) => percent(curve(of, one, rebuilt))),
            published("paper", [
              [10, 96.8],
              [15, 92],
              [20, 84],
            ]),
          ],
          { cut: "y" },
        ),
        figure(
          "r2-latency",
          "Time to recover, in whatever way",
          "loss, %",
          RECOVERY,
          series.map((one) => percent(curve(of, one, meanMs))),
        ),
      ];
    },
  },
  {
    name: "r3",
    title: "The rate of fire",
    sweeps: [ratesOfFire],
    figures: (outcomes) => {
      const of = outcomes.get("ricochet-rates");
      const both = ["auto", "random"];
      const name = (targets: string) => (targets === "auto" ? "aligned" : targets);
      return [
        figure(
          "r3-copies",
          "Repairs per packet and member, r = 8, one group",
          "c",
          WITHOUT_ASKING,
          both.map((targets) => curve(of, `c, ${targets}`, rebuilt, name(targets))),
          { cut: "y" },
        ),
        figure(
          "r3-every",
          "Packets per repair, c = 5, one group",
          "r",
          RECOVERY,
          both.map((targets) => curve(of, `r, ${targets}`, meanMs, name(targets))),
        ),
        figure("r3-overhead", "What repairs cost, c = 5", "r", "repairs per packet received", [
          ...both.map((targets) => curve(of, `r, ${targets}`, (r) => r.overhead, name(targets))),
          published(
            "c / r",
            EVERY.map((x) => [x, 5 / x] as const),
          ),
        ]),
      ];
    },
  },
  {
    name: "r4",
    title: "Bursts and stagger",
    sweeps: [staggers],
    figures: (outcomes) => {
      const of = outcomes.get("ricochet-bursts");
      const series = [
        ...BURSTS.map((length) => `bursts of ${length}`),
        "bursts of 10, 64 groups",
        "bursts of 10, 1024 groups",
      ];
      return [
        figure(
          "r4-recovery",
          "Recovered without asking; one group unless said",
          "bursts that are expected, packets",
          WITHOUT_ASKING,
          [...series.map((one) => curve(of, one, rebuilt)), published("paper: bursts of 10, rises to", [[10, 95]])],
          { cut: "y" },
        ),
        figure(
          "r4-latency",
          "Time to recover",
          "bursts that are expected, packets",
          RECOVERY,
          series.map((one) => curve(of, one, meanMs)),
        ),
      ];
    },
  },
  {
    name: "r5",
    title: "Beside SRM, and requests to the sender",
    sweeps: [perNode, baselines],
    figures: (outcomes) => {
      const ours = outcomes.get("ricochet-groups");
      const of = outcomes.get("ricochet-baselines");
      return [
        figure(
          "r5-latency",
          "Time to recover, 1 % loss",
          PER_NODE_AXIS,
          RECOVERY,
          [
            curve(ours, "assigned", meanMs, "Ricochet"),
            curve(of, "srm", meanMs, "SRM"),
            curve(of, "senderNak", meanMs, "requests to the sender"),
            published("paper: SRM, 400 times Ricochet", [[128, 400 * (resultAt(ours, "assigned", 128) ?? 0)]]),
          ],
          { log: "both" },
        ),
      ];
    },
  },
  {
    name: "r6",
    title: "Sizes of groups",
    sweeps: [sizes],
    figures: (outcomes) => {
      const of = outcomes.get("ricochet-sizes");
      const both = ["auto", "random"];
      return [
        figure(
          "r6-recovery",
          "Members of each of 64 groups",
          "members",
          WITHOUT_ASKING,
          both.map((series) => curve(of, series, rebuilt)),
          { cut: "y" },
        ),
        figure(
          "r6-latency",
          "Time to recover",
          "members",
          RECOVERY,
          both.map((series) => curve(of, series, meanMs)),
        ),
      ];
    },
  },
  {
    name: "r8",
    title: "Distribution of recovery times",
    sweeps: [losses],
    figures: (outcomes) => {
      const of = outcomes.get("ricochet-loss");
      return [
        figure(
          "r8-histogram",
          "Recoveries by the time that they took",
          "ms",
          "share",
          [
            ...[0.01, 0.1, 0.2].map((loss) =>
              histogramOf(of, "64 groups, assigned", loss, `64 groups, ${100 * loss} % loss`),
            ),
            histogramOf(of, "one group, aligned", 0.1, "one group, 10 % loss"),
          ],
          { log: "x" },
        ),
      ];
    },
  },
];

function resultAt(of: Of, series: string, x: number): number | undefined {
  return of?.find((outcome) => outcome.series === series && outcome.x === x)?.result.recoveredMs.mean;
}

/** The experiments on Ricochet. */
export const ricochetSuite: Suite<FieldPoint, FieldMeasures> = {
  name: "ricochet",
  experiments,
  run: (scenario) => measureField(scenario),
  told: (scenario) => scenario,
  claims: ricochetClaims,
};
