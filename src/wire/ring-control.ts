import type { ConfigurationId } from "../base/ids.ts";
import { Reader, Writer } from "./bytes.ts";
import { PREFIX_BYTES, type Prefix } from "./prefix.ts";

/*
 * HURRY (there is data here: let the token go), HELD (the token rests here, stop repeating it) and LEAVE (the origin
 * leaves the ring for good) have the same body: configuration {leader u32, time u32}, hop u32. The hop is that of the
 * token held, or the last one seen.
 */
export type RingControl = { readonly configuration: ConfigurationId; readonly hop: number };

export function encodeRingControl(control: RingControl): Uint8Array {
  return new Writer(12).u32(control.configuration.leader).u32(control.configuration.time).u32(control.hop).finish();
}

export function decodeRingControl(prefix: Prefix, bytes: Uint8Array): RingControl | undefined {
  const input = new Reader(bytes, PREFIX_BYTES, PREFIX_BYTES + prefix.bodyLength);
  const control = { configuration: { leader: input.u32(), time: input.u32() }, hop: input.u32() };
  return input.failed || input.remaining > 0 ? undefined : control;
}
