import { GROUP_NAME_MAX, readName } from "../wire/spread/names.ts";

const SLOTS = 256;

/**
 * Reads name fields, remembering recent ones: nearly every message repeats the names of those before it, and comparing
 * bytes is several times cheaper than making a string of them.
 */
export class Names {
  readonly #texts: (string | undefined)[] = Array.from({ length: SLOTS }, () => undefined);

  read(bytes: Uint8Array, at: number): string {
    let hash = 0;
    for (let i = at; i < at + GROUP_NAME_MAX; i++) {
      const byte = bytes[i] as number;
      if (byte === 0) break;
      hash = (Math.imul(hash, 31) + byte) | 0;
    }
    const slot = (hash ^ (hash >>> 8)) & (SLOTS - 1);
    const known = this.#texts[slot];
    if (known !== undefined && matches(known, bytes, at)) return known;
    const text = readName(bytes, at);
    this.#texts[slot] = text;
    return text;
  }
}

function matches(text: string, bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false;
  return text.length === GROUP_NAME_MAX || bytes[at + text.length] === 0;
}
