import type { Socket } from "node:net";
import { type ClientStream, WRITE_HIGH_WATER_BYTES } from "./client-stream.ts";

/** Pieces below this are copied together: cheaper than to hand each to the kernel. */
const COPY_BYTES_MAX = 8 * 1024;
const SLAB_BYTES = 64 * 1024;
/** Slabs that wait to be filled again. */
const SPARE_SLABS_MAX = 64;
/** A client that does not read may keep a connection that is to be closed for so long. */
const LINGER_MS_MAX = 5_000;

/**
 * Slabs whose bytes the kernel has taken, to be filled again: whoever is written to at every turn would make garbage of all
 * that it is sent, and an idle connection needs none.
 */
export class SpareSlabs {
  readonly #slabs: Uint8Array[] = [];

  take(): Uint8Array {
    return this.#slabs.pop() ?? new Uint8Array(new ArrayBuffer(SLAB_BYTES));
  }

  give(slab: Uint8Array): void {
    if (this.#slabs.length < SPARE_SLABS_MAX) this.#slabs.push(slab);
  }
}

/** A client's socket: small pieces gathered in slabs, large ones as they are. */
export class SocketStream implements ClientStream {
  readonly socket: Socket;
  isDirty = false;
  isEnding = false;
  readonly #spare: SpareSlabs;
  readonly #drained: () => void;
  /** Those in use since the last flush; the last is being filled, from `slabStart` on for the next piece. */
  #slabs: Uint8Array[] = [];
  #slab: Uint8Array = EMPTY;
  #slabStart = 0;
  #slabEnd = 0;
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;
  #waiting = false;

  constructor(socket: Socket, spare: SpareSlabs, drained: () => void) {
    this.socket = socket;
    this.#spare = spare;
    this.#drained = drained;
    socket.on("drain", () => this.#onDrain());
  }

  get gathered(): number {
    return this.#pieceBytes + (this.#slabEnd - this.#slabStart);
  }

  get buffered(): number {
    return this.gathered + this.socket.writableLength;
  }

  write(bytes: Uint8Array): boolean {
    if (bytes.length > COPY_BYTES_MAX) {
      this.#closeSlab();
      this.#pieces.push(bytes);
      this.#pieceBytes += bytes.length;
    } else {
      if (this.#slabEnd + bytes.length > this.#slab.length) {
        this.#closeSlab();
        this.#slab = this.#spare.take();
        this.#slabs.push(this.#slab);
        this.#slabStart = 0;
        this.#slabEnd = 0;
      }
      this.#slab.set(bytes, this.#slabEnd);
      this.#slabEnd += bytes.length;
    }
    if (this.buffered <= WRITE_HIGH_WATER_BYTES) return true;
    this.#waiting = true;
    return false;
  }

  flush(): void {
    this.#closeSlab();
    const pieces = this.#pieces;
    if (pieces.length === 0) return;
    this.#pieces = [];
    this.#pieceBytes = 0;
    const { socket } = this;
    if (socket.destroyed) return;
    if (pieces.length > 1) socket.cork();
    for (const piece of pieces) socket.write(piece);
    if (pieces.length > 1) socket.uncork();
    this.#releaseSlabs(socket.writableLength === 0);
    // Taken at once, so that the socket will not tell: whoever waits is told all the same.
    if (this.#waiting && socket.writableLength === 0) setImmediate(() => this.#onDrain());
  }

  end(): void {
    if (this.isEnding) return;
    this.isEnding = true;
    const { socket } = this;
    socket.end();
    // Also of a client that goes on sending: what the socket itself measures is how long nothing happens.
    const late = setTimeout(() => socket.destroy(), LINGER_MS_MAX);
    socket.once("close", () => clearTimeout(late));
    socket.resume();
  }

  /** Those that the kernel has not emptied belong to the socket now. */
  #releaseSlabs(areTaken: boolean): void {
    if (areTaken) for (const slab of this.#slabs) this.#spare.give(slab);
    this.#slabs = [];
    this.#slab = EMPTY;
    this.#slabStart = 0;
    this.#slabEnd = 0;
  }

  #closeSlab(): void {
    if (this.#slabEnd === this.#slabStart) return;
    const piece = this.#slab.subarray(this.#slabStart, this.#slabEnd);
    this.#pieces.push(piece);
    this.#pieceBytes += piece.length;
    this.#slabStart = this.#slabEnd;
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  finish(): void {
    this.socket.destroySoon();
  }

  drop(): void {
    this.socket.destroy();
  }

  #onDrain(): void {
    if (!this.#waiting || this.socket.destroyed || this.buffered > WRITE_HIGH_WATER_BYTES / 2) return;
    this.#waiting = false;
    this.#drained();
  }
}

const EMPTY = new Uint8Array(0);
