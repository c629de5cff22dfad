import {
  type Curve,
  curveOf,
  type Experiment,
  type Figure,
  type Outcome,
  type Outcomes,
  type Point,
  published,
  type Suite,
  type Sweep,
} from "../load/experiment.ts";
import type { LossModel } from "../loss.ts";
import { platoClaims } from "./plato-claims.ts";
import { platoScenario } from "./plato-load.ts";
import { measurePlato, type PlatoMeasures, type PlatoPoint, ratio } from "./plato-measures.ts";

const SEEDS = 4;
/** Messages that each run measures, about. */
const MESSAGES = 500;
const WARM_UP_MS = 1_000;
const RATES = [100, 200, 500, 1_000, 2_000, 5_000];
const ASKED_RATES = [100, 500, 1_000, 2_000];
const SENDERS = [2, 8, 32];
const ONE_PERCENT: LossModel = { kind: "uniform", probability: 0.01 };

/** Ways to order. */
const MODES = {
  plato: {},
  "fixed sequencer": { optimistic: false, commit: "ordered" },
  "sequencer that orders at once": { optimistic: false, commit: "ordered", orderMs: 0 },
  conservative: { optimistic: false },
  ring: undefined,
} as const satisfies Record<string, PlatoPoint["plato"] | undefined>;

type Mode = keyof typeof MODES;

function point(series: string, x: number, mode: Mode, changes: Partial<PlatoPoint>): Point<PlatoPoint> {
  const rate = changes.rate ?? platoScenario.rate;
  const measured = { warmUpMs: WARM_UP_MS, trafficMs: WARM_UP_MS + (MESSAGES * 1_000) / rate };
  const plato = { ...MODES[mode], ...changes.plato };
  const scenario: PlatoPoint = { ...platoScenario, ...measured, seeds: SEEDS, ...changes, plato };
  return { series, x, scenario: mode === "ring" ? { ...scenario, ring: true } : scenario };
}

/** Many members cost much to simulate, and bring many deliveries for each message. */
function senders(count: number): Partial<PlatoPoint> {
  return { senders: count, members: Math.max(8, count), seeds: count > 8 ? 3 : SEEDS };
}

/** Rates of messages: how each way to order them does. */
const rates: Sweep<PlatoPoint> = {
  name: "plato-rates",
  points: (Object.keys(MODES) as Mode[]).flatMap((mode) => RATES.map((rate) => point(mode, rate, mode, { rate }))),
};

/** Rates by the number of senders, each beside the fixed sequencer. */
const senderSweep: Sweep<PlatoPoint> = {
  name: "plato-senders",
  points: SENDERS.flatMap((count) =>
    ASKED_RATES.flatMap((rate) =>
      (["plato", "fixed sequencer"] as const).map((mode) =>
        point(`${mode}, ${count}`, rate, mode, { rate, ...senders(count) }),
      ),
    ),
  ),
};

const THRESHOLDS = [0.01, 0.02, 0.04, 0.06, 0.08, 0.12, 0.2, 0.5, 2];

/** Thresholds that do not adapt. */
const thresholds: Sweep<PlatoPoint> = {
  name: "plato-thresholds",
  points: [100, 1_000].flatMap((rate) =>
    THRESHOLDS.map((threshold) => point(`${rate} messages/s`, threshold, "plato", { rate, plato: { threshold } })),
  ),
};

const LOSSES = [0, 0.005, 0.01, 0.02, 0.05];

/** Loss at each receiver, of everything. */
const losses: Sweep<PlatoPoint> = {
  name: "plato-loss",
  points: ASKED_RATES.flatMap((rate) =>
    LOSSES.map((probability) => {
      const loss: LossModel = probability === 0 ? { kind: "none" } : { kind: "uniform", probability };
      return point(`${rate} messages/s`, probability, "plato", { rate, loss });
    }),
  ),
};

const STALLS = [0, 2, 5, 10, 20, 50];

