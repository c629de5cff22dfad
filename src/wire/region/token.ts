import type { NodeId, RegionViewId } from "../../base/ids.ts";
import { RangeSet } from "../../base/range-set.ts";
import { type Reader, type Writer, writeU64 } from "../bytes.ts";
import { asRate, readId, readSeq, readSeqs, readViewId, writeViewId } from "./fields.ts";

/*
 * The token of a region view (protocols.md A27–A29 in one; region-views.md, rules 5–8), as a message of the link:
 *
 *   region u64, view u32, phase u8 (0 open, 1 visit, 2 close, 3 complete), flags u8 (1 quiesce, 2 quiesceCommit, 4 retire),
 *   failure varint, round varint, level varint, partition varint, partitions varint,
 *   least u32, sum varint, greatest u32, count varint,
 *   count varint of records, and per record
 *     sender u64, flags u8 (1: settle), maximumSeen, cutOff, maxContiguous, toClean, keptContiguous, toTrim varint,
 *     -- visit and close: covered varint, naks, aggregateCovered varint, aggregate
 *     -- settle: candidates, orphans, lost
 *
 * naks, aggregate, candidates, orphans and lost are range sets.
 */

export const TOKEN_RECORDS_MAX = 65_536;
/** Partitions that a region view may have. */
export const PARTITIONS_MAX = 65_536;

/** With two parts of a part at least. */
const LEVEL_MAX = 16;

const QUIESCE = 1;
const QUIESCE_COMMIT = 2;
const RETIRE = 4;
const SETTLE = 1;
/** Bytes of a record at least. */
const RECORD_BYTES_MIN = 15;

/**
 * What its receiver is to do with a token: begin with a part of the view, of which it is the head; look at it as a member; end with the
 * partition; take in what a part has found, and end the round as the leader of the region.
 */
export type TokenPhase = "open" | "visit" | "close" | "complete";

const PHASES: readonly TokenPhase[] = ["open", "visit", "close", "complete"];

/** Changed in place by the member that holds it, then encoded for the next one. */
export type RegionToken = {
  readonly kind: "token";
  readonly id: RegionViewId;
  phase: TokenPhase;
  /** Position in the membership service's log of the last failure that concerns the view. */
  readonly failure: number;
  /** Counts the rounds since that failure. */
  readonly round: number;
  /** What part of the view the token is about: level 0 is a partition. Greater ones only where rounds are a tree (ADR 6). */
  level: number;
  /** Where the token is: the first partition of that part. */
  partition: number;
  /** Partitions of the view: its receiver compares that with its own plan. */
  readonly partitions: number;
  /** Nobody that was visited in this round has an active record (A49). */
  quiesce: boolean;
  /** Nobody had one in the round before: the last round, if that is still so. */
  quiesceCommit: boolean;
  /** The view has ended: who has forwarded the token forgets it. */
  readonly retire: boolean;
  readonly admissible: Admissible;
  /** No sender twice. */
  readonly records: TokenRecord[];
};

/** What the members visited can take in, in packets per second over all senders: whole numbers once it is sent. */
export type Admissible = {
  /** Before the first member: the greatest number of 32 bits. */
  least: number;
  sum: number;
  greatest: number;
  count: number;
};

/** What a round gathers and tells of one sender; in the region's numbers, unless it says otherwise. */
export type TokenRecord = PartitionPart & {
  readonly sender: NodeId;
  /** Greatest number that a member has seen. */
  maximumSeen: number;
  /** What is younger is not reported missing yet. */
  readonly cutOff: number;
  /** Least number up to which a member visited has everything. */
  maxContiguous: number;
  /** Stable: up to here everybody has everything. */
  readonly toClean: number;
  /** Least number up to which a member visited holds all that it is to keep for the others. */
  keptContiguous: number;
  /** Up to here all packets are held by those who keep them: others may let their copies go. */
  readonly toTrim: number;
  /** Of a sender that has failed only. */
  settle: Settle | undefined;
};

/** What becomes of the packets of a sender that has failed (region-views.md, rule 7). */
export type Settle = {
  /** Asked for; whoever holds one takes it out. */
  candidates: RangeSet;
  /** What a whole partition lacks: the next round's candidates. */
  readonly orphans: RangeSet;
  /** What nobody has: all skip the same. */
  readonly lost: RangeSet;
};

/** What a round gathers within one partition, in the partition's numbers. Travels inside a partition only. */
export type PartitionPart = {
  /** What the last member visited lacks, complete up to `covered`. */
  covered: number;
  naks: RangeSet;
  /** What all members visited lack, complete up to `aggregateCovered`. */
  aggregateCovered: number;
  aggregate: RangeSet;
};

