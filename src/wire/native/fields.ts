import type { Reader, Writer } from "../bytes.ts";

/** Fields of native envelopes that the plain readers and writers do not have: texts behind their length. */

/** UTF-8 of a given length; malformed sequences become replacement characters. */
export function readText(reader: Reader, length: number): string {
  return decodeUtf8(reader.raw(length));
}

/** Bytes behind their length as u8; what is longer than 255 is cut. */
export function writeShort(writer: Writer, value: Uint8Array): Writer {
  const cut = value.subarray(0, 0xff);
  return writer.u8(cut.length).raw(cut);
}

/** Bytes behind their length as u16; what is longer than 65,535 is cut. */
export function writeLong(writer: Writer, value: Uint8Array): Writer {
  const cut = value.subarray(0, 0xffff);
  return writer.u16(cut.length).raw(cut);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}

export function decodeUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
