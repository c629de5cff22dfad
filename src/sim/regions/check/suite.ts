import type { Violation } from "../../check/checker.ts";
import type { PlanOptions } from "../../../qsm/partition-plan.ts";
import type { RegionEvent } from "../event.ts";
import { acceptance } from "./acceptance.ts";
import { atomicity } from "./atomicity.ts";
import type { RegionChecker, RegionCheckerFactory } from "./checker.ts";
import { currentToken, type RoundOptions } from "./current.ts";
import { delivery } from "./delivery.ts";
import { fence } from "./fence.ts";
import { type Probe, RegionsHistory } from "./history.ts";
import { cachers } from "./kept.ts";
import { oneLog } from "./log.ts";
import { quiescence, truthfulQuiet, waking } from "./quiescence.ts";
import { grants, type RateOptions } from "./rates.ts";
import { locality } from "./repairs.ts";
import { completion, silence } from "./rest.ts";
import { retirement } from "./retirement.ts";
import { stability } from "./stability.ts";
import { sendOrder } from "./turns.ts";
import { freshToken, noPrematureNak, oneToken, type TransitOptions } from "./tokens.ts";
import { agreement, exactness } from "./views.ts";

/** All properties, by their numbers in protocols.md K, or by what region-views.md calls them. */
export function regionCheckers(
  plan: PlanOptions & RateOptions & TransitOptions & RoundOptions & { readonly tokenRate: number },
): readonly (readonly [string, RegionCheckerFactory])[] {
  return [
    ["K33", exactness],
    ["K34", agreement],
    ["K35", atomicity(plan)],
    ["K36", stability],
    ["K37", cachers(plan)],
    ["K38", noPrematureNak(plan)],
    ["K39", locality(plan)],
    ["K40", oneToken],
    ["K41", silence],
    ["K41", quiescence],
    ["K41", truthfulQuiet],
    ["K41", waking(plan)],
    ["K42", delivery],
    ["K43", grants(plan)],
    ["K44", freshToken],
    ["K45", sendOrder],
    ["rule 5", currentToken(plan)],
    ["K59", oneLog],
    ["acceptance", acceptance],
    ["fence", fence],
    ["retirement", retirement],
    ["completion", completion],
  ];
}

/** One wrong turn breaks many properties many times: no more than this is kept of each. */
const VIOLATIONS_MAX = 3;

/** Watches what happens in a run with all checkers. */
export class RegionCheckSuite {
  readonly history: RegionsHistory;
  readonly violations: Violation[] = [];
  readonly #checkers: RegionChecker[] = [];

  constructor(checkers: readonly (readonly [string, RegionCheckerFactory])[], probe: Probe) {
    this.history = new RegionsHistory(probe);
    for (const [property, factory] of checkers) {
      let reported = 0;
      const checker = factory(this.history, (what, at) => {
        if (reported++ < VIOLATIONS_MAX) this.violations.push({ property, what, at });
      });
      this.#checkers.push(checker);
    }
  }

  observe(event: RegionEvent): void {
    this.history.apply(event);
    for (const checker of this.#checkers) checker.observe(event);
  }
}
