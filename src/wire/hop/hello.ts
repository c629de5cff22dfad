import { getU32, setU32 } from "../bytes.ts";
import { Kind, PREFIX_BYTES, type Prefix, writePrefix } from "../prefix.ts";

/*
 * HOP_HELLO: 16 life u32   20 peerLife u32   24 rateMax u32
 *
 * A hop is a pairing of two ends, each with a life of its own that is greater than all it had before. peerLife is 0 until the other's is
 * known; an end is open when it hears its own life from the other. rateMax: bytes per second that the end takes at most, 0 for any.
 */
export type HopHello = { readonly life: number; readonly peerLife: number; readonly rateMax: number };

const BODY_BYTES = 12;

/** Who sends a packet: what the prefix says of it. */
export type HopOrigin = { readonly version: number; readonly confHash: number; readonly origin: number };

export function encodeHopHello({ version, confHash, origin }: HopOrigin, hello: HopHello): Uint8Array {
  const bytes = new Uint8Array(PREFIX_BYTES + BODY_BYTES);
  writePrefix(bytes, 0, version, Kind.hopHello, confHash, BODY_BYTES, origin);
  setU32(bytes, PREFIX_BYTES, hello.life);
  setU32(bytes, PREFIX_BYTES + 4, hello.peerLife);
  setU32(bytes, PREFIX_BYTES + 8, hello.rateMax);
  return bytes;
}

/** Undefined: malformed. */
export function decodeHopHello({ bodyLength }: Prefix, bytes: Uint8Array): HopHello | undefined {
  if (bodyLength !== BODY_BYTES) return undefined;
  const life = getU32(bytes, PREFIX_BYTES);
  if (life === 0) return undefined;
  return { life, peerLife: getU32(bytes, PREFIX_BYTES + 4), rateMax: getU32(bytes, PREFIX_BYTES + 8) };
}
