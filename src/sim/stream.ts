import type { EventQueue, EventTarget, SimEvent } from "./event-queue.ts";

/** What the user of a stream's end is told. */
export interface StreamUser {
  /** Bytes in order; the pieces need not be those that were written. They are given away. */
  data(bytes: Uint8Array, now: number): void;
  /** What was written has left: there is room again after `write` returned false. */
  drained(now: number): void;
  /** The other side ended or was lost: nothing more comes and nothing can be written. Told once. */
  closed(now: number): void;
}

/** One end of a connection between two simulated nodes: reliable and in order while it lasts. */
export interface StreamEnd {
  /** Who is told; until it is set, bytes wait. */
  user: StreamUser | undefined;
  /** Sends bytes, which are given away. False: the peer is slow, wait for `drained`. */
  write(bytes: Uint8Array): boolean;
  /** Stops reading: the peer's writes back up. */
  pause(): void;
  resume(): void;
  /** Sends what was written, then ends. */
  end(): void;
}

/** What a stream asks of the world around it. */
export interface StreamWorld {
  readonly events: EventQueue;
  /** One-way delay between the nodes now, in ms. */
  delay(from: number, to: number): number;
  readonly bytesPerMs: number;
  passes(from: number, to: number): boolean;
  /** Runs in the node's loop when it is free, if the incarnation still lives. */
  runOn(node: number, incarnation: number, action: (now: number) => void): void;
  /** For how long a cut link is retried before the connection breaks, in ms. */
  readonly streamTimeoutMs: number;
}

const ARRIVE = 0;
const RETRY = 1;
/** Unread and unsent bytes together beyond which a writer is asked to wait. */
const WINDOW_BYTES = 256 * 1024;
const RETRY_MS = 20;

/** One direction's sender and the reader of the other direction. */
class End implements StreamEnd, EventTarget {
  peer: End | undefined;
  closed = false;
  /** When the last piece sent to this end arrives. */
  lastArrival = 0;
  readonly node: number;
  readonly incarnation: number;
  readonly #world: StreamWorld;
  #user: StreamUser | undefined;
  #paused = false;
  #ending = false;
  #told = false;
  #drainWanted = false;
  #inFlightBytes = 0;
  #lineFree = 0;
  #cutSince = -1;
  #retrying = false;
  readonly #outgoing: (Uint8Array | "end")[] = [];
  readonly #arrived: (Uint8Array | "end")[] = [];

  constructor(world: StreamWorld, node: number, incarnation: number) {
    this.#world = world;
    this.node = node;
    this.incarnation = incarnation;
  }

  get user(): StreamUser | undefined {
    return this.#user;
  }

  set user(user: StreamUser | undefined) {
    this.#user = user;
    this.#wake();
  }

  write(bytes: Uint8Array): boolean {
    if (this.closed || this.#ending) return false;
    this.#inFlightBytes += bytes.length;
    this.#outgoing.push(bytes);
    this.#send();
    if (this.#inFlightBytes <= WINDOW_BYTES) return true;
    this.#drainWanted = true;
    return false;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#wake();
  }

  end(): void {
    if (this.closed || this.#ending) return;
    this.#ending = true;
    this.#outgoing.push("end");
    this.#send();
  }

  /** The connection is gone for this side: its user is told once its node is free. */
  break(): void {
    if (this.closed) return;
    this.closed = true;
    this.#outgoing.length = 0;
    this.#wake();
  }

  fire(event: SimEvent): void {
    if (event.what === RETRY) {
      this.#retrying = false;
      this.#send();
      return;
    }
    if (this.closed) return;
    this.#arrived.push(event.bytes ?? "end");
    this.#wake();
  }

  #send(): void {
    const { peer } = this;
    if (peer === undefined || this.closed || this.#retrying) return;
    const { events } = this.#world;
    const now = events.now;
    if (!this.#world.passes(this.node, peer.node) || !this.#world.passes(peer.node, this.node)) {
      if (this.#cutSince < 0) this.#cutSince = now;
      if (now - this.#cutSince >= this.#world.streamTimeoutMs) {
        this.break();
        peer.break();
        return;
      }
      this.#retrying = true;
      events.push(now + RETRY_MS, this, RETRY);
      return;
    }
    this.#cutSince = -1;
    for (const piece of this.#outgoing) {
      const bytes = piece === "end" ? undefined : piece;
      const left = Math.max(now, this.#lineFree) + (bytes?.length ?? 0) / this.#world.bytesPerMs;
      // Delays may shrink, but a stream keeps its order.
      this.#lineFree = left;
      const at = Math.max(peer.lastArrival, left + this.#world.delay(this.node, peer.node));
      peer.lastArrival = at;
      events.push(at, peer, ARRIVE, 0, bytes);
    }
    this.#outgoing.length = 0;
  }

  #wake(): void {
    this.#world.runOn(this.node, this.incarnation, this.#read);
  }

  readonly #read = (now: number): void => {
    const user = this.#user;
    if (user === undefined || this.#told) return;
    while (this.#arrived.length > 0 && !this.#paused) {
      const piece = this.#arrived.shift();
      if (piece === undefined) break;
      if (piece === "end") {
        this.closed = true;
        this.peer?.break();
        break;
      }
      this.peer?.consumed(piece.length);
      user.data(piece, now);
    }
    if (this.closed && !this.#paused) {
      this.#told = true;
      user.closed(now);
    }
  };

  /** The peer's user has read so many bytes of what was written here. */
  consumed(bytes: number): void {
    this.#inFlightBytes -= bytes;
    if (!this.#drainWanted || this.#inFlightBytes > WINDOW_BYTES / 2) return;
    this.#drainWanted = false;
    this.#world.runOn(this.node, this.incarnation, (now) => {
      if (!this.closed) this.#user?.drained(now);
    });
  }
}

/** A connection between two nodes' incarnations. */
export class Connection {
  readonly client: StreamEnd;
  readonly server: StreamEnd;
  readonly #ends: readonly [End, End];

  constructor(
    world: StreamWorld,
    client: number,
    clientIncarnation: number,
    server: number,
    serverIncarnation: number,
  ) {
    const a = new End(world, client, clientIncarnation);
    const b = new End(world, server, serverIncarnation);
    a.peer = b;
    b.peer = a;
    this.client = a;
    this.server = b;
    this.#ends = [a, b];
  }

  /** Whether an end is on the node. */
  touches(node: number): boolean {
    return this.#ends[0].node === node || this.#ends[1].node === node;
  }

  get closed(): boolean {
    return this.#ends[0].closed && this.#ends[1].closed;
  }

  /** A node crashed: both sides find the connection closed. */
  break(): void {
    for (const end of this.#ends) end.break();
  }
}