/** Each member does not run for so long twice a second, with a socket of 64 datagrams. */
const stalls: Sweep<PlatoPoint> = {
  name: "plato-stalls",
  points: (["plato", "fixed sequencer"] as const).flatMap((mode) =>
    STALLS.map((forMs) => {
      const stalled = forMs === 0 ? undefined : { everyMs: 500, forMs };
      return point(mode, forMs, mode, { rate: 1_000, stalls: stalled });
    }),
  ),
};

/** What the predictor has to tell apart. */
const gaps: Sweep<PlatoPoint> = {
  name: "plato-gaps",
  points: [
    point("no loss", 0, "plato", { rate: 1_000, seeds: 3 }),
    point("1 % loss", 1, "plato", { rate: 1_000, seeds: 3, loss: ONE_PERCENT }),
  ],
};

type Of = readonly Outcome<PlatoMeasures>[] | undefined;

function curve(of: Of, series: string, value: Parameters<typeof curveOf<PlatoMeasures>>[3], name = series): Curve {
  return curveOf<PlatoMeasures>(of, series, name, value);
}

/** How many times sooner than by the fixed sequencer, by rate. */
function ratios(of: Of, plato: string, fixed: string, name: string): Curve {
  const points = (of ?? [])
    .filter(({ series }) => series === plato)
    .flatMap(({ x, result }) => {
      const other = of?.find((outcome) => outcome.series === fixed && outcome.x === x);
      if (other === undefined) return [];
      const { mean, ci95 } = ratio(other.result, result);
      return [{ x, y: mean, ci: ci95 }];
    });
  return { name, points };
}

/** Shares of deliveries by time. */
function cumulative(of: Of, series: string, x: number, name: string): Curve {
  const found = of?.find((outcome) => outcome.series === series && outcome.x === x);
  return { name, points: (found?.result.percentiles ?? []).map((ms, i) => ({ x: Math.max(ms, 0.01), y: i / 100 })) };
}

/** Of those that are closer than a threshold how many are inverted, or of those that are inverted how many are closer. */
function quality(of: Of, series: string, what: "precision" | "recall"): Curve {
  const result = of?.find((outcome) => outcome.series === series)?.result;
  const points = (result?.closer ?? []).map(([ms, all, inverted]) => ({
    x: ms,
    y: what === "recall" ? inverted : all === 0 ? 0 : (inverted * (result?.inverted ?? 0)) / all,
  }));
  return { name: `${what}, ${series}`, points };
}

const RATE = "messages/s";
const MEAN = "mean latency, ms";

const figure = (
  name: string,
  title: string,
  x: string,
  y: string,
  curves: readonly Curve[],
  log?: Figure["log"],
): Figure => ({
  name,
  title,
  x,
  y,
  curves,
  ...(log !== undefined && { log }),
});

