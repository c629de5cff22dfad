/**
 * What has been delivered to a native client and not been acknowledged by it, in order: first what was written to its
 * connection, then what waits to be written. A new connection begins again behind what the client says it has had.
 */
export class Retention {
  #entries: Entry[] = [];
  #start = 0;
  /** Position in `#entries` of the first entry that has not been written to the present connection. */
  #unsent = 0;
  #bytes = 0;
  #unsentBytes = 0;
  /** Greatest number that was let go without having been acknowledged. */
  #lostTo = 0;

  /** Bytes kept, written or not. */
  get bytes(): number {
    return this.#bytes;
  }

  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  get unsentCount(): number {
    return this.#entries.length - this.#unsent;
  }

  /** Adds a delivery, or (without a frame) a gap notice: it has a number of its own. */
  append(number: number, head: Uint8Array, frame: Uint8Array | undefined): void {
    const bytes = head.length + (frame?.length ?? 0);
    this.#entries.push({ number, head, frame, bytes });
    this.#bytes += bytes;
    this.#unsentBytes += bytes;
  }

  /** Moves all that waits behind `chunks`, as written. */
  takeUnsent(chunks: Uint8Array[]): void {
    for (; this.#unsent < this.#entries.length; this.#unsent++) {
      const { head, frame } = this.#entries[this.#unsent] as Entry;
      chunks.push(head);
      if (frame !== undefined) chunks.push(frame);
    }
    this.#unsentBytes = 0;
  }

  /** The client has consumed everything up to this number. What was not yet written is not affected. */
  acknowledge(number: number): void {
    while (this.#start < this.#unsent && (this.#entries[this.#start] as Entry).number <= number) this.#drop();
  }

  /** Lets the oldest go until no more than `bytesMax` are kept; what still waits only if `unsentToo`. */
  trim(bytesMax: number, unsentToo: boolean): void {
    while (this.#bytes > bytesMax && this.#start < (unsentToo ? this.#entries.length : this.#unsent)) {
      this.#lostTo = Math.max(this.#lostTo, (this.#entries[this.#start] as Entry).number);
      this.#drop();
    }
  }

  /** The connection is gone: everything kept waits again. */
  rewind(): void {
    this.#unsent = this.#start;
    this.#unsentBytes = this.#bytes;
  }

  /** The client is back and has had everything up to `number`. Returns what it has missed for good, if anything. */
  resume(number: number): { readonly first: number; readonly last: number } | undefined {
    this.rewind();
    while (this.#start < this.#entries.length && (this.#entries[this.#start] as Entry).number <= number) this.#drop();
    return this.#lostTo > number ? { first: number + 1, last: this.#lostTo } : undefined;
  }

  #drop(): void {
    const entry = this.#entries[this.#start] as Entry;
    this.#bytes -= entry.bytes;
    if (this.#start === this.#unsent) {
      this.#unsent++;
      this.#unsentBytes -= entry.bytes;
    }
    this.#entries[this.#start] = GONE;
    this.#start++;
    if (this.#start >= 1_024 && this.#start * 2 >= this.#entries.length) {
      this.#entries.splice(0, this.#start);
      this.#unsent -= this.#start;
      this.#start = 0;
    }
  }
}

type Entry = {
  readonly number: number;
  readonly head: Uint8Array;
  /** None: a gap notice. */
  readonly frame: Uint8Array | undefined;
  readonly bytes: number;
};

const GONE: Entry = { number: 0, head: new Uint8Array(0), frame: undefined, bytes: 0 };
