import { assert } from "../../base/assert.ts";
import type { TimelyConfig } from "../../ricochet/config.ts";
import { type Bound, type Claim, type ClaimSet, meanOf } from "../load/claims.ts";
import type { LossModel } from "../loss.ts";
import type { BaselineKind } from "./baselines.ts";
import { fieldDefaults } from "./field.ts";
import type { FieldMeasures, FieldPoint } from "./field-measures.ts";

type FieldClaim = Claim<FieldMeasures>;
type Targets = "random" | "assigned" | "aligned";

const { nodes: NODES, groupSize: SIZE, rate: RATE } = fieldDefaults;
/** Seconds of one group are cheap, and its figures are asked for in tenths of a percent. */
const ONE_GROUP_MS = 3_000;
const GROUPS_MS = 600;
/** With few groups as well, some of them hang on one loss in a thousand. */
const FEW_GROUPS_MS = 1_500;
const FEW_GROUPS = 64;
/** High losses bring enough of them sooner. */
const LOSSY_MS = 300;
/** Traffic goes on for so long: what is lost in the end waits for bins that nothing fills any more, which is another question. */
const MORE_MS = 200;
const BURST = 10;
/** What SRM loses in the first second is found in so many times the time between two packets of a sender in a group. */
const BASELINE_NODES = 16;
const BASELINE_GAPS = 7;
/** Members that choose have settled by then. */
const SETTLED_MS = 8_000;

const runs = new Map<string, Omit<FieldPoint, "seeds" | "firstSeed">>();

/** Notes a run, under this name. */
function run(name: string, changes: Partial<FieldPoint>): string {
  const { countedMs = GROUPS_MS, ...rest } = changes;
  runs.set(name, { ...fieldDefaults, countedMs, trafficMs: countedMs + MORE_MS, ...rest });
  return name;
}

const configOf = (targets: Targets): Partial<TimelyConfig> => ({ targets });
const uniform = (probability: number): LossModel => ({ kind: "uniform", probability });
/** So many losses in a row, and as many losses as at 1 %. */
const inABurst: LossModel = { kind: "burst", probability: 0.01 / BURST, length: BURST };
const thousands = (count: number): string => count.toLocaleString("en-US");

function oneGroup(targets: Targets, loss = 0.01): string {
  const countedMs = loss > 0.01 ? LOSSY_MS : ONE_GROUP_MS;
  return run(`one group, ${targets}, ${loss}`, { countedMs, loss: uniform(loss), config: configOf(targets) });
}

/** So many groups in total. */
function groups(count: number, targets: Targets, loss = 0.01): string {
  const countedMs = loss > 0.01 ? LOSSY_MS : count <= FEW_GROUPS ? FEW_GROUPS_MS : GROUPS_MS;
  const changes = { groups: count, countedMs, loss: uniform(loss), config: configOf(targets) };
  return run(`${count} groups, ${targets}, ${loss}`, changes);
}

/** So many groups at each node, repaired as the system chooses. */
function perNode(count: number): string {
  return run(`${count} groups per node`, { groups: Math.round((NODES * count) / SIZE) });
}

function baseline(kind: BaselineKind, count: number): string {
  const gapMs = (1_000 * count * (SIZE - 1)) / RATE;
  return run(`${kind}, ${count} groups per node`, {
    baseline: kind,
    nodes: BASELINE_NODES,
    groups: Math.round((BASELINE_NODES * count) / SIZE),
    trafficMs: 1_500 + BASELINE_GAPS * gapMs,
    countedMs: 1_000,
  });
}

const rebuilt = ({ rebuilt: { mean }, missed }: FieldMeasures) => ({ part: mean * missed, whole: missed });
const meanMs = ({ recoveredMs: { mean }, missed }: FieldMeasures) => ({ part: mean * missed, whole: missed });

/** What repairs alone bring. */
function recovery(group: string, what: string, name: string, bound?: Bound): FieldClaim {
  return { group, what, kind: "share", unit: "%", digits: 2, ...(bound && { bound }), runs: [name], of: rebuilt };
}

function time(group: string, what: string, name: string, bound?: Bound): FieldClaim {
  return { group, what, kind: "ratio", unit: "ms", digits: 2, ...(bound && { bound }), runs: [name], of: meanMs };
}

