import type { DaemonId } from "../base/ids.ts";
import { getU16, getU32, setU16, setU32 } from "./bytes.ts";

/*
 * Every datagram between daemons begins with
 *
 *    0 magic u16 (0x416D)   2 version u8   3 kind u8   4 confHash u32
 *    8 length u16           10 bodyLength u16          12 origin u32
 *
 * length: of the whole packet with its padding, so that a buffer of several packets can be cut without decoding them,
 * and a batch can be padded to a segment size. bodyLength: of the body alone. origin: the daemon that made the packet,
 * also when another one retransmits it. The high bit of kind marks a sealed packet: a nonce of 12 bytes then follows
 * the prefix and an authentication tag of 16 bytes the body. Nothing seals packets yet; a sealed one is dropped.
 * The bit below marks a routed packet: whoever receives it multicasts it in its own segment.
 */

export const MAGIC = 0x416d;
export const PREFIX_BYTES = 16;

/** The versions of the daemons' wire format that this code speaks: docs/wire.md. */
export const WIRE_VERSION_MIN = 1;
export const WIRE_VERSION_MAX = 3;

export const Kind = {
  ringData: 0x01,
  ringToken: 0x02,
  ringHurry: 0x03,
  alive: 0x04,
  join: 0x05,
  refer: 0x06,
  form1: 0x07,
  form2: 0x08,
  leave: 0x09,
  ringHeld: 0x0a,
  ringUnreliable: 0x0b,
  probe: 0x0c,
  formHeld: 0x0d,
  siteFile: 0x0e,
  ringRest: 0x0f,
  hopHello: 0x10,
  hopData: 0x11,
  hopState: 0x12,
  streamHello: 0x13,
  streamAlive: 0x14,
  siteUpdate: 0x19,
  siteDone: 0x1a,
} as const;

const SEALED = 0x80;
const ROUTED = 0x40;

export type Prefix = {
  readonly version: number;
  readonly kind: number;
  readonly routed: boolean;
  readonly confHash: number;
  readonly length: number;
  readonly bodyLength: number;
  readonly origin: DaemonId;
};

/** Why a datagram is dropped before its body is looked at. */
export type PrefixFault = "malformed" | "version" | "sealed";

export function writePrefix(
  bytes: Uint8Array,
  at: number,
  version: number,
  kind: number,
  confHash: number,
  bodyLength: number,
  origin: DaemonId,
  length = PREFIX_BYTES + bodyLength,
): void {
  setU16(bytes, at, MAGIC);
  bytes[at + 2] = version;
  bytes[at + 3] = kind;
  setU32(bytes, at + 4, confHash);
  setU16(bytes, at + 8, length);
  setU16(bytes, at + 10, bodyLength);
  setU32(bytes, at + 12, origin);
}

/** A control packet: prefix and body, in `bytes` of just their size; what is longer is padding. */
export function packet(
  version: number,
  kind: number,
  confHash: number,
  origin: DaemonId,
  body: Uint8Array,
  bytes: Uint8Array = new Uint8Array(PREFIX_BYTES + body.length),
): Uint8Array {
  writePrefix(bytes, 0, version, kind, confHash, body.length, origin, bytes.length);
  bytes.set(body, PREFIX_BYTES);
  return bytes;
}

/** Reads the prefix at `at`; what is not a whole packet that we can read is named as a fault. */
export function readPrefix(bytes: Uint8Array, at = 0): Prefix | PrefixFault {
  if (bytes.length - at < PREFIX_BYTES || getU16(bytes, at) !== MAGIC) return "malformed";
  const version = bytes[at + 2] as number;
  const kind = bytes[at + 3] as number;
  const length = getU16(bytes, at + 8);
  const bodyLength = getU16(bytes, at + 10);
  if (length < PREFIX_BYTES + bodyLength || at + length > bytes.length) return "malformed";
  if (version < WIRE_VERSION_MIN || version > WIRE_VERSION_MAX) return "version";
  if ((kind & SEALED) !== 0) return "sealed";
  return {
    version,
    kind: kind & ~ROUTED,
    routed: (kind & ROUTED) !== 0,
    confHash: getU32(bytes, at + 4),
    length,
    bodyLength,
    origin: getU32(bytes, at + 12),
  };
}

/** The length of the packet that begins at `at`, padding included; 0 if none of ours does. It may end behind `bytes`. */
export function packetBytes(bytes: Uint8Array, at: number): number {
  if (bytes.length - at < PREFIX_BYTES || getU16(bytes, at) !== MAGIC) return 0;
  const length = getU16(bytes, at + 8);
  return length < PREFIX_BYTES ? 0 : length;
}

/** Whether packets of this kind belong to the channel of tokens and membership; all others are data. For what comes without a channel. */
export function isControl(kind: number): boolean {
  switch (kind & ~ROUTED) {
    case Kind.ringToken:
    case Kind.ringHurry:
    case Kind.ringHeld:
    case Kind.alive:
    case Kind.join:
    case Kind.refer:
    case Kind.form1:
    case Kind.form2:
    case Kind.formHeld:
      return true;
    default:
      return false;
  }
}

/** A copy of the packet that asks its receiver to multicast it in its segment. */
export function routedCopy(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  copy[3] = (copy[3] as number) | ROUTED;
  return copy;
}

/** A copy of a routed packet as it was before. */
export function unroutedCopy(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  copy[3] = (copy[3] as number) & ~ROUTED;
  return copy;
}
