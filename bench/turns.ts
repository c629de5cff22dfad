import { type Baseline, measureOnce, summary } from "./baseline.ts";
import { type Flow, type FlowResult, measureFlow, slowest } from "./flow.ts";
import { median } from "./report.ts";

/** A flow's result, with what bare datagrams reached around it: the mean of the baselines just before and just after, packets/s. */
export type Measured = FlowResult & { readonly baseline: number };

/** Flows and the baseline by turns: a machine that is shared changes its speed within minutes, and a ratio is to be of the same minute. */
export class Turns {
  readonly #baselines: Awaited<ReturnType<typeof measureOnce>>[] = [];

  async measure(flow: Flow): Promise<Measured> {
    const before = this.#baselines.at(-1) ?? (await this.#measureBaseline());
    const result = await measureFlow(flow);
    const after = await this.#measureBaseline();
    return { ...result, baseline: (before.packetsPerSecond + after.packetsPerSecond) / 2 };
  }

  /** Of all turns so far. */
  get baseline(): Baseline {
    return summary(this.#baselines);
  }

  async #measureBaseline() {
    const run = await measureOnce();
    this.#baselines.push(run);
    return run;
  }
}

/** Messages/s at the receiver that got least, as a share of the baseline's packets/s; the median of the runs. */
export function ratioOf(runs: readonly Measured[]): number {
  return median(runs.map((run) => slowest(run) / run.baseline));
}
