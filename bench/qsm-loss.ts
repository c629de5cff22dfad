import type { Claim, Measured } from "./qsm-claims.ts";
import { type NodeCount, QsmSite, sleep, type Stretch, undisturbed } from "./qsm-site.ts";
import { figuresOf, MEGABITS, MS, percent, REPETITIONS, TOKEN_RATE } from "./qsm-throughput.ts";
import { figure, median, percentile, printTable } from "./report.ts";

const MESSAGE_BYTES = 1_000;
const WARM_UP_MS = 4_000;
/** With 5 % at 20 nodes rates are found more slowly, and what is to be seen is what becomes of them in the long run. */
const LONG = { warmUpMs: 10_000, ms: MS * 6 };
/** A machine with two processors has to run all receivers at this rate. */
const LINK = MEGABITS / 2;

type Loss = { readonly share: number; readonly burst: number };

type Run = {
  readonly rate: number;
  readonly othersBusy: number;
  /** Of packets received by all nodes in the time. */
  readonly packets: number;
  readonly pushed: number;
  readonly pulled: number;
  readonly waited: number;
  readonly resent: number;
  readonly duplicates: number;
  readonly redundantShare: number;
  /** Token rounds, and milliseconds, from the loss of a packet at a member to its repair. */
  readonly roundsMedian: number;
  readonly withinTwoRounds: number;
  readonly repairMs99: number;
  readonly keptBytesMax: number;
  /** Memory of the receivers' processes at the end, as a multiple of that at the beginning. */
  readonly memoryGrowth: number;
  readonly socketDrops: number;
  readonly lost: number;
  readonly isStable: boolean;
};

/** Nodes that lose what arrives, in bursts, each by itself: repairs of all kinds, and what they cost. */
export async function loss(): Promise<Measured> {
  const ten = [2, 2, 2, 2, 2];
  const twenty = [4, 4, 4, 4, 4];
  const cases: readonly { name: string; placement: readonly number[]; loss: Loss | undefined; isLong?: boolean }[] = [
    { name: "10 nodes, lossless", placement: ten, loss: undefined },
    { name: "10 nodes, 1 % in bursts of 10", placement: ten, loss: { share: 0.01, burst: 10 } },
    { name: "20 nodes, lossless", placement: twenty, loss: undefined },
    { name: "20 nodes, 5 % in bursts of 10", placement: twenty, loss: { share: 0.05, burst: 10 }, isLong: true },
  ];
  const results: { name: string; share: number; runs: Run[] }[] = [];
  for (const { name, placement, loss: dropped, isLong = false } of cases) {
    const runs: Run[] = [];
    for (let i = 0; i < REPETITIONS; i++) runs.push(await undisturbed(() => once(placement, dropped, isLong)));
    const rate = median(runs.map((run) => run.rate));
    const lossless = dropped === undefined ? rate : median((results.at(-1)?.runs ?? []).map((run) => run.rate));
    results.push({ name, share: rate / lossless, runs });
  }
  print(results);
  return { claims: claimsOf(results.map(({ runs }) => runs)), megabits: LINK, results };
}

function claimsOf([tenLossless = [], ten = [], , twenty = []]: readonly (readonly Run[])[]): Claim[] {
  return [
    {
      what: "10 nodes that lose 1 % in bursts of 10: rate, of lossless",
      unit: "%",
      bound: "least",
      aim: 90,
      values: ten.map(({ rate }, i) => (100 * rate) / (tenLossless[i] as Run).rate),
    },
    {
      what: "of their losses repaired within 2 token rounds",
      unit: "%",
      bound: "least",
      aim: 99,
      values: ten.map(({ withinTwoRounds }) => 100 * withinTwoRounds),
    },
    {
      what: "20 nodes that lose 5 %: redundant repairs, of data",
      unit: "%",
      bound: "most",
      aim: 0.5,
      values: twenty.map(({ redundantShare }) => 100 * redundantShare),
    },
    {
      what: "of them: receivers' memory at the end, of that at the beginning",
      unit: "x",
      bound: "most",
      aim: 1.25,
      values: twenty.map(({ memoryGrowth }) => memoryGrowth),
    },
    {
      what: "of them: packets lost for good, or not stable in 20 s",
      unit: "x",
      bound: "most",
      aim: 0,
      values: twenty.map(({ lost, isStable }) => lost + Number(!isStable)),
    },
  ];
}

