import { Reader, Writer } from "./bytes.ts";
import { PREFIX_BYTES, type Prefix } from "./prefix.ts";

/*
 * SITE_FILE: hash u32, generation u32, part u16, parts u16, bytes (the rest)
 *
 * A configuration file in parts, for a daemon that has an earlier one: sent with the hash of the new one in the prefix as in every
 * packet, so that it is the only kind that a daemon reads though the hash is foreign.
 */
export type SiteFilePart = {
  /** Hash and generation of the configuration that the file describes. */
  readonly hash: number;
  readonly generation: number;
  readonly part: number;
  readonly parts: number;
  /** A view of the datagram. */
  readonly bytes: Uint8Array;
};

/** Longest file, bytes of UTF-8: what a message of daemons may be, and a newcomer's memory. */
export const SITE_FILE_BYTES_MAX = 64 * 1024;
const PART_BYTES = 1_200;
const PARTS_MAX = Math.ceil(SITE_FILE_BYTES_MAX / PART_BYTES);
const HEAD_BYTES = 12;

/** The bodies of all packets of a file. */
export function encodeSiteFile(hash: number, generation: number, file: Uint8Array): Uint8Array[] {
  const parts = Math.max(1, Math.ceil(file.length / PART_BYTES));
  return Array.from({ length: parts }, (_, part) => {
    const bytes = file.subarray(part * PART_BYTES, (part + 1) * PART_BYTES);
    return new Writer(HEAD_BYTES + bytes.length).u32(hash).u32(generation).u16(part).u16(parts).raw(bytes).finish();
  });
}

/** `undefined`: malformed. */
export function decodeSiteFilePart({ bodyLength }: Prefix, packet: Uint8Array): SiteFilePart | undefined {
  if (bodyLength < HEAD_BYTES || bodyLength > HEAD_BYTES + PART_BYTES) return undefined;
  const reader = new Reader(packet.subarray(PREFIX_BYTES, PREFIX_BYTES + bodyLength));
  const [hash, generation, part, parts] = [reader.u32(), reader.u32(), reader.u16(), reader.u16()];
  const bytes = reader.raw(bodyLength - HEAD_BYTES);
  if (reader.failed || parts === 0 || parts > PARTS_MAX || part >= parts) return undefined;
  if (part < parts - 1 && bytes.length !== PART_BYTES) return undefined;
  return { hash, generation, part, parts, bytes };
}

/** Puts one file together; a part of another one begins anew with that. */
export class SiteFileAssembly {
  #hash = 0;
  #generation = 0;
  #parts: (Uint8Array | undefined)[] = [];

  /** The whole file when the last part of it has come. */
  add({ hash, generation, part, parts, bytes }: SiteFilePart): Uint8Array | undefined {
    if (hash !== this.#hash || generation !== this.#generation || parts !== this.#parts.length) {
      this.#hash = hash;
      this.#generation = generation;
      this.#parts = Array.from({ length: parts }, () => undefined);
    }
    this.#parts[part] = bytes;
    const whole = this.#parts.filter((one) => one !== undefined);
    if (whole.length < parts) return undefined;
    const file = new Uint8Array(whole.reduce((sum, one) => sum + one.length, 0));
    let at = 0;
    for (const one of whole) {
      file.set(one, at);
      at += one.length;
    }
    this.#hash = 0;
    this.#generation = 0;
    this.#parts = [];
    return file;
  }
}
