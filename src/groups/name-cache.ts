import { emptySlots } from "../base/empty-slots.ts";

/**
 * Turns names in frames into strings without making a new string each time: names repeat from message to message. A
 * direct-mapped cache; whoever falls into the same slot replaces the one before.
 */
export class NameCache {
  readonly #slots: (Slot | undefined)[];

  /** `size` is a power of two. */
  constructor(size = 1024) {
    this.#slots = emptySlots(size);
  }

  /** The characters from `start` up to the first NUL, at most `length`. The bytes must be there. */
  name(bytes: Uint8Array, start: number, length: number): string {
    let hash = 0x811c9dc5;
    let end = start;
    const limit = start + length;
    while (end < limit) {
      const byte = bytes[end] as number;
      if (byte === 0) break;
      hash = Math.imul(hash ^ byte, 0x01000193);
      end++;
    }
    return this.#lookUp(bytes, start, end, hash);
  }

  /** All of the `length` bytes from `start` as characters of code 0 … 255. The bytes must be there. */
  text(bytes: Uint8Array, start: number, length: number): string {
    let hash = 0x811c9dc5;
    for (let i = start; i < start + length; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
    return this.#lookUp(bytes, start, start + length, hash);
  }

  #lookUp(bytes: Uint8Array, start: number, end: number, hash: number): string {
    const at = (hash ^ (hash >>> 15)) & (this.#slots.length - 1);
    const slot = this.#slots[at];
    if (slot !== undefined && isSame(slot.bytes, bytes, start, end)) return slot.text;
    const copy = bytes.slice(start, end);
    // Names are short: to spread them takes longer.
    let text = "";
    for (let i = 0; i < copy.length; i++) text += String.fromCharCode(copy[i] as number);
    this.#slots[at] = { bytes: copy, text };
    return text;
  }
}

type Slot = { readonly bytes: Uint8Array; readonly text: string };

function isSame(known: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (known.length !== end - start) return false;
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[start + i]) return false;
  return true;
}
