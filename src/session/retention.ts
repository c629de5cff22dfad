/**
 * What has been delivered to a native client and not been acknowledged by it, in order: first what was written to its
 * connection, then what waits to be written. A new connection begins again behind what the client says it has had.
 *
 * What was written and not acknowledged counts as in flight, and no more is written than a window of that. Its bytes may be let
 * go (then they cannot be written again), and still count until the client has acknowledged them.
 */
export class Retention {
  #entries: Entry[] = [];
  #start = 0;
  /** Position of the first entry whose bytes are still kept: those before it were written, and let go. */
  #kept = 0;
  /** Position of the first entry that has not been written to the present connection. */
  #unsent = 0;
  #bytes = 0;
  #unsentBytes = 0;
  #inFlightBytes = 0;
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

  /** Bytes written to the present connection and not acknowledged. */
  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /** Adds a delivery, or (without a frame) a gap notice: it has a number of its own. */
  append(number: number, head: Uint8Array, frame: Uint8Array | undefined): void {
    const bytes = head.length + (frame?.length ?? 0);
    this.#entries.push({ number, head, frame, bytes });
    this.#bytes += bytes;
    this.#unsentBytes += bytes;
  }

  /**
   * Moves what waits behind `chunks`, as written, until `windowBytes` are in flight: the last delivery may be beyond, and a gap
   * notice is never held back.
   */
  takeUnsent(chunks: Uint8Array[], windowBytes: number): void {
    for (; this.#unsent < this.#entries.length; this.#unsent++) {
      const { head, frame, bytes } = this.#entries[this.#unsent] as Entry;
      if (frame !== undefined && this.#inFlightBytes >= windowBytes) return;
      chunks.push(head);
      if (frame !== undefined) chunks.push(frame);
      this.#unsentBytes -= bytes;
      this.#inFlightBytes += bytes;
    }
  }

  /** The client has consumed everything up to this number. What was not yet written is not affected. */
  acknowledge(number: number): void {
    while (this.#start < this.#unsent && (this.#entries[this.#start] as Entry).number <= number) this.#drop();
  }

  /** Lets the oldest go until no more than `bytesMax` are kept; what still waits only if `unsentToo`. */
  trim(bytesMax: number, unsentToo: boolean): void {
    while (this.#bytes > bytesMax && this.#kept < (unsentToo ? this.#entries.length : this.#unsent)) {
      const { number, bytes } = this.#entries[this.#kept] as Entry;
      this.#lostTo = Math.max(this.#lostTo, number);
      if (this.#start === this.#unsent) {
        this.#drop();
        continue;
      }
      this.#bytes -= bytes;
      if (this.#kept === this.#unsent) {
        this.#unsent++;
        this.#unsentBytes -= bytes;
        this.#inFlightBytes += bytes;
      }
      this.#entries[this.#kept++] = { number, head: NOTHING, frame: undefined, bytes };
    }
  }

  /** The connection is gone: everything kept waits again, and nothing is in flight. */
  rewind(): void {
    while (this.#start < this.#kept) this.#drop();
    this.#unsent = this.#start;
    this.#unsentBytes = this.#bytes;
    this.#inFlightBytes = 0;
  }

  /** The client is back and has had everything up to `number`. Returns what it has missed for good, if anything. */
  resume(number: number): { readonly first: number; readonly last: number } | undefined {
    this.rewind();
    while (this.#start < this.#entries.length && (this.#entries[this.#start] as Entry).number <= number) this.#drop();
    return this.#lostTo > number ? { first: number + 1, last: this.#lostTo } : undefined;
  }

  /** Takes the first entry away, wherever it stood. */
  #drop(): void {
    const { bytes } = this.#entries[this.#start] as Entry;
    if (this.#start === this.#kept) {
      this.#kept++;
      this.#bytes -= bytes;
    }
    if (this.#start === this.#unsent) {
      this.#unsent++;
      this.#unsentBytes -= bytes;
    } else this.#inFlightBytes -= bytes;
    this.#entries[this.#start] = GONE;
    this.#start++;
    if (this.#start >= 1_024 && this.#start * 2 >= this.#entries.length) {
      this.#entries.splice(0, this.#start);
      this.#unsent -= this.#start;
      this.#kept -= this.#start;
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

const NOTHING = new Uint8Array(0);
const GONE: Entry = { number: 0, head: NOTHING, frame: undefined, bytes: 0 };
