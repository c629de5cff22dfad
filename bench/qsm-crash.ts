import { NO_CHANGE } from "../src/cms/no-change.ts";
import { option } from "./options.ts";
import type { Claim, Measured } from "./qsm-claims.ts";
import { type NodeCount, type ProcessCount, QsmSite, sleep } from "./qsm-site.ts";
import { MEGABITS, REPETITIONS, TOKEN_RATE } from "./qsm-throughput.ts";
import { figure, median, printTable } from "./report.ts";

const MESSAGE_BYTES = 1_000;
const REGION = 1_000;
const WARM_UP_MS = 4_000;
const BEFORE_MS = 2_000;
const AFTER_MS = 6_000;
/** Rates are taken over such a time. */
const WINDOW_MS = 500;
const DETECT_MS = Number(option("detect", "300"));

type Run = {
  readonly before: number;
  /** From the kill until the slowest survivor receives nine tenths of the rate before again. */
  readonly backMs: number;
  readonly after: number;
  /** Longest time in which a survivor received NO_CHANGE. */
  readonly gapMs: number;
  readonly lost: number;
};

/** A node is killed at full rate; the others are told after the detector's time, and then of the next view of the region. */
export async function crash(): Promise<Measured> {
  const victims = [
    { name: "the region's leader", process: 0 },
    { name: "another member", process: 2 },
  ];
  const results: { name: string; runs: Run[] }[] = [];
  for (const { name, process } of victims) {
    const runs: Run[] = [];
    for (let i = 0; i < REPETITIONS; i++) runs.push(await once(process));
    results.push({ name, runs });
  }
  printTable(
    [
      `killed, told after ${DETECT_MS} ms`,
      "messages/s before",
      "back at 90 % after ms",
      "(2000)",
      "after",
      "gap ms",
      "lost",
    ],
    results.map(({ name, runs }) => {
      const of = (value: (run: Run) => number): string => figure(median(runs.map(value)));
      const all = runs.map(({ backMs }) => figure(backMs)).join(" ");
      return [
        name,
        of((run) => run.before),
        of((run) => run.backMs),
        all,
        of((run) => run.after),
        of((run) => run.gapMs),
        of((run) => run.lost),
      ];
    }),
  );
  const claims: Claim[] = results.map(({ name, runs }) => ({
    what: `${name} is killed: flow to the others above 90 % again after`,
    unit: "ms",
    bound: "most",
    aim: 2_000,
    values: runs.map(({ backMs }) => backMs),
  }));
  return { claims, megabits: MEGABITS, detectMs: DETECT_MS, results };
}

async function once(victimProcess: number): Promise<Run> {
  const site = await QsmSite.start({
    placement: [1, 1, 1, 1, 1],
    config: { tokenRate: TOKEN_RATE, packing: false },
    groups: 1,
    megabits: MEGABITS,
  });
  try {
    const sender = site.members.length;
    await site.ask(sender - 1, { kind: "flood", node: sender, bytes: MESSAGE_BYTES, groups: 1 } as { kind: string });
    await sleep(WARM_UP_MS);
    await site.count();
    await sleep(BEFORE_MS);
    site.kill(victimProcess);
    const killedAt = Date.now();
    await sleep(DETECT_MS);
    await tellFailure(site, victimProcess + 1);
    await sleep(AFTER_MS - DETECT_MS);
    const survivors = (await site.count())
      .flatMap(({ nodes }: ProcessCount) => nodes)
      .filter(({ id }) => id !== sender);
    return runOf(survivors, killedAt);
  } finally {
    site.close();
  }
}

/** As the membership service would: the failure and the next view in one change, and the end of the old view once all have sealed it. */
async function tellFailure(site: QsmSite, victim: number): Promise<void> {
  const id = { region: REGION, view: 1 };
  const sealed = await site.apply({
    ...NO_CHANGE,
    seq: 2,
    n: 2,
    failed: [victim],
    viewsFailed: [{ id, nodes: [victim] }],
    regionsChanged: [{ region: REGION, view: 2, added: [], removed: [victim] }],
  });
  const last = sealed.map(({ node, last: seq }) => ({ sender: node, seq }));
  await site.apply({ ...NO_CHANGE, seq: 3, n: 3, finals: [{ id, last, failed: [victim] }] });
}

function runOf(survivors: readonly NodeCount[], killedAt: number): Run {
  const of = (begin: number, end: number): number =>
    Math.min(...survivors.map((node) => ((receivedAt(node, end) - receivedAt(node, begin)) * 1_000) / (end - begin)));
  const before = of(killedAt - BEFORE_MS + 100, killedAt);
  let back = Number.NaN;
  const end = killedAt + AFTER_MS - 200;
  for (let at = killedAt; at + WINDOW_MS <= end && Number.isNaN(back); at += 20) {
    if (of(at, at + WINDOW_MS) >= 0.9 * before) back = at;
  }
  // A window that begins before the flow has stopped is full as well: what counts is the last one that is not.
  for (let at = killedAt; at + WINDOW_MS <= end; at += 20) if (of(at, at + WINDOW_MS) < 0.9 * before) back = at + 20;
  let gapMs = 0;
  for (const { timeline } of survivors) {
    let changedAt = killedAt;
    let received = -1;
    for (const [at, count] of timeline) {
      if (at < killedAt || count === received) continue;
      if (received >= 0) gapMs = Math.max(gapMs, at - changedAt);
      changedAt = at;
      received = count;
    }
  }
  return {
    before,
    backMs: back - killedAt,
    after: of(end - 2_000, end),
    gapMs,
    lost: survivors.reduce((sum, { lost }) => sum + lost, 0),
  };
}

/** What a node had received at a time of day. */
function receivedAt({ timeline }: NodeCount, time: number): number {
  let last: NodeCount["timeline"][number] | undefined;
  for (const sample of timeline) {
    if (sample[0] >= time) {
      if (last === undefined) return sample[1];
      return last[1] + ((sample[1] - last[1]) * (time - last[0])) / (sample[0] - last[0]);
    }
    last = sample;
  }
  return last?.[1] ?? 0;
}
