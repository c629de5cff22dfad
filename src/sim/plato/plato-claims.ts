import { assert } from "../../base/assert.ts";
import { type Claim, type ClaimSet, meanOf } from "../load/claims.ts";
import type { LossModel } from "../loss.ts";
import { platoScenario } from "./plato-load.ts";
import type { PlatoMeasures, PlatoPoint } from "./plato-measures.ts";

type PlatoClaim = Claim<PlatoMeasures>;

const WARM_UP_MS = 1_000;
/** Messages that a run measures: at low rates few of them decide; with many members each costs more, and brings more deliveries. */
const MESSAGES = 1_000;
const MESSAGES_AT_LOW_RATES = 4_000;
const MESSAGES_OF_MANY = 300;
const FIXED = { optimistic: false, commit: "ordered" } as const;

const ASKED = [
  { rate: 100, times: 20 },
  { rate: 500, times: 5 },
  { rate: 1_000, times: 2.5 },
  { rate: 2_000, times: 1.3 },
];
const SENDERS = [2, 8, 32];
const LOSSES = [0.005, 0.01, 0.02, 0.05];
const LOSS_TIMES = 4;

const runs = new Map<string, Omit<PlatoPoint, "seeds" | "firstSeed">>();

function run(name: string, senders: number, rate: number, changes: Partial<PlatoPoint> = {}): string {
  const members = Math.max(8, senders);
  const messages = members > 8 ? MESSAGES_OF_MANY : rate < 500 ? MESSAGES_AT_LOW_RATES : MESSAGES;
  const trafficMs = WARM_UP_MS + (messages * 1_000) / rate;
  runs.set(name, { ...platoScenario, warmUpMs: WARM_UP_MS, trafficMs, members, senders, rate, ...changes });
  return name;
}

const predicted = (senders: number, rate: number) => run(`${senders} senders, ${rate}`, senders, rate);
const fixed = (senders: number, rate: number) =>
  run(`fixed, ${senders} senders, ${rate}`, senders, rate, { plato: FIXED });

const shown = (rate: number) => `${rate.toLocaleString("en-US")} messages/s`;
const meanOfAll = ({ latency }: PlatoMeasures) => meanOf(latency.mean);
const takenBack = ({ rolledBack, deliveries }: PlatoMeasures) => rolledBack.mean * deliveries;

/** Everything without loss. */
const undisturbed: readonly PlatoClaim[] = SENDERS.flatMap((senders) => {
  const group = `${senders}-senders`;
  const sooner = ASKED.map(
    ({ rate, times }): PlatoClaim => ({
      group,
      what: `mean latency of a fixed sequencer, of ours, ${shown(rate)}, ${senders} senders`,
      kind: "ratio",
      unit: "times",
      digits: 2,
      bound: { atLeast: times },
      runs: [fixed(senders, rate), predicted(senders, rate)],
      of: (other, ours) => ({ part: other.latency.mean, whole: ours.latency.mean }),
    }),
  );
  const rollbacks: PlatoClaim = {
    group,
    what: `taken back without loss, 100 to 2,000 messages/s, ${senders} senders`,
    kind: "total",
    unit: "",
    digits: 0,
    bound: { atMost: 0 },
    runs: ASKED.map(({ rate }) => predicted(senders, rate)),
    of: (...results) => ({
      part: results.reduce((sum, result) => sum + takenBack(result), 0),
      whole: results.reduce((sum, { deliveries }) => sum + deliveries, 0),
    }),
  };
  return [...sooner, rollbacks];
});

const lossy: readonly PlatoClaim[] = LOSSES.flatMap((probability) =>
  ASKED.map(({ rate }): PlatoClaim => {
    const loss: LossModel = { kind: "uniform", probability };
    return {
      group: "loss",
      what: `taken back by share of loss, ${100 * probability} % loss, ${shown(rate)}`,
      kind: "ratio",
      unit: "times",
      digits: 2,
      bound: { atMost: LOSS_TIMES },
      runs: [run(`loss ${probability}, ${rate}`, 8, rate, { loss })],
      of: (result) => ({ part: takenBack(result), whole: result.deliveries * probability }),
    };
  }),
);

/** Reported beside it. */
const others: readonly PlatoClaim[] = ASKED.flatMap(({ rate }) =>
  (
    [
      ["predicted", predicted(8, rate)],
      [
        "a sequencer that orders each message at once",
        run(`at once, ${rate}`, 8, rate, { plato: { ...FIXED, orderMs: 0 } }),
      ],
      ["the daemons' ring", run(`ring, ${rate}`, 8, rate, { ring: true })],
    ] as const
  ).map(
    ([who, name]): PlatoClaim => ({
      group: "others",
      what: `mean latency, ${shown(rate)}, 8 senders, ${who}`,
      kind: "ratio",
      unit: "ms",
      digits: 3,
      runs: [name],
      of: meanOfAll,
    }),
  ),
);

/** What is asked of PLATO. That no two members ever disagree is checked in each of these runs, which else fails. */
export const platoClaims: ClaimSet<PlatoPoint, PlatoMeasures> = {
  claims: [...undisturbed, ...lossy, ...others],
  scenario: (name, seed) => {
    const scenario = runs.get(name);
    assert(scenario !== undefined, "claims are of runs that there are");
    return { ...scenario, seeds: 1, firstSeed: seed };
  },
};
