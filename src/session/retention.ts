import { DELIVER_HEAD_BYTES, writeDeliverHead } from "../wire/native/envelope.ts";
import { ByteLog } from "./byte-log.ts";

/** A delivery that has never been written, or a notice. Its frame may wait for other sessions too. */
type Waiting = {
  readonly frame: Uint8Array;
  readonly tail: Uint8Array | undefined;
  readonly own: number;
  readonly primary: boolean;
  readonly isNotice: boolean;
};

/**
 * What has been delivered to a native client and not been acknowledged by it, in order: first what was written to its
 * connection, then what waits to be written. A new connection begins again behind what the client says it has had.
 *
 * What was written and not acknowledged counts as in flight, and no more is written than a window of that. Its bytes may be let
 * go (then they cannot be written again), and still count until the client has acknowledged them.
 *
 * What waits are frames, which the members of a group share. When it is written it becomes bytes of a log: an object and views
 * for each delivery until it is acknowledged would be most of what a daemon makes for the garbage collector, and nearly all that this
 * has to move.
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
  /** The last entries, which no connection has seen, from the head on; those before them are in the log. */
  #waiting: Waiting[] = [];
  #waitingHead = 0;
  #bytes = 0;
  #unsentBytes = 0;
  #inFlightBytes = 0;
  /** Somebody looks at what was written, from now on: its memory is not used again. */
  isLent = false;
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

  /**
   * Adds a delivery; `tail` is the last part of its frame, if that is apart, and `own` the client's number for the message if it sent it itself, or 0.
   * The frame never changes.
   */
  append(number: number, frame: Uint8Array, tail: Uint8Array | undefined, own: number, primary: boolean): number {
    const bytes = DELIVER_HEAD_BYTES + (own > 0 ? 8 : 0) + frame.length + (tail?.length ?? 0);
    this.#add(number, bytes, bytes, { frame, tail, own, primary, isNotice: false });
    return bytes;
  }

  /** Adds a whole envelope that has a delivery number of its own, such as the notice of a gap. */
  notice(number: number, envelope: Uint8Array): void {
    this.#add(number, envelope.length, -envelope.length, {
      frame: envelope,
      tail: undefined,
      own: 0,
      primary: false,
      isNotice: true,
    });
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
      if (this.#unsent === this.#logged) this.#write(this.#numbers[this.#unsent] as number);
    }
    if (taken === 0) return;
    this.#log.read(taken, chunks);
    this.#unsentBytes -= taken;
    this.#inFlightBytes += taken;
  }

  /** The client has consumed everything up to this number. What was not yet written is not affected. */
  acknowledge(number: number): void {
    // What it has had the kernel has had: the memory can be used again.
    this.#drop(number, this.#unsent, !this.isLent);
  }

  /** Lets the oldest go until no more than `bytesMax` are kept; what still waits only if `unsentToo`. */
  trim(bytesMax: number, unsentToo: boolean): void {
    while (this.#bytes > bytesMax && this.#kept < (unsentToo ? this.#numbers.length : this.#unsent)) {
      const bytes = Math.abs(this.#sizes[this.#kept] as number);
      this.#lostTo = Math.max(this.#lostTo, this.#numbers[this.#kept] as number);
      const isLogged = this.#kept < this.#logged;
      if (this.#kept === this.#unsent) {
        if (isLogged) this.#log.skip(bytes);
        else this.#forget();
        this.#unsentBytes -= bytes;
        // Where nothing before it was written either, nobody will acknowledge it.
        if (this.#start === this.#unsent) this.#start++;
        else this.#inFlightBytes += bytes;
        this.#unsent++;
      }
      if (isLogged) this.#log.release(bytes, false);
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
    this.#drop(number, this.#numbers.length, false);
    return this.#lostTo > number ? { first: number + 1, last: this.#lostTo } : undefined;
  }

  /** Takes the first entries away, wherever they stood: those before the position `end` with numbers up to this one. */
  #drop(number: number, end: number, reuse: boolean): void {
    const numbers = this.#numbers;
    const sizes = this.#sizes;
    let released = 0;
    let first = this.#start;
    for (; first < end && (numbers[first] as number) <= number; first++) {
      const bytes = Math.abs(sizes[first] as number);
      const isLogged = first < this.#logged;
      if (first === this.#unsent) {
        if (isLogged) this.#log.skip(bytes);
        else this.#forget();
        this.#unsent++;
        this.#unsentBytes -= bytes;
      } else this.#inFlightBytes -= bytes;
      if (first === this.#kept) {
        this.#kept++;
        this.#bytes -= bytes;
        if (isLogged) released += bytes;
      }
    }
    this.#start = first;
    if (released > 0) this.#log.release(released, reuse);
    this.#compact();
  }

  /** Position of the first entry that waits, and has never been written. */
  get #logged(): number {
    return this.#numbers.length - (this.#waiting.length - this.#waitingHead);
  }

  #add(number: number, bytes: number, size: number, waiting: Waiting): void {
    this.#numbers.push(number);
    this.#sizes.push(size);
    this.#waiting.push(waiting);
    this.#bytes += bytes;
    this.#unsentBytes += bytes;
  }

  /** Puts the first that waits, which has this number, into the log. */
  #write(number: number): void {
    const { frame, tail, own, primary, isNotice } = this.#waiting[this.#waitingHead] as Waiting;
    this.#forget();
    if (isNotice) return this.#log.add(frame);
    const head = DELIVER_HEAD_BYTES + (own > 0 ? 8 : 0);
    const length = frame.length + (tail?.length ?? 0);
    const together = this.#log.copies(length);
    const at = this.#log.reserve(together ? head + length : head);
    const { memory } = this.#log;
    writeDeliverHead(memory, at, number, own, primary, length);
    if (together) {
      memory.set(frame, at + head);
      if (tail !== undefined) memory.set(tail, at + head + frame.length);
    } else {
      this.#log.add(frame);
      if (tail !== undefined) this.#log.add(tail);
    }
  }

  /** The first that waits does not any more. */
  #forget(): void {
    this.#waiting[this.#waitingHead++] = NOTHING;
    if (this.#waitingHead === this.#waiting.length) {
      this.#waiting.length = 0;
      this.#waitingHead = 0;
    } else if (this.#waitingHead >= 1_024 && this.#waitingHead * 2 >= this.#waiting.length) {
      this.#waiting.splice(0, this.#waitingHead);
      this.#waitingHead = 0;
    }
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

const NOTHING: Waiting = { frame: new Uint8Array(0), tail: undefined, own: 0, primary: false, isNotice: true };
