import { getU16, getU32, getU48, setU16, setU32, setU48 } from "../bytes.ts";
import { Kind, PREFIX_BYTES, type Prefix, writePrefix } from "../prefix.ts";
import type { HopOrigin } from "./hello.ts";

/*
 * HOP_DATA: 16 life u32   20 peerLife u32   24 seq u48   30 sentAt u32   34 waitMs u16   36 objects, each {length u16, bytes}
 *
 * seq counts datagrams of the hop in this direction from 1; one that is sent again has the same number and objects, and a new sentAt
 * (the sender's clock in 10 µs, modulo 2³²). waitMs: how long the sender thinks that an answer takes, so that the receiver, who measures no
 * round trip of its own, knows when to ask again.
 */
export const HOP_DATA_HEAD_BYTES = PREFIX_BYTES + 20;
/** What each object takes beside its own bytes. */
export const HOP_OBJECT_HEAD_BYTES = 2;

export type HopData = {
  readonly life: number;
  readonly peerLife: number;
  readonly seq: number;
  readonly sentAt: number;
  readonly waitMs: number;
  /** Views of the packet. */
  readonly objects: readonly Uint8Array[];
};

const SEQ_AT = PREFIX_BYTES + 8;
const SENT_AT = PREFIX_BYTES + 14;
const WAIT_AT = PREFIX_BYTES + 18;

export function encodeHopData({ version, confHash, origin }: HopOrigin, data: HopData): Uint8Array {
  const { life, peerLife, seq, sentAt, waitMs, objects } = data;
  let length = HOP_DATA_HEAD_BYTES;
  for (const object of objects) length += HOP_OBJECT_HEAD_BYTES + object.length;
  const bytes = new Uint8Array(length);
  writePrefix(bytes, 0, version, Kind.hopData, confHash, length - PREFIX_BYTES, origin);
  setU32(bytes, PREFIX_BYTES, life);
  setU32(bytes, PREFIX_BYTES + 4, peerLife);
  setU48(bytes, SEQ_AT, seq);
  setU32(bytes, SENT_AT, sentAt);
  setU16(bytes, WAIT_AT, waitMs);
  let at = HOP_DATA_HEAD_BYTES;
  for (const object of objects) {
    setU16(bytes, at, object.length);
    bytes.set(object, at + HOP_OBJECT_HEAD_BYTES);
    at += HOP_OBJECT_HEAD_BYTES + object.length;
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
  if (seq === 0) return undefined;
  const objects: Uint8Array[] = [];
  for (let at = HOP_DATA_HEAD_BYTES; at < end; ) {
    if (end - at < HOP_OBJECT_HEAD_BYTES) return undefined;
    const length = getU16(bytes, at);
    at += HOP_OBJECT_HEAD_BYTES;
    if (length === 0 || length > end - at) return undefined;
    objects.push(bytes.subarray(at, at + length));
    at += length;
  }
  return {
    life: getU32(bytes, PREFIX_BYTES),
    peerLife: getU32(bytes, PREFIX_BYTES + 4),
    seq,
    sentAt: getU32(bytes, SENT_AT),
    waitMs: getU16(bytes, WAIT_AT),
    objects,
  };
}
