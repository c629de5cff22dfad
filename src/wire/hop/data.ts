import { getU16, getU32, getU48, setU16, setU32, setU48 } from "../bytes.ts";
import { Kind, PREFIX_BYTES, type Prefix, writePrefix } from "../prefix.ts";
import type { HopOrigin } from "./hello.ts";

/*
 * HOP_DATA: 16 life u32   20 peerLife u32   24 seq u48   30 sentAt u32   34 waitMs u16   36 restBytes u16   38 rest of an object
 *           then objects, each {length u16, bytes}
 *
 * The last object may be longer than what is left of the datagram: its rest is at the beginning of the next one, by number. So all datagrams but
 * the last of a run have the same length, which is how a kernel takes and hands over many at a time. An object lies in two datagrams at most.
 *
 * seq counts datagrams of the hop in this direction from 1; one that is sent again has the same number and objects, and a new sentAt
 * (the sender's clock in 10 µs, modulo 2³²). waitMs: how long the sender thinks that an answer takes, so that the receiver, who measures no
 * round trip of its own, knows when to ask again.
 */
export const HOP_DATA_HEAD_BYTES = PREFIX_BYTES + 22;
/** What each object takes beside its own bytes. */
export const HOP_OBJECT_HEAD_BYTES = 2;
/** Where less than this is left of a datagram no object begins. */
export const HOP_BEGIN_BYTES_MIN = 72;

/** Longest object: one that begins in so little room ends with the next datagram. */
export function hopObjectBytesMax(datagramBytes: number): number {
  return datagramBytes - HOP_DATA_HEAD_BYTES + HOP_BEGIN_BYTES_MIN - HOP_OBJECT_HEAD_BYTES;
}

export type HopData = {
  readonly life: number;
  readonly peerLife: number;
  readonly seq: number;
  readonly sentAt: number;
  readonly waitMs: number;
  /** Of the object that was cut at the end of the datagram before; empty: none was. This and what follows are views of the packet. */
  readonly rest: Uint8Array;
  readonly objects: readonly Uint8Array[];
  readonly cut: CutObject | undefined;
};

/** The beginning of an object that goes on in the next datagram, and its length as a whole. */
export type CutObject = { readonly begin: Uint8Array; readonly length: number };

const SEQ_AT = PREFIX_BYTES + 8;
const SENT_AT = PREFIX_BYTES + 14;
const WAIT_AT = PREFIX_BYTES + 18;
const REST_AT = PREFIX_BYTES + 20;

/** `paddingBytes`: behind the last object. */
export function encodeHopData({ version, confHash, origin }: HopOrigin, data: HopData, paddingBytes = 0): Uint8Array {
  const { life, peerLife, seq, sentAt, waitMs, rest, objects, cut } = data;
  let length = HOP_DATA_HEAD_BYTES + rest.length;
  for (const object of objects) length += HOP_OBJECT_HEAD_BYTES + object.length;
  if (cut !== undefined) length += HOP_OBJECT_HEAD_BYTES + cut.begin.length;
  const bytes = new Uint8Array(length + paddingBytes);
  writePrefix(bytes, 0, version, Kind.hopData, confHash, length - PREFIX_BYTES, origin, bytes.length);
  setU32(bytes, PREFIX_BYTES, life);
  setU32(bytes, PREFIX_BYTES + 4, peerLife);
  setU48(bytes, SEQ_AT, seq);
  setU32(bytes, SENT_AT, sentAt);
  setU16(bytes, WAIT_AT, waitMs);
  setU16(bytes, REST_AT, rest.length);
  bytes.set(rest, HOP_DATA_HEAD_BYTES);
  let at = HOP_DATA_HEAD_BYTES + rest.length;
  for (const object of objects) {
    setU16(bytes, at, object.length);
    bytes.set(object, at + HOP_OBJECT_HEAD_BYTES);
    at += HOP_OBJECT_HEAD_BYTES + object.length;
  }
  if (cut !== undefined) {
    setU16(bytes, at, cut.length);
    bytes.set(cut.begin, at + HOP_OBJECT_HEAD_BYTES);
  }
  return bytes;
}

/** A copy to be sent again: the packet itself may still wait in a socket's queue. */
export function repeatedHopData(packet: Uint8Array, sentAt: number, waitMs: number): Uint8Array {
  const bytes = packet.slice();
  setU32(bytes, SENT_AT, sentAt);
  setU16(bytes, WAIT_AT, waitMs);
  return bytes;
}

/** Undefined: malformed. */
export function decodeHopData({ bodyLength }: Prefix, bytes: Uint8Array): HopData | undefined {
  const end = PREFIX_BYTES + bodyLength;
  if (end <= HOP_DATA_HEAD_BYTES) return undefined;
  const seq = getU48(bytes, SEQ_AT);
  const objectsAt = HOP_DATA_HEAD_BYTES + getU16(bytes, REST_AT);
  if (seq === 0 || objectsAt > end) return undefined;
  const rest = bytes.subarray(HOP_DATA_HEAD_BYTES, objectsAt);
  const objects: Uint8Array[] = [];
  let cut: CutObject | undefined;
  for (let at = objectsAt; at < end; ) {
    const length = end - at > HOP_OBJECT_HEAD_BYTES ? getU16(bytes, at) : 0;
    if (length === 0) return undefined;
    at += HOP_OBJECT_HEAD_BYTES;
    const part = bytes.subarray(at, Math.min(at + length, end));
    if (part.length === length) objects.push(part);
    else cut = { begin: part, length };
    at += part.length;
  }
  return {
    life: getU32(bytes, PREFIX_BYTES),
    peerLife: getU32(bytes, PREFIX_BYTES + 4),
    seq,
    sentAt: getU32(bytes, SENT_AT),
    waitMs: getU16(bytes, WAIT_AT),
    rest,
    objects,
    cut,
  };
}
