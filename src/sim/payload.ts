import { counterOf, type MessageNumber, messageNumber, senderOf } from "./trace.ts";

/** What a payload of the workload takes at least: process, counter and length, u32 each. */
export const PAYLOAD_BYTES_MIN = 12;

/** A payload that says which message it is, and whether it arrived whole. */
export function encodePayload(message: MessageNumber, bytes: number): Uint8Array {
  const payload = new Uint8Array(Math.max(PAYLOAD_BYTES_MIN, bytes));
  const view = new DataView(payload.buffer);
  view.setUint32(0, senderOf(message));
  view.setUint32(4, counterOf(message));
  view.setUint32(8, payload.length);
  for (let i = PAYLOAD_BYTES_MIN; i < payload.length; i++) payload[i] = pattern(message, i);
  return payload;
}

/** The message of a payload, or `undefined` if its bytes are not those that were sent. */
export function decodePayload(payload: Uint8Array): MessageNumber | undefined {
  if (payload.length < PAYLOAD_BYTES_MIN) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const message = messageNumber(view.getUint32(0), view.getUint32(4));
  if (view.getUint32(8) !== payload.length) return undefined;
  for (let i = PAYLOAD_BYTES_MIN; i < payload.length; i++) if (payload[i] !== pattern(message, i)) return undefined;
  return message;
}

function pattern(message: MessageNumber, position: number): number {
  return (counterOf(message) * 31 + position * 7 + (position >> 8)) & 0xff;
}
