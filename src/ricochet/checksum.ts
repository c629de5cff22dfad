import { getU32 } from "../wire/bytes.ts";
import type { BinPacket } from "./bins.ts";

/** The packet's checksum, worked out once: a packet goes into many repairs. */
export function checksumOf(packet: BinPacket): number {
  packet.checksum ??= checksumOfBytes(packet.bytes);
  return packet.checksum;
}

/**
 * 32 bits that depend on each byte and on its place, in words of four bytes. Against chance, not against malice: datagrams have passed UDP's checksum,
 * and what this one guards against is a repair that was put together from other packets than it names.
 */
export function checksumOfBytes(bytes: Uint8Array): number {
  let sum = bytes.length;
  const whole = bytes.length & ~3;
  for (let at = 0; at < whole; at += 4) {
    sum = Math.imul(sum ^ getU32(bytes, at), 0x85eb_ca6b);
    sum ^= sum >>> 15;
  }
  for (let at = whole; at < bytes.length; at++) sum = Math.imul(sum ^ (bytes[at] as number), 0xc2b2_ae35);
  sum ^= sum >>> 13;
  return sum >>> 0;
}
