import { getU32, setU32 } from "../wire/bytes.ts";
import { counterOf, type MessageNumber, messageNumber, senderOf } from "./trace.ts";

/** What a payload of the workload takes at least: process, counter and length, u32 each. */
export const PAYLOAD_BYTES_MIN = 12;

/** Behind so many bytes only some are compared: a fragment that is missing or misplaced shows in any of its bytes. */
const DENSE_BYTES = 64;
const STRIDE = 17;

/** The head of a payload of the workload that goes on with `length` bytes of somebody else. */
export function payloadHead(message: MessageNumber, length: number): Uint8Array {
  const head = new Uint8Array(PAYLOAD_BYTES_MIN);
  writeHead(head, message, PAYLOAD_BYTES_MIN + length);
  return head;
}

/** The message of a wrapped payload, whose own bytes are `payload.subarray(PAYLOAD_BYTES_MIN)`. */
export function wrappedMessage(payload: Uint8Array): MessageNumber | undefined {
  if (payload.length < PAYLOAD_BYTES_MIN) return undefined;
  return getU32(payload, 8) === payload.length ? messageNumber(getU32(payload, 0), getU32(payload, 4)) : undefined;
}

/** A payload that says which message it is, and whether it arrived whole. */
export function encodePayload(message: MessageNumber, bytes: number): Uint8Array {
  const payload = new Uint8Array(Math.max(PAYLOAD_BYTES_MIN, bytes));
  writeHead(payload, message, payload.length);
  const start = counterOf(message) * 31;
  for (let i = PAYLOAD_BYTES_MIN; i < payload.length; i++) payload[i] = pattern(start, i);
  return payload;
}

/** The message of a payload, or `undefined` if its bytes are not those that were sent. */
export function decodePayload(payload: Uint8Array): MessageNumber | undefined {
  const message = wrappedMessage(payload);
  if (message === undefined) return undefined;
  const start = counterOf(message) * 31;
  for (let i = PAYLOAD_BYTES_MIN; i < payload.length; i += i < DENSE_BYTES ? 1 : STRIDE) {
    if (payload[i] !== pattern(start, i)) return undefined;
  }
  return message;
}

function writeHead(payload: Uint8Array, message: MessageNumber, length: number): void {
  setU32(payload, 0, senderOf(message));
  setU32(payload, 4, counterOf(message));
  setU32(payload, 8, length);
}

/** Differs between messages and between the fragments of one. */
function pattern(start: number, position: number): number {
  return (start + position * 7 + (position >> 8)) & 0xff;
}
