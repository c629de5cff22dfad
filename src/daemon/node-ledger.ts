import {
  NODE_COUNTERS,
  type NodeCounter,
  type NodeStatistics,
  noFigures,
  type RegionStatistics,
} from "../wire/native/node-statistics.ts";

/** A node reports once a second while something changes: who is silent for so long is idle. */
const IDLE_MS = 3_000;

/** What is counted of time is no event. */
const EVENTS = NODE_COUNTERS.filter((name) => name !== "upMs");

type Entry = {
  /** The report before the last one; `undefined`: there was none, or it was another node's. */
  before: NodeStatistics | undefined;
  last: NodeStatistics;
  at: number;
};

/** What one node has reported last. */
export type Reported = {
  readonly statistics: NodeStatistics;
  readonly ageMs: number;
  /** Per second, between its last two reports; all 0 when it has gone idle since. */
  readonly rates: Readonly<Record<NodeCounter, number>>;
};

/** What the nodes of a daemon have reported of themselves (NODE_STATISTICS), each for itself and all together. */
export class NodeLedger {
  readonly #entries = new Map<string, Entry>();
  readonly #totals = noFigures(NODE_COUNTERS);
  #malformed = 0;

  /** Counted by the nodes of this daemon while it served them; none of it falls when a node goes. */
  get totals(): Readonly<Record<NodeCounter, number>> {
    return this.#totals;
  }

  get malformed(): number {
    return this.#malformed;
  }

  /** How many nodes have reported. */
  get size(): number {
    return this.#entries.size;
  }

  /** A report of the session's node. `isMoved`: it comes from another daemon, where what it has counted so far was counted. */
  record(user: string, statistics: NodeStatistics | undefined, isMoved: boolean, now: number): void {
    if (statistics === undefined) {
      this.#malformed++;
      return;
    }
    const known = this.#entries.get(user);
    // A session that was expelled goes on as another node, and that one counts from 0.
    const before = known !== undefined && isLater(statistics, known.last) ? known.last : undefined;
    this.#entries.set(user, { before, last: statistics, at: now });
    if (before === undefined && known === undefined && isMoved) return;
    for (const name of EVENTS) {
      this.#totals[name] += Math.max(0, statistics.figures[name] - (before?.figures[name] ?? 0));
    }
  }

  forget(user: string): void {
    this.#entries.delete(user);
  }

  of(user: string, now: number): Reported | undefined {
    const entry = this.#entries.get(user);
    if (entry === undefined) return undefined;
    const ageMs = now - entry.at;
    return { statistics: entry.last, ageMs, rates: ratesOf(entry, ageMs) };
  }

  /** Of a region view that the session's node is in. */
  region(user: string, region: number, view: number): RegionStatistics | undefined {
    return this.#entries.get(user)?.last.regions.find(({ id }) => id.region === region && id.view === view);
  }
}

function isLater(statistics: NodeStatistics, before: NodeStatistics): boolean {
  return NODE_COUNTERS.every((name) => statistics.figures[name] >= before.figures[name]);
}

function ratesOf({ before, last }: Entry, ageMs: number): Record<NodeCounter, number> {
  const rates = noFigures(NODE_COUNTERS);
  const seconds = (last.figures.upMs - (before?.figures.upMs ?? 0)) / 1_000;
  if (before === undefined || seconds <= 0 || ageMs > IDLE_MS) return rates;
  for (const name of EVENTS) rates[name] = (last.figures[name] - before.figures[name]) / seconds;
  return rates;
}
