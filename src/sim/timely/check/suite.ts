import type { Violation } from "../../check/checker.ts";
import type { TimelyEvent } from "../event.ts";
import type { TimelySchedule } from "../schedule.ts";
import { agreement } from "./agreement.ts";
import { bins } from "./bins.ts";
import type { TimelyChecker, TimelyCheckerFactory } from "./checker.ts";
import { fifo } from "./fifo.ts";
import { gaps } from "./gaps.ts";
import { TimelyHistory } from "./history.ts";
import { order } from "./order.ts";
import { repairContent, soundness } from "./soundness.ts";
import { stagger } from "./stagger.ts";

/** All properties, by their numbers in protocols.md K. */
export const timelyCheckers: readonly (readonly [string, TimelyCheckerFactory])[] = [
  ["K42", fifo],
  ["K46", soundness],
  ["K46", repairContent],
  ["K47", bins],
  ["K48", stagger],
  ["K49", gaps],
  ["K50", order],
  ["members", agreement],
];

/** One wrong turn breaks many properties many times: no more than this is kept of each. */
const VIOLATIONS_MAX = 3;

/** Watches what happens in a run with all checkers. */
export class TimelyCheckSuite {
  readonly history: TimelyHistory;
  readonly violations: Violation[] = [];
  readonly #checkers: readonly TimelyChecker[];

  constructor(schedule: TimelySchedule) {
    this.history = new TimelyHistory(schedule);
    this.#checkers = timelyCheckers.map(([property, factory]) => {
      let reported = 0;
      return factory(this.history, (what, at) => {
        if (reported++ < VIOLATIONS_MAX) this.violations.push({ property, what, at });
      });
    });
  }

  observe(event: TimelyEvent): void {
    this.history.apply(event);
    for (const checker of this.#checkers) checker.observe(event);
  }
}