function print(results: readonly { name: string; share: number; runs: readonly Run[] }[]): void {
  const rows = results.map(({ name, share, runs }) => {
    const of = (value: (run: Run) => number): number => median(runs.map(value));
    return [
      name,
      figure(of(({ rate }) => rate)),
      percent(share),
      [of((run) => run.pushed), of((run) => run.pulled), of((run) => run.waited), of((run) => run.resent)]
        .map(figure)
        .join(" "),
      percent(of((run) => run.redundantShare)),
      `${figure(of((run) => run.roundsMedian))}, ${percent(of((run) => run.withinTwoRounds))}`,
      figure(of((run) => run.repairMs99)),
      figure(of((run) => run.keptBytesMax) / 1e6),
      figure(of((run) => run.memoryGrowth)),
      figure(of((run) => run.socketDrops)),
      figure(of((run) => run.othersBusy)),
      runs.some((run) => run.lost > 0 || !run.isStable) ? "NOT ALL CAME" : "",
    ];
  });
  printTable(
    [
      `${LINK} Mbit/s links`,
      "messages/s",
      "of lossless",
      "pushed pulled waited resent",
      "redundant",
      "rounds, within 2",
      "99 % ms",
      "kept MB",
      "memory x",
      "socket drops",
      "others busy",
      "",
    ],
    rows,
  );
}

async function once(placement: readonly number[], dropped: Loss | undefined, isLong: boolean): Promise<Run> {
  const config = { tokenRate: TOKEN_RATE, packing: false };
  const site = await QsmSite.start({
    placement,
    config,
    groups: 1,
    megabits: LINK,
    ...(dropped === undefined ? {} : { loss: dropped }),
  });
  try {
    await site.flood(MESSAGE_BYTES);
    await sleep(isLong ? LONG.warmUpMs : WARM_UP_MS);
    const stretch = await site.measure(isLong ? LONG.ms : MS * 2);
    const { isStable } = await site.stop(false);
    return { ...runOf(stretch), isStable };
  } finally {
    site.close();
  }
}

function runOf(stretch: Stretch): Omit<Run, "isStable"> {
  const begin = stretch.begin.flatMap(({ nodes }) => nodes);
  const end = stretch.end.flatMap(({ nodes }) => nodes);
  const sum = (value: (node: NodeCount) => number): number =>
    end.reduce((all, node, i) => all + value(node) - value(begin[i] as NodeCount), 0);
  const packets = sum(({ received }) => received);
  const duplicates = sum((node) => node.duplicates);
  const rounds = end.flatMap(({ repairsSeen }) => repairsSeen.rounds);
  const memory = (list: Stretch["begin"]): number => list.slice(1).reduce((all, { memory: { rss } }) => all + rss, 0);
  const { rate, othersBusy, socketDrops } = figuresOf(stretch);
  return {
    rate,
    othersBusy,
    packets,
    pushed: sum((node) => node.pushed),
    pulled: sum((node) => node.pulled),
    waited: sum((node) => node.waited),
    resent: sum((node) => node.resent),
    duplicates,
    redundantShare: duplicates / packets,
    roundsMedian: median(rounds),
    withinTwoRounds: rounds.filter((count) => count <= 2).length / rounds.length,
    repairMs99: percentile(
      end.flatMap(({ repairsSeen }) => repairsSeen.ms),
      0.99,
    ),
    keptBytesMax: Math.max(...end.map(({ keptBytes }) => keptBytes)),
    memoryGrowth: memory(stretch.end) / memory(stretch.begin),
    socketDrops,
    lost: sum((node) => node.lost),
  };
}
