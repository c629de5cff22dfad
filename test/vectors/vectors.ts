import { readFileSync } from "node:fs";
import { groupCountOf, HEADER_BYTES, typeOf, dataBytesOf } from "../../src/wire/spread/frame.ts";

/** One recorded message of a real daemon's traffic. */
export type Vector = {
  readonly name: string;
  readonly direction: "C->D" | "D->C" | "MON->D" | "D->MON";
  readonly bytes: Uint8Array;
  readonly note: string;
};

/** Everything that was recorded, in order. Long messages are cut. */
export const VECTORS: readonly Vector[] = (
  JSON.parse(readFileSync(new URL("./spread-client-vectors.json", import.meta.url), "utf8")) as {
    name: string;
    direction: Vector["direction"];
    hex: string;
    note?: string;
  }[]
).map(({ name, direction, hex, note }) => ({ name, direction, bytes: fromHex(hex), note: note ?? "" }));

/** The records of these connections, in order. */
export function vectorsOf(...names: readonly string[]): readonly Vector[] {
  return VECTORS.filter(({ name }) => names.includes(name));
}

/** What the daemon sent on a connection, in one piece. */
export function answersOf(name: string): Uint8Array {
  return Uint8Array.from(
    VECTORS.filter((vector) => vector.name === name && vector.direction === "D->C").flatMap(({ bytes }) => [...bytes]),
  );
}

/** What a client sent on a connection, one by one. */
export function requestsOf(name: string): readonly Uint8Array[] {
  return VECTORS.filter((vector) => vector.name === name && vector.direction === "C->D").map(({ bytes }) => bytes);
}

export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function toHex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Cuts a stream of whole frames, as hexadecimal text, with the view ids (which differ from run to run) as zeros. */
export function framesOf(bytes: Uint8Array): string[] {
  const frames: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length < at + HEADER_BYTES) throw new Error(`${bytes.length - at} bytes are left behind the last frame`);
    const body = at + HEADER_BYTES + 32 * groupCountOf(bytes, at);
    const end = body + dataBytesOf(bytes, at);
    const type = typeOf(bytes, at);
    const frame = bytes.slice(at, end);
    if ((type & 0x3f) === 0 && (type & 0x3000) !== 0) frame.fill(0, body - at, body - at + 12);
    frames.push(toHex(frame));
    at = end;
  }
  return frames;
}
