import { describeSize, type Layer, type LayerResult, replayOnLayer, shrinkOnLayer } from "../../src/sim/layer.ts";
import { formatTimeline } from "../../src/sim/timeline.ts";

/** A failing run in the form that explains most: its seed, the schedule cut down, and what happened in that. */
export async function explain(layer: Layer, failed: LayerResult, runsMax: number): Promise<string> {
  const { schedule, violations } = failed;
  const small = await shrinkOnLayer(layer, failed, runsMax);
  const { timeline } = await replayOnLayer(layer, small);
  return [
    `seed ${schedule.seed} of ${layer}: ${JSON.stringify(violations, undefined, 1)}`,
    `${describeSize(schedule)} became ${describeSize(small)}:`,
    JSON.stringify(small),
    formatTimeline(timeline),
  ].join("\n");
}
