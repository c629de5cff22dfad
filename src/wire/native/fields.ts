import { getU32, type Reader, setU32, type Writer } from "../bytes.ts";

/** Fields of native envelopes that the plain readers and writers do not have: 64-bit numbers, texts behind their length. */

/** Writes a number of at most 53 bits as 64, big endian. */
export function setU64(bytes: Uint8Array, at: number, value: number): void {
  setU32(bytes, at, Math.floor(value / 0x1_0000_0000));
  setU32(bytes, at + 4, value % 0x1_0000_0000);
}

/** Reads 64 bits, big endian; beyond 53 bits the result is not exact. */
export function getU64(bytes: Uint8Array, at: number): number {
  return getU32(bytes, at) * 0x1_0000_0000 + getU32(bytes, at + 4);
}

/** Reads a number of 64 bits; one that JavaScript cannot hold exactly is malformed. */
export function readU64(reader: Reader): number {
  const value = reader.u32() * 0x1_0000_0000 + reader.u32();
  if (Number.isSafeInteger(value)) return value;
  reader.fail();
  return 0;
}

export function writeU64(writer: Writer, value: number): Writer {
  return writer.u32(Math.floor(value / 0x1_0000_0000)).u32(value % 0x1_0000_0000);
}

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