/** Before the first member of a partition has been visited. */
export function newPartitionPart(): PartitionPart {
  return {
    covered: 0,
    naks: new RangeSet(),
    aggregateCovered: Number.MAX_SAFE_INTEGER,
    aggregate: new RangeSet(),
  };
}

export function writeToken(out: Writer, token: RegionToken): void {
  const { phase, partitions, admissible, records } = token;
  writeViewId(out, token.id)
    .u8(PHASES.indexOf(phase))
    .u8((token.quiesce ? QUIESCE : 0) | (token.quiesceCommit ? QUIESCE_COMMIT : 0) | (token.retire ? RETIRE : 0))
    .varint(token.failure)
    .varint(token.round)
    .varint(token.level)
    .varint(token.partition)
    .varint(partitions)
    .u32(asRate(admissible.least))
    .varint(Math.min(Math.floor(admissible.sum), Number.MAX_SAFE_INTEGER))
    .u32(asRate(admissible.greatest))
    .varint(admissible.count)
    .varint(records.length);
  for (const record of records) {
    writeRecord(out, record, hasPartitionPart(phase));
  }
}

/** Reads what `writeToken` wrote. Worth nothing if the reader has failed afterwards. */
export function readToken(input: Reader): RegionToken {
  const id = readViewId(input);
  const phase = PHASES[input.u8()];
  const flags = input.u8();
  const failure = input.varint();
  const round = input.varint();
  const level = input.varint(LEVEL_MAX);
  const partition = input.varint();
  const partitions = input.varint(PARTITIONS_MAX);
  const isSound = phase !== undefined && flags <= (QUIESCE | QUIESCE_COMMIT | RETIRE) && partition < partitions;
  if (!isSound) input.fail();
  return {
    kind: "token",
    id,
    phase: phase ?? "open",
    failure,
    round,
    level,
    partition,
    partitions,
    quiesce: (flags & QUIESCE) !== 0,
    quiesceCommit: (flags & QUIESCE_COMMIT) !== 0,
    retire: (flags & RETIRE) !== 0,
    admissible: { least: input.u32(), sum: input.varint(), greatest: input.u32(), count: input.varint() },
    records: readRecords(input, hasPartitionPart(phase ?? "open")),
  };
}

function hasPartitionPart(phase: TokenPhase): boolean {
  return phase === "visit" || phase === "close";
}

function writeRecord(out: Writer, record: TokenRecord, withPartitionPart: boolean): void {
  const { settle } = record;
  writeU64(out, record.sender)
    .u8(settle === undefined ? 0 : SETTLE)
    .varint(record.maximumSeen)
    .varint(record.cutOff)
    .varint(record.maxContiguous)
    .varint(record.toClean)
    .varint(record.keptContiguous)
    .varint(record.toTrim);
  if (withPartitionPart) {
    out.varint(record.covered).rangeSet(record.naks).varint(record.aggregateCovered).rangeSet(record.aggregate);
  }
  if (settle !== undefined) out.rangeSet(settle.candidates).rangeSet(settle.orphans).rangeSet(settle.lost);
}

function readRecords(input: Reader, withPartitionPart: boolean): TokenRecord[] {
  const records: TokenRecord[] = [];
  const senders = new Set<NodeId>();
  const count = input.varint(TOKEN_RECORDS_MAX);
  if (count * RECORD_BYTES_MIN > input.remaining) input.fail();
  for (let i = 0; i < count && !input.failed; i++) {
    const record = readRecord(input, withPartitionPart);
    records.push(record);
    senders.add(record.sender);
  }
  if (senders.size < records.length) input.fail();
  return records;
}

function readRecord(input: Reader, withPartitionPart: boolean): TokenRecord {
  const sender = readId(input);
  const flags = input.u8();
  if (flags > SETTLE) input.fail();
  return {
    sender,
    maximumSeen: readSeq(input),
    cutOff: readSeq(input),
    maxContiguous: readSeq(input),
    toClean: readSeq(input),
    keptContiguous: readSeq(input),
    toTrim: readSeq(input),
    ...(withPartitionPart ? readPartitionPart(input) : newPartitionPart()),
    settle:
      flags === SETTLE ? { candidates: readSeqs(input), orphans: readSeqs(input), lost: readSeqs(input) } : undefined,
  };
}

function readPartitionPart(input: Reader): PartitionPart {
  return {
    covered: readSeq(input),
    naks: readSeqs(input),
    // As great as can be before a member has been visited.
    aggregateCovered: input.varint(),
    aggregate: readSeqs(input),
  };
}
