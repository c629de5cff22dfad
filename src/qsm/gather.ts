import type { NodeId } from "../base/ids.ts";
import type { RegionToken, Settle, TokenRecord } from "../wire/region/token.ts";
import type { Part } from "./round-tree.ts";

/** What the head of a part waits for in a round, and has got so far. */
export class Gather {
  readonly round: number;
  readonly #missing: Set<number>;
  #token: RegionToken | undefined;

  constructor(round: number, parts: readonly Part[]) {
    this.round = round;
    this.#missing = new Set(parts.map(({ first }) => first));
  }

  /** Takes what a part has found; it is given away. Returns what all have found, once that is known. */
  add(first: number, token: RegionToken): RegionToken | undefined {
    if (!this.#missing.delete(first)) return undefined;
    if (this.#token === undefined) this.#token = token;
    else merge(this.#token, token);
    return this.#missing.size === 0 ? this.#token : undefined;
  }
}

/**
 * Adds to a token what another one of the same round has found elsewhere in the region. In whatever order tokens are merged, the outcome is
 * what one token would have brought home.
 */
export function merge(token: RegionToken, other: RegionToken): void {
  token.quiesce &&= other.quiesce;
  token.quiesceCommit &&= other.quiesceCommit;
  const { admissible } = token;
  admissible.least = Math.min(admissible.least, other.admissible.least);
  admissible.greatest = Math.max(admissible.greatest, other.admissible.greatest);
  admissible.sum += other.admissible.sum;
  admissible.count += other.admissible.count;
  const rest = new Map<NodeId, TokenRecord>(other.records.map((record) => [record.sender, record]));
  for (const record of token.records) {
    const twin = rest.get(record.sender);
    rest.delete(record.sender);
    if (twin === undefined) joined(record);
    else mergeRecord(record, twin);
  }
  for (const record of rest.values()) {
    joined(record);
    token.records.push(record);
  }
}

/** A token that is changed by itself from here on. */
export function copyOf(token: RegionToken): RegionToken {
  const records = token.records.map((record) => ({
    ...record,
    naks: record.naks.clone(),
    aggregate: record.aggregate.clone(),
    settle: record.settle && {
      candidates: record.settle.candidates.clone(),
      orphans: record.settle.orphans.clone(),
      lost: record.settle.lost.clone(),
    },
  }));
  return { ...token, admissible: { ...token.admissible }, records };
}

function mergeRecord(record: TokenRecord, other: TokenRecord): void {
  record.maximumSeen = Math.max(record.maximumSeen, other.maximumSeen);
  record.maxContiguous = Math.min(record.maxContiguous, other.maxContiguous);
  record.keptContiguous = Math.min(record.keptContiguous, other.keptContiguous);
  if (record.settle === undefined) record.settle = other.settle;
  else if (other.settle !== undefined) mergeSettle(record.settle, other.settle);
}

function mergeSettle(settle: Settle, other: Settle): void {
  // Whoever holds one takes it out: what is left nobody held, in either part.
  settle.candidates = settle.candidates.intersection(other.candidates);
  settle.orphans.addAll(other.orphans);
  settle.lost.addAll(other.lost);
}

/** Of a sender that the round did not know when it began: there are members that have said nothing of it (protocols.md, section 0 g). */
function joined(record: TokenRecord): void {
  record.maxContiguous = 0;
  record.keptContiguous = 0;
}
