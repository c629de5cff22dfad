import type { Channel } from "../machine/network.ts";
import { PacketQueue } from "../machine/packet-queue.ts";

export type OutputBounds = {
  /** Of data that waits for one daemon. */
  readonly packetsMax: number;
  readonly bytesMax: number;
  /** Of tokens and membership. */
  readonly controlPacketsMax: number;
  readonly controlBytesMax: number;
};

/** Data: some windows of the ring. Control: what is older than this has been overtaken long since. */
export const outputDefaults: OutputBounds = {
  packetsMax: 8_192,
  bytesMax: 4 * 1024 * 1024,
  controlPacketsMax: 256,
  controlBytesMax: 512 * 1024,
};

export type OutputCounters = {
  packetsSent: number;
  bytesSent: number;
  /** Calls of the kernel. */
  writes: number;
  /** Packets that found no room, or no stream: the protocol repairs them like any loss. */
  packetsDropped: number;
};

/** What is handed to the kernel at a time: whoever takes less is written to again when he has taken it all. */
const BATCH_BYTES_MAX = 256 * 1024;
const BATCH_PIECES_MAX = 512;

/**
 * The packets that wait for the stream to one daemon. While the kernel takes everything they leave in the order in which they were sent, all of a turn in
 * one call; once it does not, tokens and membership overtake the data that waits. Beyond the bounds packets are dropped and counted, as
 * a network of datagrams does.
 */
export class StreamOutput {
  readonly #write: (pieces: readonly Uint8Array[]) => boolean;
  readonly #counters: OutputCounters;
  readonly #control: PacketQueue;
  readonly #data: PacketQueue;
  /** The kernel has not taken all of the last batch. */
  #isBlocked = false;
  /** The control packets at the head of the queue were sent behind so much of the data that waits. */
  #dataAhead = 0;
  #waitingBytes = 0;

  /** `write`: hands pieces to the kernel; false if it has not taken all, then `drained` is to be called when it has. */
  constructor(
    write: (pieces: readonly Uint8Array[]) => boolean,
    counters: OutputCounters,
    bounds: OutputBounds = outputDefaults,
  ) {
    this.#write = write;
    this.#counters = counters;
    this.#control = new PacketQueue(bounds.controlPacketsMax, bounds.controlBytesMax);
    this.#data = new PacketQueue(bounds.packetsMax, bounds.bytesMax);
  }

  /** Bytes that wait here, without those that the kernel is about to take. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** Takes a packet, which is given away and never changed; it leaves with `flush`. */
  send(channel: Channel, bytes: Uint8Array): void {
    const isControl = channel === "token";
    // Its receiver looks for what was sent before it.
    if (isControl && this.#control.length === 0) this.#dataAhead = this.#data.length;
    if ((isControl ? this.#control : this.#data).push(bytes)) this.#waitingBytes += bytes.length;
    else this.#counters.packetsDropped += 1;
  }

  flush(): void {
    while (this.#waitingBytes > 0 && !this.#isBlocked) this.#writeBatch();
  }

  /** The kernel has taken what it was given. */
  drained(): void {
    this.#isBlocked = false;
    this.#dataAhead = 0;
    this.flush();
  }

  #writeBatch(): void {
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    while (bytes < BATCH_BYTES_MAX && pieces.length < BATCH_PIECES_MAX) {
      const packet = this.#next();
      if (packet === undefined) break;
      bytes += packet.length;
      this.#counters.packetsSent += 1;
      const last = pieces.at(-1);
      const follows = last?.buffer === packet.buffer && last.byteOffset + last.length === packet.byteOffset;
      if (!follows) pieces.push(packet);
      // Those that lie one behind the other in memory are one piece.
      else pieces[pieces.length - 1] = new Uint8Array(last.buffer, last.byteOffset, last.length + packet.length);
    }
    this.#waitingBytes -= bytes;
    this.#counters.bytesSent += bytes;
    this.#counters.writes += 1;
    this.#isBlocked = !this.#write(pieces);
  }

  #next(): Uint8Array | undefined {
    if (this.#control.length === 0 || this.#dataAhead > 0) {
      this.#dataAhead = Math.max(0, this.#dataAhead - 1);
      return this.#data.shift() ?? this.#control.shift();
    }
    return this.#control.shift();
  }
}
