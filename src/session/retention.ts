import { ByteLog } from "./byte-log.ts";

/**
 * What has been delivered to a native client and not been acknowledged by it, in order: first what was written to its
 * connection, then what waits to be written. A new connection begins again behind what the client says it has had.
 *
 * What was written and not acknowledged counts as in flight, and no more is written than a window of that. Its bytes may be let
 * go (then they cannot be written again), and still count until the client has acknowledged them.
 *
 * Deliveries are numbers in two arrays and bytes in a log: an object and views for each would be most of what a daemon makes for
 * the garbage collector, and of what that has to move.
 */
export class Retention {
  readonly #log = new ByteLog();
  /** Delivery number of each entry, and its bytes: below 0 those of a notice, which no window holds back. */
  #numbers: number[] = [];
  #sizes: number[] = [];
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
    return this.#numbers.length - this.#unsent;
  }

  /** Bytes written to the present connection and not acknowledged. */
  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /** Where the head of the entry that was added last is to be written. */
  get memory(): Uint8Array {
    return this.#log.memory;
  }

  /**
   * Adds a delivery, or (without a frame) a notice such as that of a gap: it has a number of its own. Its head of so many bytes
   * is written by the caller at once, to `memory` from the returned place on.
   */
  append(number: number, headBytes: number, frame: Uint8Array | undefined): number {
    const frameBytes = frame?.length ?? 0;
    const bytes = headBytes + frameBytes;
    this.#numbers.push(number);
    this.#sizes.push(frame === undefined ? -bytes : bytes);
    this.#bytes += bytes;
    this.#unsentBytes += bytes;
    const together = this.#log.copies(frameBytes);
    const at = this.#log.reserve(together ? bytes : headBytes);
    if (frame === undefined) return at;
    if (together) this.#log.memory.set(frame, at + headBytes);
    else this.#log.add(frame);
    return at;
  }

  /**
   * Moves what waits behind `chunks`, as written, until `windowBytes` are in flight: the last delivery may be beyond, and a
   * notice is never held back.
   */
  takeUnsent(chunks: Uint8Array[], windowBytes: number): void {
    let taken = 0;
    for (; this.#unsent < this.#numbers.length; this.#unsent++) {
      const size = this.#sizes[this.#unsent] as number;
      if (size > 0 && this.#inFlightBytes + taken >= windowBytes) break;
      taken += Math.abs(size);
    }
    if (taken === 0) return;
    this.#log.read(taken, chunks);
    this.#unsentBytes -= taken;
    this.#inFlightBytes += taken;
  }

  /** The client has consumed everything up to this number. What was not yet written is not affected. */
  acknowledge(number: number): void {
    // What it has had the kernel has had: the memory can be used again.
    this.#drop(true, (first) => first < this.#unsent && (this.#numbers[first] as number) <= number);
  }

  /** Lets the oldest go until no more than `bytesMax` are kept; what still waits only if `unsentToo`. */
  trim(bytesMax: number, unsentToo: boolean): void {
    while (this.#bytes > bytesMax && this.#kept < (unsentToo ? this.#numbers.length : this.#unsent)) {
      const bytes = Math.abs(this.#sizes[this.#kept] as number);
      this.#lostTo = Math.max(this.#lostTo, this.#numbers[this.#kept] as number);
      if (this.#kept === this.#unsent) {
        this.#log.skip(bytes);
        this.#unsentBytes -= bytes;
        // Where nothing before it was written either, nobody will acknowledge it.
        if (this.#start === this.#unsent) this.#start++;
        else this.#inFlightBytes += bytes;
        this.#unsent++;
      }
      this.#log.release(bytes, false);
      this.#bytes -= bytes;
      this.#kept++;
    }
    this.#compact();
  }

  /** The connection is gone: everything kept waits again, and nothing is in flight. */
  rewind(): void {
    this.#start = this.#kept;
    this.#unsent = this.#start;
    this.#log.rewind();
    this.#unsentBytes = this.#bytes;
    this.#inFlightBytes = 0;
    this.#compact();
  }

  /** The client is back and has had everything up to `number`. Returns what it has missed for good, if anything. */
  resume(number: number): { readonly first: number; readonly last: number } | undefined {
    this.rewind();
    this.#drop(false, (first) => first < this.#numbers.length && (this.#numbers[first] as number) <= number);
    return this.#lostTo > number ? { first: number + 1, last: this.#lostTo } : undefined;
  }

  /** Takes the first entries away, wherever they stood, while `goes` says so of their position. */
  #drop(reuse: boolean, goes: (first: number) => boolean): void {
    let released = 0;
    while (goes(this.#start)) {
      const bytes = Math.abs(this.#sizes[this.#start] as number);
      if (this.#start === this.#unsent) {
        this.#log.skip(bytes);
        this.#unsent++;
        this.#unsentBytes -= bytes;
      } else this.#inFlightBytes -= bytes;
      if (this.#start === this.#kept) {
        this.#kept++;
        released += bytes;
      }
      this.#start++;
    }
    if (released > 0) this.#log.release(released, reuse);
    this.#bytes -= released;
    this.#compact();
  }

  #compact(): void {
    if (this.#start === this.#numbers.length) {
      this.#numbers.length = 0;
      this.#sizes.length = 0;
    } else if (this.#start >= 1_024 && this.#start * 2 >= this.#numbers.length) {
      this.#numbers.splice(0, this.#start);
      this.#sizes.splice(0, this.#start);
    } else return;
    this.#unsent -= this.#start;
    this.#kept -= this.#start;
    this.#start = 0;
  }
}
