import { nodeDefaults } from "../src/qsm/config.ts";
import { option } from "./options.ts";
import type { Claim, Measured } from "./qsm-claims.ts";
import { QsmSite, sleep, undisturbed } from "./qsm-site.ts";
import { type Figures, figuresOf, MS, percent, REPETITIONS, TOKEN_RATE } from "./qsm-throughput.ts";
import { figure, median, printTable } from "./report.ts";

const PLACEMENT = [1, 1, 1];
const MESSAGE_BYTES = 1_000;
const WARM_UP_MS = 4_000;

type Run = Figures & {
  /** Heap and buffers of the sender when everything is stable, after a collection. */
  readonly senderBytes: number;
  readonly isStable: boolean;
};

/**
 * From one group to many with the same members: messages to one group after the other, unlimited links. Beside it the same nodes with a
 * region for each group, that is with a protocol instance per group: what a region of overlap saves.
 */
export async function groups(): Promise<Measured> {
  const shared = await series(option("counts", "1,1024,8192,65536"), true);
  const instances = await series(option("instances", "1,64,256"), false);
  return { claims: claimsOf(shared, instances), shared, instances };
}

type Series = {
  readonly groups: number;
  readonly share: number;
  readonly bytesPerGroup: number;
  readonly runs: readonly Run[];
};

function claimsOf(shared: readonly Series[], instances: readonly Series[]): Claim[] {
  const [one] = shared;
  const many = shared.find(({ groups }) => groups === 8_192);
  const most = shared.find(({ groups }) => groups === 65_536);
  const last = instances.at(-1);
  const claims: Claim[] = [];
  if (one !== undefined && many !== undefined) {
    const of = (value: (run: Run) => number): number[] =>
      many.runs.map((run, i) => value(run) / value(one.runs[i] as Run));
    const share = of(({ rate }) => rate).map((ratio) => 100 * ratio);
    claims.push(
      { what: "8,192 groups: rate, of that with one", unit: "%", bound: "least", aim: 97, values: share },
      { what: "sender's memory per group", unit: "bytes", bound: "most", aim: 1_536, values: [many.bytesPerGroup] },
      {
        what: "token round trip, of that with one group",
        unit: "x",
        bound: "most",
        aim: 1.2,
        values: of(({ tokenMs }) => tokenMs),
      },
    );
  }
  if (most !== undefined) {
    const running = most.runs.map(({ rate, isStable }) => (isStable && rate > 0 ? 100 * most.share : 0));
    claims.push({
      what: "65,536 groups still run: rate, of that with one",
      unit: "%",
      bound: "least",
      aim: 1,
      values: running,
    });
  }
  if (last !== undefined && instances.length > 1) {
    const what = `(baseline: an instance per group, ${last.groups} groups: rate, of that with one)`;
    claims.push({ what, unit: "%", bound: "most", aim: 100, values: [100 * last.share] });
  }
  return claims;
}

async function series(counts: string, isShared: boolean): Promise<readonly Series[]> {
  const numbers = counts.split(",").filter(Boolean).map(Number);
  const runs = new Map<number, Run[]>(numbers.map((count) => [count, []]));
  // One after the other, so that what disturbs the machine for a while disturbs all alike.
  for (let i = 0; i < REPETITIONS; i++) {
    for (const count of numbers) runs.get(count)?.push(await undisturbed(() => once(count, isShared)));
  }
  const of = (count: number, value: (run: Run) => number): number => median((runs.get(count) ?? []).map(value));
  const [first] = numbers;
  if (first === undefined) return [];
  const results = numbers.map((count) => ({
    groups: count,
    isShared,
    share: of(count, ({ rate }) => rate) / of(first, ({ rate }) => rate),
    bytesPerGroup: (of(count, (run) => run.senderBytes) - of(first, (run) => run.senderBytes)) / (count - first),
    runs: runs.get(count) ?? [],
  }));
  printTable(
    [
      isShared ? "groups in one region" : "groups, one instance each",
      "messages/s",
      "of the first",
      "sender us/packet",
      "receiver us/packet",
      "token ms",
      "bytes/group",
      "others busy",
      "",
      "repetitions",
    ],
    results.map(({ groups: count, share, bytesPerGroup }) => [
      figure(count),
      figure(of(count, ({ rate }) => rate)),
      percent(share),
      figure(of(count, ({ senderMicros }) => senderMicros)),
      figure(of(count, ({ receiverMicros }) => receiverMicros)),
      figure(of(count, ({ tokenMs }) => tokenMs)),
      figure(bytesPerGroup),
      figure(of(count, ({ othersBusy }) => othersBusy)),
      (runs.get(count) ?? []).every(({ isStable }) => isStable) ? "" : "not stable in 20 s",
      (runs.get(count) ?? []).map(({ rate }) => figure(rate)).join(" "),
    ]),
  );
  return results;
}

async function once(count: number, isShared: boolean): Promise<Run> {
  // The instances share what a region has to itself: receivers' buffers are no larger because there are more of them.
  const part = (bytes: number): number => Math.max(20_000, bytes / (isShared ? 1 : count));
  const config = {
    tokenRate: TOKEN_RATE,
    packing: false,
    windowBytes: part(nodeDefaults.windowBytes),
    windowResumeBytes: part(nodeDefaults.windowResumeBytes),
    roundBytes: part(nodeDefaults.roundBytes),
  };
  const site = await QsmSite.start({ placement: PLACEMENT, config, groups: count, isShared });
  try {
    await site.flood(MESSAGE_BYTES);
    await sleep(WARM_UP_MS);
    const figures = figuresOf(await site.measure(MS));
    const { isStable } = await site.stop(true);
    await sleep(300);
    const { heapUsed, external } = await site.memory(0);
    return { ...figures, senderBytes: heapUsed + external, isStable };
  } finally {
    site.close();
  }
}
