import type { ConfigurationId } from "../base/ids.ts";
import { Reader, Writer } from "./bytes.ts";
import { PREFIX_BYTES, type Prefix } from "./prefix.ts";

/** Rings of this version and later announce where a token rests; members of earlier ones do not understand it. */
export const REST_VERSION = 2;

/**
 * REST: the token of this hop rests with the origin, and every member has all packets up to seq, the last one that was stamped. Body:
 * configuration {leader u32, time u32}, hop u32, seq u32. Multicast, in rings of one site.
 */
export type RingRest = { readonly configuration: ConfigurationId; readonly hop: number; readonly seq: number };

export function encodeRingRest({ configuration, hop, seq }: RingRest): Uint8Array {
  return new Writer(16).u32(configuration.leader).u32(configuration.time).u32(hop).u32(seq).finish();
}

export function decodeRingRest(prefix: Prefix, bytes: Uint8Array): RingRest | undefined {
  const input = new Reader(bytes, PREFIX_BYTES, PREFIX_BYTES + prefix.bodyLength);
  const rest = { configuration: { leader: input.u32(), time: input.u32() }, hop: input.u32(), seq: input.u32() };
  return input.failed || input.remaining > 0 ? undefined : rest;
}
