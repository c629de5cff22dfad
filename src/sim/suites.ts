import type { Suite } from "./load/experiment.ts";
import { qsmSuite } from "./load/qsm-experiments.ts";
import { platoSuite } from "./plato/plato-experiments.ts";
import { ricochetSuite } from "./timely/ricochet-experiments.ts";
import { wanSuite } from "./wan/wan-experiments.ts";

/** All experiments, by protocol. */
export const suites: readonly Suite[] = [qsmSuite, ricochetSuite, platoSuite, wanSuite];

export function suiteNamed(name: string): Suite | undefined {
  return suites.find((suite) => suite.name === name);
}
