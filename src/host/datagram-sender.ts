import type { Socket } from "node:dgram";

/** Where datagrams go; one object for each place, as a batch is collected for each. */
export type Destination = { readonly address: string; readonly port: number };

export type SendCounters = {
  packetsSent: number;
  bytesSent: number;
  /** Calls of the kernel that carried more than one packet. */
  batchesSent: number;
  /** Sends that the kernel refused, and the code of the last one. */
  sendErrors: number;
  lastSendError: string | undefined;
  /** Packets not sent because the kernel took nothing more: the protocol repairs them like any loss. */
  sendDropped: number;
};

/** How a batch leaves a socket whose datagrams the kernel cuts. */
export type Segmentation = {
  /** All packets of a batch but the last have so many bytes. */
  readonly segmentBytes: number;
  /** The kernel cuts what is sent from now on, or sends it as it is. */
  set(enabled: boolean): void;
  /** The kernel has refused a batch: from now on every packet is sent by itself. */
  refused(code: string): void;
};

/** Bytes that may wait in a socket of ours for room in the kernel. */
const SEND_QUEUE_BYTES_MAX = 2 * 1024 * 1024;
const SENDS_PER_QUEUE_CHECK = 32;
/** What one call may carry: the greatest UDP payload over IPv6, and the kernel's limit (UDP_MAX_SEGMENTS of older ones). */
const BATCH_BYTES_MAX = 65_487;
const BATCH_PACKETS_MAX = 64;

/** Packets for one destination. Those that lie one behind the other in memory are one piece. */
type Batch = {
  readonly to: Destination;
  pieces: Uint8Array[];
  /** The last piece, still growing. */
  buffer: ArrayBufferLike;
  start: number;
  end: number;
  packets: number;
  bytes: number;
  isClosed: boolean;
};

/**
 * Sends on one socket, without ever throwing, and without letting an unbounded queue grow before a kernel that takes
 * nothing. With `segmentation` what goes to one place is collected until `flush` and leaves in one call, cut by the kernel
 * (UDP_SEGMENT); order is kept for each destination.
 */
export class DatagramSender {
  readonly #socket: Socket;
  readonly #counters: SendCounters;
  #segmentation: Segmentation | undefined;
  readonly #batches = new Map<Destination, Batch>();
  /** Those with something in them. */
  #filled: Batch[] = [];
  #untilCheck = SENDS_PER_QUEUE_CHECK;
  #full = false;
  readonly #sent = (error: Error | null): void => {
    if (error !== null) this.#fault(error);
  };
  readonly #batchSent = (error: Error | null): void => {
    if (error === null) return;
    this.#fault(error);
    const { code } = error as NodeJS.ErrnoException;
    if (this.#segmentation === undefined || !CANNOT.includes(code ?? "")) return;
    const segmentation = this.#segmentation;
    this.#segmentation = undefined;
    segmentation.refused(code as string);
  };

  constructor(socket: Socket, counters: SendCounters, segmentation: Segmentation | undefined) {
    this.#socket = socket;
    this.#counters = counters;
    this.#segmentation = segmentation;
  }

  send(bytes: Uint8Array, to: Destination): void {
    if (this.#segmentation === undefined) {
      this.#one(bytes, to);
    } else if (bytes.length > this.#segmentation.segmentBytes) {
      this.#uncut(bytes, to, this.#segmentation);
    } else {
      this.#collect(bytes, to, this.#segmentation.segmentBytes);
    }
  }

  /** Lets everything leave that was collected. */
  flush(): void {
    if (this.#filled.length === 0) return;
    const filled = this.#filled;
    this.#filled = [];
    for (let i = 0; i < filled.length; i++) this.#leave(filled[i] as Batch);
  }

  #collect(bytes: Uint8Array, to: Destination, segmentBytes: number): void {
    let batch = this.#batches.get(to);
    if (batch === undefined) {
      batch = { to, pieces: [], buffer: bytes.buffer, start: 0, end: 0, packets: 0, bytes: 0, isClosed: false };
      this.#batches.set(to, batch);
    }
    const isFull = batch.packets === BATCH_PACKETS_MAX || batch.bytes + bytes.length > BATCH_BYTES_MAX;
    if (batch.packets > 0 && (batch.isClosed || isFull)) this.#leave(batch);
    if (batch.packets === 0 && !this.#filled.includes(batch)) this.#filled.push(batch);
    batch.packets += 1;
    batch.bytes += bytes.length;
    // The kernel cuts at equal distances: behind a shorter packet nothing can follow.
    batch.isClosed = bytes.length < segmentBytes;
    if (batch.end !== bytes.byteOffset || batch.buffer !== bytes.buffer) {
      endPiece(batch);
      batch.buffer = bytes.buffer;
      batch.start = bytes.byteOffset;
    }
    batch.end = bytes.byteOffset + bytes.length;
  }

  #leave(batch: Batch): void {
    const { pieces, packets, bytes, to } = batch;
    if (packets === 0) return;
    endPiece(batch);
    batch.pieces = [];
    batch.packets = 0;
    batch.bytes = 0;
    batch.isClosed = false;
    if (!this.#hasRoom(packets)) return;
    if (packets > 1) this.#counters.batchesSent += 1;
    this.#hand(pieces.length === 1 ? (pieces[0] as Uint8Array) : pieces, bytes, to, this.#batchSent);
  }

  #one(bytes: Uint8Array, to: Destination): void {
    if (this.#hasRoom(1)) this.#hand(bytes, bytes.length, to, this.#sent);
  }

  /** A datagram that is longer than a segment, which IP has to cut: rare, and of control. */
  #uncut(bytes: Uint8Array, to: Destination, segmentation: Segmentation): void {
    this.flush();
    // What waits in the socket would be sent uncut as well.
    if (this.#socket.getSendQueueCount() > 0) {
      this.#counters.sendDropped += 1;
      return;
    }
    segmentation.set(false);
    this.#one(bytes, to);
    segmentation.set(true);
  }

  #hasRoom(packets: number): boolean {
    this.#untilCheck -= 1;
    if (this.#full || this.#untilCheck === 0) {
      this.#untilCheck = SENDS_PER_QUEUE_CHECK;
      this.#full = this.#socket.getSendQueueSize() > SEND_QUEUE_BYTES_MAX;
    }
    if (this.#full) this.#counters.sendDropped += packets;
    else this.#counters.packetsSent += packets;
    return !this.#full;
  }

  #hand(
    bytes: Uint8Array | Uint8Array[],
    length: number,
    { port, address }: Destination,
    sent: (error: Error | null) => void,
  ): void {
    this.#counters.bytesSent += length;
    try {
      this.#socket.send(bytes, port, address, sent);
    } catch (error) {
      // Only when the socket has been closed meanwhile.
      this.#sent(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #fault(error: Error): void {
    this.#counters.sendErrors += 1;
    this.#counters.lastSendError = (error as NodeJS.ErrnoException).code ?? error.message;
  }
}

/** What kernels and devices say that do not cut. */
const CANNOT = ["EINVAL", "EIO", "EMSGSIZE", "ENOPROTOOPT", "EOPNOTSUPP"];

function endPiece(batch: Batch): void {
  if (batch.end > batch.start) batch.pieces.push(new Uint8Array(batch.buffer, batch.start, batch.end - batch.start));
  batch.start = 0;
  batch.end = 0;
}