/** What was here within 200 ms, in whatever way. */
function complete(group: string, what: string, ...names: string[]): FieldClaim {
  const of = (...results: readonly FieldMeasures[]) => ({
    part: results.reduce((sum, { within200, missed }) => sum + within200 * missed, 0),
    whole: results.reduce((sum, { missed }) => sum + missed, 0),
  });
  return { group, what, kind: "share", unit: "%", digits: 3, bound: { atLeast: 99.99 }, runs: names, of };
}

const LOSSES = [
  { loss: 0.1, random: 97, assigned: 99 },
  { loss: 0.15, random: 93, assigned: 98 },
  { loss: 0.2, random: 86, assigned: 94 },
];
const PER_NODE = [128, 256, 512, 1_024];
const percent = (loss: number): string => `${Math.round(100 * loss)} % loss`;

const inOneGroup: readonly FieldClaim[] = [
  recovery("one-group", "1 % loss, one group of 64, random targets", oneGroup("random"), { atLeast: 98.5 }),
  recovery("one-group", "1 % loss, one group, aligned targets", oneGroup("aligned"), { atLeast: 99.9 }),
  {
    group: "one-group",
    what: "repairs beyond c / r there",
    kind: "ratio",
    unit: "%",
    digits: 2,
    bound: { atMost: 3 },
    runs: [oneGroup("aligned")],
    of: ({ overhead: { mean } }) => meanOf(100 * (mean / (5 / 8) - 1)),
  },
  time("one-group", "mean recovery there", oneGroup("aligned"), { atMost: 2.5 }),
  complete("one-group", "here within 200 ms, one group, aligned", oneGroup("aligned")),
  complete("one-group", "here within 200 ms, one group, random", oneGroup("random")),
  ...LOSSES.map(({ loss }) => recovery("one-group", `${percent(loss)}, one group, aligned`, oneGroup("aligned", loss))),
];

const inGroups: readonly FieldClaim[] = [64, 1_024].flatMap((count) => {
  const group = `${count}-groups`;
  const name = `${thousands(count)} groups`;
  return [
    recovery(group, `1 % loss, ${name}, random`, groups(count, "random"), { atLeast: 99.7 }),
    recovery(group, `1 % loss, ${name}, assigned`, groups(count, "assigned"), { atLeast: 99.9 }),
    complete(
      group,
      `here within 200 ms, ${name}, random and assigned`,
      ...(["random", "assigned"] as const).map((targets) => groups(count, targets)),
    ),
    ...LOSSES.flatMap(({ loss, random, assigned }) => [
      recovery(group, `${percent(loss)}, ${name}, random`, groups(count, "random", loss), { atLeast: random }),
      recovery(group, `${percent(loss)}, ${name}, assigned`, groups(count, "assigned", loss), { atLeast: assigned }),
    ]),
  ];
});

/** Bursts that are provided for. */
function bursts(name: string, changes: Partial<FieldPoint>): string {
  return run(`bursts, ${name}`, { loss: inABurst, config: { burstPackets: BURST }, ...changes });
}

const inBursts: readonly FieldClaim[] = [0, 64, 1_024].map((count) => {
  const name = count === 0 ? "one group" : `${thousands(count)} groups`;
  const changes = { groups: count, countedMs: count === 0 ? ONE_GROUP_MS : GROUPS_MS };
  return recovery("bursts", `bursts of 10, ${name}`, bursts(name, changes), { atLeast: 98 });
});

const inManyGroups: readonly FieldClaim[] = [
  ...PER_NODE.map((count) =>
    time("per-node", `mean recovery, ${thousands(count)} groups per node`, perNode(count), { atMost: 12 }),
  ),
  {
    group: "per-node",
    what: "the longest of these four by the shortest",
    kind: "ratio",
    unit: "times",
    digits: 2,
    bound: { atMost: 1.2 },
    runs: PER_NODE.map(perNode),
    of: (...results) => {
      const means = results.map(({ recoveredMs: { mean } }) => mean);
      return { part: Math.max(...means), whole: Math.min(...means) };
    },
  },
  complete("per-node", "here within 200 ms, 128 to 1,024 groups per node", ...PER_NODE.map(perNode)),
];

const beside: readonly FieldClaim[] = (["srm", "senderNak"] as const).flatMap((kind) =>
  [1, 16, 128, 1_024].map((count): FieldClaim => {
    const who = kind === "srm" ? "SRM" : "requests to the sender";
    const bound: Bound | undefined = count < 128 ? undefined : { atLeast: 100 };
    return {
      group: "baselines",
      what: `mean recovery by ${who}, of ours, ${count === 1 ? "1 group" : `${thousands(count)} groups`} per node`,
      kind: "ratio",
      unit: "times",
      digits: 0,
      ...(bound && { bound }),
      runs: [baseline(kind, count), perNode(count)],
      of: (other, ours) => ({ part: other.recoveredMs.mean, whole: ours.recoveredMs.mean }),
    };
  }),
);

