import { nodeDefaults } from "../../qsm/config.ts";
import { MANAGED_2007, MEMORY_FREE } from "./cost-model.ts";
import type { Point, Sweep } from "./experiment.ts";
import { type LoadScenario, oneRegion, PAPER_CONFIG, type Perturbation, scenario } from "./scenario.ts";

/** Nodes of a region, the sender included. */
const SIZES = [10, 60, 120, 192];
const ENDS = [10, 192];
/** Where many runs are compared that all have as many: the paper's receivers of Q13. */
const MIDDLE = 110;

const { roundBytes, windowBytes, windowResumeBytes, ringMode } = nodeDefaults;
/** Our own defaults, where the paper's system differs from them. */
const OURS = { config: { roundBytes, windowBytes, windowResumeBytes, ringMode }, ratesAdapt: true } as const;
/** As the paper's system was measured: repairs in one class with tokens, and long quanta. */
const TWO_CLASS = { classes: "two", packetQuantumMs: 50 } as const;
const ONE_CLASS = { classes: "one", packetQuantumMs: 50 } as const;

function overSizes(series: string, changes: (nodes: number) => Partial<LoadScenario>, sizes = SIZES): Point[] {
  return sizes.map((nodes) => ({ series, x: nodes, scenario: scenario(nodes, changes(nodes)) }));
}

function config(changes: LoadScenario["config"]): Partial<LoadScenario> {
  return { config: { ...PAPER_CONFIG, ...changes } };
}

/** One sender that does what it can, alone in its region with more and more receivers. */
export const sizes: Sweep = {
  name: "sizes",
  points: [
    ...overSizes("one sender", () => ({})),
    ...overSizes("memory costs nothing", () => ({ costs: MEMORY_FREE }), ENDS),
    ...overSizes("our defaults", () => OURS, ENDS),
  ],
};

const PAIR_RATES = [10_000, 11_000];

/** Two senders at given rates: the highest that leaves no backlog counts. */
export const pairs: Sweep = {
  name: "pairs",
  points: PAIR_RATES.flatMap((rate) =>
    overSizes(String(rate), () => ({ senders: [0, 1], workload: { perSecond: rate / 2 }, measureMs: 5_000 }), [
      10,
      MIDDLE,
    ]),
  ),
};

const RATES = [1_000, 2_000, 4_000, 6_000, 7_000, 8_000];

/** One sender at given rates, to 100 receivers; also with small messages. */
export const rates: Sweep = {
  name: "rates",
  points: [
    ...RATES.map((x) => ({ series: "1000 bytes", x, scenario: scenario(101, { workload: { perSecond: x } }) })),
    ...[1_000, 4_000, 8_000].map((x) => {
      const changes = { workload: { perSecond: x }, payloadBytes: 100, measureMs: 6_000 };
      return { series: "100 bytes", x, scenario: scenario(101, changes) };
    }),
  ],
};

/** Tokens per second. */
export const tokenRates: Sweep = {
  name: "token-rates",
  points: [...[0.5, 1, 1.25, 2, 5].map((x) => tokens("periodic", x)), ...[1, 5].map((x) => tokens("afterReturn", x))],
};

function tokens(release: "periodic" | "afterReturn", tokenRate: number): Point {
  return { series: release, x: tokenRate, scenario: scenario(MIDDLE + 1, config({ tokenRate, release })) };
}

/** How many nodes keep each packet; and, beside it, how much memory receivers have in use for whatever reason. */
export const replication: Sweep = {
  name: "replication",
  points: [
    ...[5, 24, 55].map((x) => ({ series: "cachers", x, scenario: scenario(MIDDLE + 1, config({ replication: x })) })),
    ...[0, 25, 50, 75, 100].map((x) => ({
      series: "memory",
      x,
      scenario: scenario(MIDDLE + 1, { receiverExtraMb: x }),
    })),
  ],
};

function perturbed(kind: Perturbation["kind"], everyMs: number, forMs: number): Sweep {
  // In the middle of the ring, so that it is neither sender nor leader.
  const at = (nodes: number): Partial<LoadScenario> => ({
    perturbation: { kind, node: Math.floor(nodes * 0.6), everyMs, forMs },
    measureMs: 15_000,
  });
  return {
    name: kind,
    points: [
      ...overSizes("three classes", at),
      ...overSizes("two classes", (nodes) => ({ ...at(nodes), ...TWO_CLASS })),
      ...overSizes("one class", (nodes) => ({ ...at(nodes), ...ONE_CLASS }), ENDS),
      ...overSizes("our defaults", (nodes) => ({ ...at(nodes), ...OURS }), ENDS),
    ],
  };
}

/** One receiver sleeps half a second of every five; or loses what comes in ten milliseconds of each second. */
export const sleep = perturbed("sleep", 5_000, 500);
export const loss = perturbed("loss", 1_000, 10);

const MANY_GROUPS = [1, 1_000, 3_500, 6_000, 8_192];
/** What a group costs a sender: in the paper's system, with its tracing on, and here (`npm run bench -- qsm`). */
const GROUP_BYTES = { "22 KB per group": 22_000, "33 KB per group": 33_000, "1.5 KB per group, as here": 1_500 };

function overGroups(series: keyof typeof GROUP_BYTES, groups: readonly number[]): Point[] {
  return groups.map((x) => {
    const costs = { ...MANAGED_2007, bytesPerGroup: GROUP_BYTES[series] };
    const groupsOf = oneRegion(MIDDLE + 1, x);
    return { series, x, scenario: scenario(MIDDLE + 1, { groupsOf, costs, measureMs: 15_000 }) };
  });
}

/** One sender sends to one group after the other; all nodes are in all of them. */
export const groups: Sweep = {
  name: "groups",
  points: [
    ...overGroups("22 KB per group", MANY_GROUPS),
    ...overGroups("33 KB per group", [1, 8_192]),
    ...overGroups("1.5 KB per group, as here", [1, 8_192]),
  ],
};

/** How a region is divided, and how its token goes round. */
export const plans: Sweep = {
  name: "plans",
  points: [
    ...overSizes("partitions of 5, one token", () => config({ plan: "byReplication" }), [48, 192]),
    ...overSizes("partitions of 25, one token", () => config({ plan: "byRingCap" }), [48, 192]),
    ...overSizes("tree of rings", () => config({ plan: "byReplication", ringMode: "tree" }), [48, 192]),
  ],
};

/** Many groups and many nodes, and what can happen to them in half a minute, at full rate. */
export const incidents: Sweep = {
  name: "incidents",
  points: [
    {
      series: "one sender",
      x: MIDDLE,
      scenario: scenario(MIDDLE + 1, {
        groupsOf: oneRegion(MIDDLE + 1, 8_000),
        costs: { ...MANAGED_2007, bytesPerGroup: 1_500 },
        measureMs: 26_000,
        incidents: [
          { kind: "freeze", at: 8_000, nodes: [10, 30, 50], forMs: 1_000 },
          { kind: "loss", at: 14_000, nodes: Array.from({ length: 40 }, (_, i) => i + 1), forMs: 50 },
          // Leaders of partitions among them.
          { kind: "crash", at: 20_000, nodes: [1, 45, 70], forMs: 0 },
        ],
      }),
    },
  ],
};
