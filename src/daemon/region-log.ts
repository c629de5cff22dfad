import { FAILURE_CAUSES, type FailureCause, type MembershipEvent } from "../cms/happening.ts";
import type { Names, RegionsChange } from "./regions-status.ts";

const CHANGES_MAX = 50;
const NAMES_MAX = 5;

/** The last changes of regions and why they came about, for logs and tools. */
export class RegionLog {
  readonly #changes: RegionsChange[] = [];
  readonly #failures = Object.fromEntries(FAILURE_CAUSES.map((cause) => [cause, 0])) as Record<FailureCause, number>;
  #count = 0;

  /** Batches. */
  get count(): number {
    return this.#count;
  }

  /** Newest first. */
  get changes(): readonly RegionsChange[] {
    return this.#changes;
  }

  get failures(): Readonly<Record<FailureCause, number>> {
    return this.#failures;
  }

  /** Notes what has happened and returns what is to be told about it; `undefined`: nobody need know. */
  add(event: MembershipEvent, atMs: number): RegionsChange | undefined {
    const change = this.#changeOf(event, atMs);
    if (change === undefined) return undefined;
    this.#changes.unshift(change);
    if (this.#changes.length > CHANGES_MAX) this.#changes.pop();
    return change;
  }

  #changeOf(event: MembershipEvent, atMs: number): RegionsChange | undefined {
    if (event.kind !== "batch") return { atMs, ...event };
    const { n, failed, came, went, moved, regionsCreated, regionsChanged, regionsEnded } = event.batch;
    this.#count++;
    const causes: Partial<Record<FailureCause, number>> = {};
    for (const { cause } of failed) {
      this.#failures[cause]++;
      causes[cause] = (causes[cause] ?? 0) + 1;
    }
    // Nodes that joined and left again before anybody was told.
    if (failed.length + came.length + went.length + moved.length + regionsChanged === 0) return undefined;
    return {
      atMs,
      kind: "batch",
      position: n,
      came: namesOf(came),
      went: namesOf(went),
      moved: namesOf(moved),
      failed: namesOf(failed.map(({ node }) => node)),
      causes,
      regionsCreated,
      regionsChanged,
      regionsEnded,
    };
  }
}

/** How many, and the first of their names. */
export function namesOf(all: readonly { readonly name: string }[]): Names {
  return { count: all.length, first: all.slice(0, NAMES_MAX).map(({ name }) => name) };
}