/** The paper's are known by their abstract alone: more than twice as fast as a fixed sequencer. */
export const experiments: readonly Experiment<PlatoPoint, PlatoMeasures>[] = [
  {
    name: "p1",
    title: "Gaps between messages, and their order elsewhere",
    sweeps: [gaps],
    figures: (outcomes: Outcomes<PlatoMeasures>) => {
      const of = outcomes.get("plato-gaps");
      return [
        figure(
          "p1-predictor",
          "Neighbours that come closer than a threshold",
          "threshold, ms",
          "share",
          [
            quality(of, "no loss", "recall"),
            quality(of, "1 % loss", "recall"),
            quality(of, "no loss", "precision"),
            quality(of, "1 % loss", "precision"),
          ],
          "x",
        ),
      ];
    },
  },
  {
    name: "p2",
    title: "Latency of total order",
    sweeps: [rates],
    figures: (outcomes) => {
      const of = outcomes.get("plato-rates");
      const modes = Object.keys(MODES) as Mode[];
      return [
        figure(
          "p2-latency",
          "Latency, 8 members that all send",
          RATE,
          MEAN,
          modes.map((mode) => curve(of, mode, (r) => r.latency)),
          "both",
        ),
        figure(
          "p2-distribution",
          "Deliveries by time",
          "ms",
          "share",
          [100, 1_000].flatMap((rate) => [
            cumulative(of, "plato", rate, `plato, ${rate}/s`),
            cumulative(of, "fixed sequencer", rate, `fixed sequencer, ${rate}/s`),
            cumulative(of, "ring", rate, `ring, ${rate}/s`),
          ]),
          "x",
        ),
        figure("p2-commit", "From sending to commitment", RATE, "mean, ms", [
          curve(of, "plato", (r) => r.commit, "stable at all members"),
          curve(of, "fixed sequencer", (r) => r.commit, "ordered"),
        ]),
      ];
    },
  },
  {
    name: "p3",
    title: "Rollbacks",
    sweeps: [thresholds, losses],
    figures: (outcomes) => {
      const byThreshold = outcomes.get("plato-thresholds");
      const byLoss = outcomes.get("plato-loss");
      const rateSeries = [100, 1_000].map((rate) => `${rate} messages/s`);
      const all = ASKED_RATES.map((rate) => `${rate} messages/s`);
      return [
        figure(
          "p3-threshold",
          "Rollbacks with a threshold that does not adapt",
          "threshold, ms",
          "% of deliveries",
          rateSeries.map((series) => curve(byThreshold, series, (r) => 100 * r.rolledBack.mean)),
          "x",
        ),
        figure(
          "p3-latency",
          "Latency with a threshold that does not adapt",
          "threshold, ms",
          MEAN,
          rateSeries.map((series) => curve(byThreshold, series, (r) => r.latency)),
          "x",
        ),
        figure("p3-loss", "Rollbacks and loss, adaptive threshold", "loss, %", "% of deliveries", [
          ...all.map((series) => {
            const { name, points } = curve(byLoss, series, (r) => r.rolledBack);
            return { name, points: points.map(({ x, y, ci = 0 }) => ({ x: 100 * x, y: 100 * y, ci: 100 * ci })) };
          }),
          published("four times the loss", [
            [0, 0],
            [2, 8],
          ]),
        ]),
      ];
    },
  },
  {
    name: "p4",
    title: "Members that do not run for a while",
    sweeps: [stalls],
    figures: (outcomes) => {
      const of = outcomes.get("plato-stalls");
      return [
        figure("p4-latency", "Latency, 1,000 messages/s, two stalls per member and second", "stall, ms", MEAN, [
          curve(of, "plato", (r) => r.latency),
          curve(of, "fixed sequencer", (r) => r.latency),
        ]),
        figure("p4-rollback", "Rollbacks", "stall, ms", "% of deliveries", [
          curve(of, "plato", (r) => ({ mean: 100 * r.rolledBack.mean, ci95: 100 * r.rolledBack.ci95 })),
        ]),
      ];
    },
  },
  {
    name: "p5",
    title: "Latency and the number of senders",
    sweeps: [senderSweep],
    figures: (outcomes) => {
      const bySenders = outcomes.get("plato-senders");
      return [
        figure(
          "p5-ratio",
          "How many times sooner than by a fixed sequencer",
          RATE,
          "times",
          [
            ...SENDERS.map((count) =>
              ratios(bySenders, `plato, ${count}`, `fixed sequencer, ${count}`, `${count} senders`),
            ),
            published("asked for", [
              [100, 20],
              [500, 5],
              [1_000, 2.5],
              [2_000, 1.3],
            ]),
            published("paper: more than 2", [[500, 2]]),
          ],
          "both",
        ),
      ];
    },
  },
];

/** The experiments on PLATO. */
export const platoSuite: Suite<PlatoPoint, PlatoMeasures> = {
  name: "plato",
  experiments,
  run: (scenario) => measurePlato(scenario),
  told: (scenario) => scenario,
  claims: platoClaims,
};
