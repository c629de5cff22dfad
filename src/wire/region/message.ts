import type { NodeId, RegionViewId } from "../../base/ids.ts";
import type { RangeSet } from "../../base/range-set.ts";
import { Reader, readU48, Writer, writeU48, writeU64 } from "../bytes.ts";
import { asRate, readId, readSeqs, readViewId, writeViewId } from "./fields.ts";
import { PARTITIONS_MAX, type RegionToken, readToken, writeToken } from "./token.ts";

/*
 * What nodes tell each other over the link. A message is its kind u8, region u64, view u32, and then
 *
 *   1 TOKEN    token.ts
 *   2 ACK      acknowledged u48, grant u32, least u32, average u32, greatest u32, isolated
 *   3 NAK      failure varint, round varint, partition varint, partitions varint, ranges
 *   4 PULL     sender u64, round varint, partition varint, ranges
 *   5 WAKE, 6 RETIRED   nothing
 *
 * isolated and ranges are range sets.
 */

const Kind = { token: 1, ack: 2, nak: 3, pull: 4, wake: 5, retired: 6 } as const;

/** The region's leader to a sender (protocols.md A35): these packets of yours are stable, so many more you may send. */
export type RegionAck = {
  readonly kind: "ack";
  readonly id: RegionViewId;
  /** Everything up to this number is stable. */
  readonly acknowledged: number;
  /** Packets per second that the sender may send into the region. */
  readonly grant: number;
  /** What the members can take in, in packets per second over all senders. */
  readonly least: number;
  readonly average: number;
  readonly greatest: number;
  /** What is stable beyond; usually empty (A36). */
  readonly isolated: RangeSet;
};

/** A partition's leader to a sender (A33): no member of the partition has these; send them again. */
export type RegionNak = {
  readonly kind: "nak";
  readonly id: RegionViewId;
  readonly failure: number;
  readonly round: number;
  readonly partition: number;
  /** How many the view has: what it takes to compute numbers of the region. */
  readonly partitions: number;
  /** In the partition's numbers. */
  readonly ranges: RangeSet;
};

/** A member to another (A32): send me these packets of this sender. */
export type RegionPull = {
  readonly kind: "pull";
  readonly id: RegionViewId;
  readonly sender: NodeId;
  readonly round: number;
  readonly partition: number;
  /** In the partition's numbers. */
  readonly ranges: RangeSet;
};

/** To the region's leader: there is something to do, start a round (A49). */
export type RegionWake = { readonly kind: "wake"; readonly id: RegionViewId };

/** The view has ended, and everything in it was stable (region-views.md, rule 9). */
export type RegionRetired = { readonly kind: "retired"; readonly id: RegionViewId };

export type RegionMessage = RegionToken | RegionAck | RegionNak | RegionPull | RegionWake | RegionRetired;

export function encodeRegionMessage(message: RegionMessage): Uint8Array {
  const out = new Writer(64).u8(Kind[message.kind]);
  switch (message.kind) {
    case "token":
      writeToken(out, message);
      break;
    case "ack":
      writeU48(writeViewId(out, message.id), message.acknowledged)
        .u32(asRate(message.grant))
        .u32(asRate(message.least))
        .u32(asRate(message.average))
        .u32(asRate(message.greatest))
        .rangeSet(message.isolated);
      break;
    case "nak":
      writeViewId(out, message.id)
        .varint(message.failure)
        .varint(message.round)
        .varint(message.partition)
        .varint(message.partitions)
        .rangeSet(message.ranges);
      break;
    case "pull":
      writeU64(writeViewId(out, message.id), message.sender)
        .varint(message.round)
        .varint(message.partition)
        .rangeSet(message.ranges);
      break;
    case "wake":
    case "retired":
      writeViewId(out, message.id);
  }
  return out.finish();
}

export function decodeRegionMessage(bytes: Uint8Array): RegionMessage | undefined {
  const input = new Reader(bytes);
  const message = readMessage(input);
  return input.failed || input.remaining > 0 ? undefined : message;
}

function readMessage(input: Reader): RegionMessage | undefined {
  switch (input.u8()) {
    case Kind.token:
      return readToken(input);
    case Kind.ack:
      return {
        kind: "ack",
        id: readViewId(input),
        acknowledged: readU48(input),
        grant: input.u32(),
        least: input.u32(),
        average: input.u32(),
        greatest: input.u32(),
        isolated: readSeqs(input),
      };
    case Kind.nak: {
      const id = readViewId(input);
      const failure = input.varint();
      const round = input.varint();
      const partition = input.varint();
      const partitions = input.varint(PARTITIONS_MAX);
      if (partition >= partitions) input.fail();
      return { kind: "nak", id, failure, round, partition, partitions, ranges: readSeqs(input) };
    }
    case Kind.pull:
      return {
        kind: "pull",
        id: readViewId(input),
        sender: readId(input),
        round: input.varint(),
        partition: input.varint(PARTITIONS_MAX - 1),
        ranges: readSeqs(input),
      };
    case Kind.wake:
      return { kind: "wake", id: readViewId(input) };
    case Kind.retired:
      return { kind: "retired", id: readViewId(input) };
    default:
      return undefined;
  }
}
