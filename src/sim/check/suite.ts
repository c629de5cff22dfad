import type { TraceEvent } from "../trace.ts";
import { alternation } from "./alternation.ts";
import { atomicity } from "./atomicity.ts";
import { causal } from "./causal.ts";
import type { Checker, CheckerFactory, Violation } from "./checker.ts";
import { exchangeOutcome } from "./exchange-outcome.ts";
import { exchangeQuiet } from "./exchange-quiet.ts";
import { fifo } from "./fifo.ts";
import { gapFreedom } from "./gap-freedom.ts";
import { groupAgreement } from "./group-agreement.ts";
import { History } from "./history.ts";
import { Inspector } from "./inspector.ts";
import { joinLeave } from "./join-leave.ts";
import { liveness } from "./liveness.ts";
import { monotonicity } from "./monotonicity.ts";
import { noCreation } from "./no-creation.ts";
import { reliable } from "./reliable.ts";
import { safe } from "./safe.ts";
import { sameConfiguration } from "./same-configuration.ts";
import { selfDelivery } from "./self-delivery.ts";
import { selfInclusion } from "./self-inclusion.ts";
import { totalOrder } from "./total-order.ts";
import { transitionalTruth } from "./transitional-truth.ts";
import { viewTruth } from "./view-truth.ts";
import { virtualSynchrony } from "./virtual-synchrony.ts";

/** All properties that a trace shows, by their number in protocols.md K. */
export const CHECKERS: readonly (readonly [string, CheckerFactory])[] = [
  ["K1", selfInclusion],
  ["K2", alternation],
  ["K3", monotonicity],
  ["K4", noCreation],
  ["K5", sameConfiguration],
  ["K6", selfDelivery],
  ["K7", atomicity],
  ["K8", transitionalTruth],
  ["K9", causal],
  ["K10", totalOrder],
  ["K11", gapFreedom],
  ["K12", safe],
  ["K14", fifo],
  ["K15", reliable],
  ["K16", liveness],
  ["K26", groupAgreement],
  ["K27", viewTruth],
  ["K28", virtualSynchrony],
  ["K29", joinLeave],
  ["K31", exchangeQuiet],
  ["K32", exchangeOutcome],
];

/** One wrong turn breaks many properties many times: no more than this is kept of each. */
const VIOLATIONS_MAX = 3;

/** Watches a trace while it grows, with all checkers. */
export class CheckSuite {
  readonly history = new History();
  readonly violations: Violation[] = [];
  /** For what shows only inside of the daemons; adds to the same violations. */
  readonly inspector = new Inspector(this.violations);
  /** By kind of event, those that are to see it. */
  readonly #online = new Map<TraceEvent["kind"], readonly Checker[]>();
  readonly #all: Checker[] = [];

  constructor(checkers: readonly (readonly [string, CheckerFactory])[] = CHECKERS) {
    for (const [property, factory] of checkers) {
      let reported = 0;
      const report = (what: string, at: number): void => {
        if (reported++ < VIOLATIONS_MAX) this.violations.push({ property, what, at });
      };
      this.#all.push(factory(this.history, report));
    }
  }

  observe(event: TraceEvent): void {
    const sent = this.history.apply(event);
    for (const checker of this.#online.get(event.kind) ?? this.#enlist(event.kind)) checker.observe?.(event, sent);
  }

  /** Checks what shows only at the end; the suite is used up then. */
  finish(): readonly Violation[] {
    for (const checker of this.#all) checker.finish?.();
    return this.violations;
  }

  #enlist(kind: TraceEvent["kind"]): readonly Checker[] {
    const checkers = this.#all.filter(
      (checker) => checker.observe !== undefined && checker.kinds?.includes(kind) !== false,
    );
    this.#online.set(kind, checkers);
    return checkers;
  }
}

/** Checks a finished trace. */
export function checkTrace(events: readonly TraceEvent[], checkers = CHECKERS): readonly Violation[] {
  const suite = new CheckSuite(checkers);
  for (const event of events) suite.observe(event);
  return suite.finish();
}
