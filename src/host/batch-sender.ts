import type { Socket } from "node:dgram";
import type { Destination } from "./datagram-sender.ts";

/**
 * What one call carries at most: below the burst that shapers of slow links let through (32 KB with `tc tbf`), which would take
 * a longer one apart, and long enough that the call itself costs little.
 */
const BATCH_BYTES_MAX = 31_000;
const BATCH_PACKETS_MAX = 32;
/** What kernels and devices say that do not cut. */
const CANNOT = ["EINVAL", "EIO", "EMSGSIZE", "ENOPROTOOPT", "EOPNOTSUPP"];

/**
 * Packets for one destination, all as long as the first one, but for the last, which may be shorter. Those that lie one behind the other in
 * memory are one piece; the last piece, still growing, are the bytes of `buffer` from `start` to `end`.
 */
type Batch = {
  readonly to: Destination;
  readonly segmentBytes: number;
  readonly pieces: Uint8Array[];
  buffer: ArrayBufferLike;
  start: number;
  end: number;
  packets: number;
  bytes: number;
  isClosed: boolean;
};

export type BatchSenderHost = {
  /** The kernel cuts what is sent from now on into datagrams of so many bytes; 0: it does not. Throws what the kernel says. */
  setSegmentBytes(bytes: number): void;
  /** So many packets have been taken by the kernel, or refused with this error. */
  sent(packets: number, error: Error | undefined): void;
};

/**
 * Sends datagrams of any lengths on one socket, those to one place many at a time (UDP_SEGMENT): what is given between two calls of `flush`
 * leaves with the second, in runs of equally long ones. Order is kept for each destination. Nothing is dropped here: who sends looks at `waiting`.
 *
 * The length to cut at belongs to the socket, not to the call. So a batch of another length waits until the kernel has taken those before it.
 */
export class BatchSender {
  readonly #socket: Socket;
  readonly #host: BatchSenderHost;
  readonly #open = new Map<Destination, Batch>();
  /** Complete; the kernel has not been given them. */
  #queue: Batch[] = [];
  #segmentBytes = 0;
  /** Packets that were given to the socket, and of which it has not said that the kernel has them. */
  #handed = 0;
  /** The kernel has refused a batch: every packet is sent by itself. */
  #isRefused = false;

  constructor(socket: Socket, host: BatchSenderHost) {
    this.#socket = socket;
    this.#host = host;
  }

  /** Packets that wait for the kernel, from earlier calls of `flush`. */
  get waiting(): number {
    let waiting = this.#socket.getSendQueueCount() > 0 ? this.#handed : 0;
    for (const { packets } of this.#queue) waiting += packets;
    return waiting;
  }

  send(bytes: Uint8Array, to: Destination): void {
    const batch = this.#open.get(to);
    if (batch !== undefined && !batch.isClosed && bytes.length <= batch.segmentBytes) {
      const isFull = batch.packets === BATCH_PACKETS_MAX || batch.bytes + bytes.length > BATCH_BYTES_MAX;
      if (!isFull && !this.#isRefused) {
        extend(batch, bytes);
        return;
      }
    }
    if (batch !== undefined) this.#queue.push(batch);
    this.#open.set(to, newBatch(to, bytes));
  }

  /** Lets everything leave that was given, as far as the kernel takes it. */
  flush(): void {
    for (const batch of this.#open.values()) this.#queue.push(batch);
    this.#open.clear();
    this.#pump();
  }

  #pump(): void {
    for (let [batch] = this.#queue; batch !== undefined; [batch] = this.#queue) {
      const wanted = this.#segmentBytesFor(batch);
      const isOther = wanted !== this.#segmentBytes;
      if (isOther && this.#socket.getSendQueueCount() > 0) return;
      this.#queue.shift();
      const error = isOther ? this.#set(wanted) : undefined;
      if (error === undefined) this.#hand(batch);
      else this.#host.sent(batch.packets, error);
    }
  }

  #segmentBytesFor({ packets, segmentBytes, bytes }: Batch): number {
    if (packets > 1) return segmentBytes;
    return bytes <= this.#segmentBytes ? this.#segmentBytes : 0;
  }

  #set(segmentBytes: number): Error | undefined {
    try {
      this.#host.setSegmentBytes(segmentBytes);
      this.#segmentBytes = segmentBytes;
      return undefined;
    } catch (error) {
      this.#isRefused = true;
      return error as Error;
    }
  }

  #hand(batch: Batch): void {
    const { pieces, to, packets } = batch;
    endPiece(batch);
    this.#handed += packets;
    const done = (error: Error | null): void => {
      this.#handed -= packets;
      this.#refuse(packets, error);
      this.#host.sent(packets, error ?? undefined);
      if (this.#queue.length > 0) this.#pump();
    };
    try {
      this.#socket.send(pieces.length === 1 ? (pieces[0] as Uint8Array) : pieces, to.port, to.address, done);
    } catch (error) {
      // Closed meanwhile, or an address of another family.
      done(error as Error);
    }
  }

  #refuse(packets: number, error: Error | null): void {
    if (error === null || packets === 1 || this.#isRefused) return;
    this.#isRefused = CANNOT.includes((error as NodeJS.ErrnoException).code ?? "");
  }
}

function newBatch(to: Destination, { buffer, byteOffset, length }: Uint8Array): Batch {
  const place = { buffer, start: byteOffset, end: byteOffset + length };
  return { to, segmentBytes: length, pieces: [], ...place, packets: 1, bytes: length, isClosed: false };
}

/** Adds a packet that is not longer than the others. */
function extend(batch: Batch, bytes: Uint8Array): void {
  if (batch.buffer !== bytes.buffer || batch.end !== bytes.byteOffset) {
    endPiece(batch);
    batch.buffer = bytes.buffer;
    batch.start = bytes.byteOffset;
  }
  batch.end = bytes.byteOffset + bytes.length;
  batch.packets++;
  batch.bytes += bytes.length;
  // The kernel cuts at equal distances: behind a shorter packet nothing can follow.
  batch.isClosed = bytes.length < batch.segmentBytes;
}

function endPiece({ pieces, buffer, start, end }: Batch): void {
  pieces.push(new Uint8Array(buffer, start, end - start));
}
