import { cover } from "../base/coverage.ts";
import type { NodeId } from "../base/ids.ts";
import { RangeSet } from "../base/range-set.ts";
import { newPartitionPart, type TokenRecord } from "../wire/region/token.ts";
import type { RingHost } from "./ring.ts";
import { Settlement } from "./settlement.ts";
import type { Stream } from "./stream.ts";

/**
 * What tokens say of senders, at one member: the leader makes the records with which a round begins, and learns from those with which it comes
 * back; everybody remembers which senders have failed.
 */
export class RoundRecords {
  readonly #host: Pick<RingHost, "streams" | "streamOf" | "acknowledge" | "settled">;
  /** Of senders that have failed. */
  readonly #settlements = new Map<NodeId, Settlement>();
  /** Up to where everything is held by those who are to keep it, as the last round has found, by sender. */
  readonly #kept = new Map<NodeId, number>();
  /** Stable numbers that a whole round has told everybody. */
  readonly #told = new Map<NodeId, number>();

  constructor(host: Pick<RingHost, "streams" | "streamOf" | "acknowledge" | "settled">) {
    this.#host = host;
  }

  get failedSenders(): Iterable<NodeId> {
    return this.#settlements.keys();
  }

  hasFailed(sender: NodeId): boolean {
    return this.#settlements.has(sender);
  }

  /** What it sent has to be settled. Also of who is no member here; one that never sent costs one round. */
  failed(sender: NodeId): void {
    if (!this.#settlements.has(sender)) this.#settlements.set(sender, new Settlement());
  }

  /** What every sender that has failed had sent is everywhere, or given up. */
  get areSettled(): boolean {
    for (const [sender, settlement] of this.#settlements) {
      if (!settlement.isSettled(this.#host.streams.get(sender)?.clean ?? 0)) return false;
    }
    return true;
  }

  /** Whether there is something for a round to do about a sender. */
  isOfInterest(stream: Stream): boolean {
    const settlement = this.#settlements.get(stream.sender);
    if (settlement !== undefined && !settlement.isSettled(stream.clean)) return true;
    return stream.isActive || (this.#told.get(stream.sender) ?? 0) < stream.clean;
  }

  /** As the leader: what a round begins with. */
  open(transitMs: number, now: number): TokenRecord[] {
    const records: TokenRecord[] = [];
    for (const stream of this.#host.streams.values()) {
      stream.beginRound(transitMs, now);
      if (this.isOfInterest(stream)) records.push(this.#recordOf(stream));
    }
    for (const sender of this.#settlements.keys()) {
      if (!this.#host.streams.has(sender)) records.push(this.#recordOf(this.#host.streamOf(sender)));
    }
    return records;
  }

  /** Of a sender that the token does not know: those before me have nothing, and report nothing (section 0 g). */
  fresh(stream: Stream): TokenRecord {
    return {
      sender: stream.sender,
      maximumSeen: stream.maxSeen,
      cutOff: 0,
      maxContiguous: 0,
      toClean: 0,
      keptContiguous: 0,
      toTrim: 0,
      ...newPartitionPart(),
      settle: this.hasFailed(stream.sender)
        ? { candidates: new RangeSet(), orphans: new RangeSet(), lost: new RangeSet() }
        : undefined,
    };
  }

  /** As the leader: a round has come back with this. */
  complete(record: TokenRecord): void {
    const { sender, maxContiguous } = record;
    const stream = this.#host.streamOf(sender);
    this.#kept.set(sender, Math.max(this.#kept.get(sender) ?? 0, record.keptContiguous));
    this.#told.set(sender, record.toClean);
    const settlement = this.#settlements.get(sender);
    if (settlement !== undefined && record.settle !== undefined) {
      const { candidates, orphans, lost } = record.settle;
      cover("regions settle round");
      settlement.completed(record.maximumSeen, candidates, orphans, lost);
      if (settlement.last !== undefined) stream.see(settlement.last);
    }
    stream.cleanTo(maxContiguous);
    if (settlement === undefined && stream.clean > 0) this.#host.acknowledge(sender, stream.clean);
    if (settlement?.last === undefined || settlement.isReported || !settlement.isSettled(stream.clean)) return;
    settlement.isReported = true;
    this.#host.settled(stream, settlement.last);
  }

  #recordOf(stream: Stream): TokenRecord {
    const { sender } = stream;
    const settlement = this.#settlements.get(sender);
    return {
      sender,
      maximumSeen: stream.maxSeen,
      cutOff: settlement?.last ?? stream.cutOff,
      maxContiguous: stream.acknowledged,
      toClean: stream.clean,
      keptContiguous: stream.keptContiguous,
      toTrim: this.#kept.get(sender) ?? 0,
      ...newPartitionPart(),
      settle: settlement && {
        candidates: settlement.candidates.clone(),
        orphans: new RangeSet(),
        lost: settlement.lost.clone(),
      },
    };
  }
}