/** Small, so that each bin is filled more than a hundred times. */
const SMALL = { nodes: 16, countedMs: 4_000 };

/** Repairs per packet by c / r. The nodes that a packet is repaired at: all members, or, with assigned targets, all but its sender. */
function overhead(what: string, targets: Targets, every: number, copies: number, changes: Partial<FieldPoint>) {
  const config = { ...configOf(targets), packetsPerRepair: every };
  const name = run(`overhead, ${what}`, { ...SMALL, repairs: copies, config, ...changes });
  const size = (changes.groups ?? 0) === 0 ? SMALL.nodes : SIZE;
  const repaired = targets === "assigned" ? (size - 1) / size : 1;
  const of = (result: FieldMeasures) => meanOf(100 * (result.overhead.mean / ((copies / every) * repaired) - 1));
  return { group: "overhead", what, kind: "ratio", unit: "%", digits: 2, runs: [name], of } as const;
}

const overheads: readonly FieldClaim[] = (
  [
    ["(8, 5), one group, aligned", "aligned", 8, 5, {}],
    ["(8, 5), one group, random", "random", 8, 5, {}],
    ["(8, 5), 16 groups, assigned", "assigned", 8, 5, { groups: 16 }],
    ["(8, 5), 16 groups, random", "random", 8, 5, { groups: 16 }],
    ["(4, 5), one group, aligned", "aligned", 4, 5, {}],
    ["(8, 2), one group, aligned", "aligned", 8, 2, {}],
    ["(16, 3), 16 groups, assigned", "assigned", 16, 3, { groups: 16 }],
  ] as const
).map(([what, targets, every, copies, changes]) => ({
  ...overhead(`repairs beyond c / r, 16 nodes, ${what}`, targets, every, copies, changes),
  bound: { atMost: 5 },
}));

/** Members that choose (r, c) themselves, of 8 nodes; what they lose once they have settled. */
function adaptive(name: string, changes: Partial<FieldPoint>): string {
  return run(`adaptive, ${name}`, {
    nodes: 8,
    recovery: 0.99,
    countedMs: 3 * SETTLED_MS,
    countedFromMs: SETTLED_MS,
    ...changes,
  });
}

const chosen: readonly FieldClaim[] = (
  [
    ["1 % loss", uniform(0.01)],
    ["5 % loss", uniform(0.05)],
    ["10 % loss", uniform(0.1)],
    ["bursts of 10", inABurst],
  ] as const
).map(([name, loss]) =>
  recovery("adaptive", `8 members that choose, 99 % asked for, ${name}`, adaptive(name, { loss }), { atLeast: 99 }),
);

/** When loss rises, after members have settled with little of it; and after how long they repair what they should. */
const RISE_MS = SETTLED_MS;
const RISEN_MS = 1_000;
/** Parts of the time after that, ms. */
const AFTER_RISE = [
  [0, 250],
  [250, 500],
  [500, 1_000],
  [1_000, 2_000],
  [2_000, 4_000],
] as const;

const settling: readonly FieldClaim[] = AFTER_RISE.map(([from, to]) => {
  const name = adaptive(`loss rises, ${from} to ${to} ms later`, {
    loss: uniform(0.001),
    lossLater: { fromMs: RISE_MS, loss: uniform(0.05) },
    countedFromMs: RISE_MS + from,
    countedMs: RISE_MS + to,
    trafficMs: RISE_MS + to + MORE_MS,
  });
  const what = `8 members that choose, 99 % asked for, ${thousands(from)} to ${thousands(to)} ms after loss rises from 0.1 to 5 %`;
  return recovery("settling", what, name, from < RISEN_MS ? undefined : { atLeast: 99 });
});

/** What is asked of Ricochet, in the simulator. */
export const ricochetClaims: ClaimSet<FieldPoint, FieldMeasures> = {
  claims: [...inOneGroup, ...inGroups, ...inBursts, ...inManyGroups, ...beside, ...overheads, ...chosen, ...settling],
  scenario: (name, seed) => {
    const scenario = runs.get(name);
    assert(scenario !== undefined, "claims are of runs that there are");
    return { ...scenario, seeds: 1, firstSeed: seed };
  },
};
