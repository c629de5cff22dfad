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
  /** Of most packets: what the ring pads its own to. */
  readonly segmentBytes: number;
  /** The kernel cuts what is sent from now on into datagrams of so many bytes; 0: it sends it as it is. */
  set(segmentBytes: number): void;
  /** The kernel has refused a batch: from now on every packet is sent by itself. */
  refused(code: string): void;
};

/** Bytes that may wait in a socket of ours for room in the kernel. */
const SEND_QUEUE_BYTES_MAX = 2 * 1024 * 1024;
const SENDS_PER_QUEUE_CHECK = 32;
/** What one call may carry: the greatest UDP payload over IPv6, and the kernel's limit (UDP_MAX_SEGMENTS of older ones). */
const BATCH_BYTES_MAX = 65_487;
const BATCH_PACKETS_MAX = 64;
/** More than daemons and their group; each answer to a monitor goes to a place of its own. */
const DESTINATIONS_MAX = 1_024;
/** A packet of the ring on its way between sites is longer by its heads there. */
const LONGER_BYTES = 64;
/** Two packets in one datagram may not need a longer one than gets through nearly everywhere. */
const JOINED_BYTES_MAX = 1_400;

/** Packets for one destination. Those that lie one behind the other in memory are one piece. */
type Batch = {
  readonly to: Destination;
  /** Of all packets but the last, which may be shorter. */
  segmentBytes: number;
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
 * nothing. With `segmentation` what goes to one place is collected until `flush` and leaves in one call for each run of
 * equally long packets, cut by the kernel (UDP_SEGMENT); order is kept for each destination.
 */
export class DatagramSender {
  readonly #socket: Socket;
  readonly #counters: SendCounters;
  #segmentation: Segmentation | undefined;
  /** What the kernel cuts at now: it belongs to the socket, not to the call. */
  #cutBytes = 0;
  /** Longer packets go alone: links may not take them whole, and kernels cut only what fits. */
  #cutBytesMax: number;
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
    this.#cutBytes = 0;
    segmentation.set(0);
    segmentation.refused(code as string);
  };
  readonly #longSent = (error: Error | null): void => {
    if (error === null) return;
    this.#fault(error);
    this.#cutBytesMax = this.#segmentation?.segmentBytes ?? 0;
  };

  constructor(socket: Socket, counters: SendCounters, segmentation: Segmentation | undefined) {
    this.#socket = socket;
    this.#counters = counters;
    this.#segmentation = segmentation;
    this.#cutBytesMax = (segmentation?.segmentBytes ?? 0) + LONGER_BYTES;
  }

  send(bytes: Uint8Array, to: Destination): void {
    if (this.#segmentation === undefined) this.#one(bytes, to);
    else this.#collect(bytes, to);
  }

  /**
   * Sends a packet in the datagram that was collected last for this destination, if there is one that has room: who receives it is then
   * woken once for both. False: nothing has been done.
   */
  join(bytes: Uint8Array, to: Destination): boolean {
    const batch = this.#batches.get(to);
    if (batch === undefined || batch.packets === 0 || this.#segmentation === undefined) return false;
    const isAlone = batch.packets === 1;
    const last = batch.bytes - (batch.packets - 1) * batch.segmentBytes + bytes.length;
    const room = isAlone ? Math.min(this.#segmentation.segmentBytes, JOINED_BYTES_MAX) : batch.segmentBytes;
    if (last > room) return false;
    if (isAlone) batch.segmentBytes = last;
    extend(batch, bytes);
    batch.isClosed = true;
    this.#counters.packetsSent += 1;
    return true;
  }

  /** Lets everything leave that was collected. */
  flush(): void {
    if (this.#filled.length === 0) return;
    const filled = this.#filled;
    this.#filled = [];
    for (let i = 0; i < filled.length; i++) this.#leave(filled[i] as Batch);
    if (this.#batches.size > DESTINATIONS_MAX) this.#batches.clear();
  }

  /** Places for which a batch is kept, empty or not. */
  get destinations(): number {
    return this.#batches.size;
  }

  #collect(bytes: Uint8Array, to: Destination): void {
    let batch = this.#batches.get(to);
    if (batch === undefined) {
      const none = { segmentBytes: 0, buffer: bytes.buffer, start: 0, end: 0, packets: 0, bytes: 0, isClosed: false };
      batch = { to, pieces: [], ...none };
      this.#batches.set(to, batch);
    }
    const isFull = batch.packets === BATCH_PACKETS_MAX || batch.bytes + bytes.length > BATCH_BYTES_MAX;
    const isOther = batch.isClosed || isFull || bytes.length > batch.segmentBytes;
    if (batch.packets > 0 && isOther) this.#leave(batch);
    if (batch.packets === 0) {
      batch.segmentBytes = bytes.length;
      if (!this.#filled.includes(batch)) this.#filled.push(batch);
    }
    batch.packets += 1;
    // The kernel cuts at equal distances: behind a shorter packet nothing can follow.
    batch.isClosed = bytes.length < batch.segmentBytes;
    extend(batch, bytes);
    if (bytes.length > this.#cutBytesMax) this.#leave(batch);
  }

  #leave(batch: Batch): void {
    const { pieces, packets, bytes, segmentBytes, to } = batch;
    if (packets === 0) return;
    endPiece(batch);
    batch.pieces = [];
    batch.packets = 0;
    batch.bytes = 0;
    batch.isClosed = false;
    if (!this.#hasRoom(packets)) return;
    if (this.#cutAt(packets, segmentBytes)) {
      if (packets > 1) this.#counters.batchesSent += 1;
      const isLong = segmentBytes > (this.#segmentation?.segmentBytes ?? 0);
      const batchSent = isLong ? this.#longSent : this.#batchSent;
      const sent = packets > 1 ? batchSent : this.#sent;
      this.#hand(pieces.length === 1 ? (pieces[0] as Uint8Array) : pieces, bytes, to, sent);
    } else if (this.#cutBytes === 0 || segmentBytes <= this.#cutBytes) {
      for (const piece of pieces) {
        for (let at = 0; at < piece.length; at += segmentBytes) {
          const packet = piece.subarray(at, at + segmentBytes);
          this.#hand(packet, packet.length, to, this.#sent);
        }
      }
    } else {
      this.#counters.packetsSent -= packets;
      this.#counters.sendDropped += packets;
    }
  }

  #one(bytes: Uint8Array, to: Destination): void {
    if (this.#hasRoom(1)) this.#hand(bytes, bytes.length, to, this.#sent);
  }

  /** Has the kernel cut what is sent next as it has to be. False: it does not cut, or what it cuts at cannot be changed now. */
  #cutAt(packets: number, segmentBytes: number): boolean {
    if (this.#segmentation === undefined) return false;
    const isWhole = packets === 1 && segmentBytes > this.#cutBytes;
    const wanted = packets > 1 ? segmentBytes : isWhole ? 0 : this.#cutBytes;
    if (wanted === this.#cutBytes) return true;
    // What waits in the socket would be cut like this as well.
    if (this.#socket.getSendQueueCount() > 0) return false;
    this.#segmentation.set(wanted);
    this.#cutBytes = wanted;
    return true;
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

function extend(batch: Batch, bytes: Uint8Array): void {
  if (batch.end !== bytes.byteOffset || batch.buffer !== bytes.buffer) {
    endPiece(batch);
    batch.buffer = bytes.buffer;
    batch.start = bytes.byteOffset;
  }
  batch.end = bytes.byteOffset + bytes.length;
  batch.bytes += bytes.length;
}

function endPiece(batch: Batch): void {
  if (batch.end > batch.start) batch.pieces.push(new Uint8Array(batch.buffer, batch.start, batch.end - batch.start));
  batch.start = 0;
  batch.end = 0;
}
