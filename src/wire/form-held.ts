import type { DaemonId } from "../base/ids.ts";
import { Reader, Writer } from "./bytes.ts";
import { PREFIX_BYTES, type Prefix } from "./prefix.ts";

/**
 * FORM_HELD: your FORM1 or FORM2 of this attempt has arrived, whatever becomes of it. Body: creator u32, attempt u32.
 */
export type FormHeld = { readonly creator: DaemonId; readonly attempt: number };

export function encodeFormHeld({ creator, attempt }: FormHeld): Uint8Array {
  return new Writer(8).u32(creator).u32(attempt).finish();
}

export function decodeFormHeld(prefix: Prefix, bytes: Uint8Array): FormHeld | undefined {
  const input = new Reader(bytes, PREFIX_BYTES, PREFIX_BYTES + prefix.bodyLength);
  const held = { creator: input.u32(), attempt: input.u32() };
  return input.failed || input.remaining > 0 ? undefined : held;
}
