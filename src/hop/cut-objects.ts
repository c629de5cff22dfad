import type { CutObject } from "../wire/hop/data.ts";

/** Of an object, what is in one of the two datagrams in which it lies. `length`: of the whole; the end does not say it. */
type Part = { readonly bytes: Uint8Array; readonly length: number | undefined };

/**
 * Objects that were cut at the end of a datagram and go on in the next one: keeps what has come of them until the other part does. Each
 * datagram is told once; they may come in any order.
 */
export class CutObjects {
  readonly #partsMax: number;
  /** By the number of the datagram in which the object begins. */
  readonly #parts = new Map<number, Part>();

  /** `windowPackets`: of so many datagrams at most one may be here and the one beside it may not. */
  constructor(windowPackets: number) {
    this.#partsMax = windowPackets + 1;
  }

  /** Objects of which a part is here. */
  get size(): number {
    return this.#parts.size;
  }

  /** An object begins in datagram `seq`. Returns it if its end is here already; undefined as well if the two do not fit. */
  begin(seq: number, { begin, length }: CutObject): Uint8Array | undefined {
    const end = this.#take(seq, { bytes: begin, length });
    return end === undefined ? undefined : joined(begin, length, end.bytes);
  }

  /** The object that begins in datagram `seq` ends with these bytes. */
  end(seq: number, bytes: Uint8Array): Uint8Array | undefined {
    const begin = this.#take(seq, { bytes, length: undefined });
    return begin?.length === undefined ? undefined : joined(begin.bytes, begin.length, bytes);
  }

  /** The part that was here, or keeps this one. */
  #take(seq: number, part: Part): Part | undefined {
    const other = this.#parts.get(seq);
    if (other !== undefined) {
      this.#parts.delete(seq);
      return other;
    }
    // A copy: what is kept is not to keep what was read together with it.
    this.#parts.set(seq, { ...part, bytes: part.bytes.slice() });
    // Only a peer that begins objects and does not end them gets here.
    for (const oldest of this.#parts.keys()) {
      if (this.#parts.size <= this.#partsMax) break;
      this.#parts.delete(oldest);
    }
    return undefined;
  }
}

function joined(begin: Uint8Array, length: number, end: Uint8Array): Uint8Array | undefined {
  if (begin.length + end.length !== length) return undefined;
  const object = new Uint8Array(length);
  object.set(begin);
  object.set(end, begin.length);
  return object;
}
