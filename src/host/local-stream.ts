import type { ByteStream, StreamListener } from "../client/byte-stream.ts";
import { type ClientStream, WRITE_HIGH_WATER_BYTES } from "./client-stream.ts";

/** So much of what the client has written is handed to the daemon at a time, so that a turn stays small. */
const HANDED_OVER_BYTES = 256 * 1024;
/** Bytes that may wait for the daemon before the client is asked to wait. */
const CLIENT_HIGH_WATER_BYTES = 1024 * 1024;

/** What the daemon is told of the client's end; never from within a call of either end. */
export interface LocalEvents {
  received(bytes: Uint8Array): void;
  drained(): void;
  /** Once. */
  closed(byPeer: boolean): void;
}

/**
 * A byte stream between a daemon and a client in its own thread. Both ends hand over what they write as it is, in an immediate of the event
 * loop: so neither works within the other's turn, and an error in the one is none in the other. It keeps to what sockets do: either end may
 * stop reading, and then the other is asked to wait; what was written before an end still arrives.
 */
export class LocalStream implements ClientStream {
  isDirty = false;
  isEnding = false;
  readonly #listener: StreamListener;
  readonly #events: LocalEvents;
  /** Written by the daemon: what it still gathers, and what it has handed over. */
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  readonly #toClient = new Bytes();
  readonly #toDaemon = new Bytes();
  #isClientPaused = false;
  #isDaemonPaused = false;
  #daemonWaits = false;
  #clientWaits = false;
  /** Which end has said that nothing more comes. */
  #ending: "daemon" | "client" | undefined;
  #isClosed = false;
  #isScheduled = false;

  constructor(listener: StreamListener, events: LocalEvents) {
    this.#listener = listener;
    this.#events = events;
    setImmediate(() => {
      if (!this.#isClosed) listener.opened();
    });
  }

  /** The client's end. */
  readonly clientEnd: ByteStream = {
    write: (bytes) => this.#writeToDaemon(bytes),
    pause: () => {
      this.#isClientPaused = true;
    },
    resume: () => {
      this.#isClientPaused = false;
      this.#schedule();
    },
    end: () => {
      this.#ending ??= "client";
      // As with a socket, reading goes on to the other side's end.
      this.#isClientPaused = false;
      this.#schedule();
    },
    destroy: () => this.#close(true),
  };

  get gathered(): number {
    return this.#gatheredBytes;
  }

  get buffered(): number {
    return this.#gatheredBytes + this.#toClient.length;
  }

  write(bytes: Uint8Array): boolean {
    this.#gathered.push(bytes);
    this.#gatheredBytes += bytes.length;
    if (this.buffered <= WRITE_HIGH_WATER_BYTES) return true;
    this.#daemonWaits = true;
    return false;
  }

  flush(): void {
    for (const bytes of this.#gathered) this.#toClient.push(bytes);
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#schedule();
  }

  pause(): void {
    this.#isDaemonPaused = true;
  }

  resume(): void {
    this.#isDaemonPaused = false;
    this.#schedule();
  }

  end(): void {
    this.flush();
    this.isEnding = true;
    this.#ending ??= "daemon";
    // Whoever does not read is not waited for: there is no kernel that would keep it.
    this.#isClientPaused = false;
  }

  finish(): void {
    this.end();
  }

  drop(): void {
    this.#close(false);
  }

  #writeToDaemon(bytes: Uint8Array): boolean {
    if (this.#isClosed || this.#ending !== undefined) return false;
    this.#toDaemon.push(bytes);
    this.#schedule();
    if (this.#toDaemon.length < CLIENT_HIGH_WATER_BYTES) return true;
    this.#clientWaits = true;
    return false;
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#carry();
    });
  }

  /** Takes what waits to either side. */
  #carry(): void {
    this.#carryToDaemon();
    this.#carryToClient();
    if (this.#isClosed) return;
    if (this.#ending === "client" && this.#toDaemon.length === 0) this.#close(true);
    else if (this.#ending === "daemon" && this.#toClient.length === 0) this.#close(false);
    else if (this.#mayGoOn) this.#schedule();
  }

  get #mayGoOn(): boolean {
    const toDaemon = this.#toDaemon.length > 0 && !this.#isDaemonPaused;
    return toDaemon || (this.#toClient.length > 0 && !this.#isClientPaused);
  }

  #carryToDaemon(): void {
    for (let left = HANDED_OVER_BYTES; left > 0 && !this.#isDaemonPaused && !this.#isClosed; ) {
      const bytes = this.#toDaemon.shift();
      if (bytes === undefined) break;
      left -= bytes.length;
      this.#events.received(bytes);
    }
    if (!this.#clientWaits || this.#isClosed || this.#toDaemon.length > CLIENT_HIGH_WATER_BYTES / 2) return;
    this.#clientWaits = false;
    this.#listener.drained();
  }

  #carryToClient(): void {
    while (!this.#isClientPaused && !this.#isClosed) {
      const bytes = this.#toClient.shift();
      if (bytes === undefined) break;
      this.#listener.data(bytes);
    }
    if (!this.#daemonWaits || this.#isClosed || this.buffered > WRITE_HIGH_WATER_BYTES / 2) return;
    this.#daemonWaits = false;
    this.#events.drained();
  }

  #close(byPeer: boolean): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.isEnding = true;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    // What the client has written before it turned away has arrived, as with a socket.
    const rest = byPeer ? this.#toDaemon.takeAll() : [];
    this.#toClient.takeAll();
    setImmediate(() => {
      for (const bytes of rest) this.#events.received(bytes);
      this.#events.closed(byPeer);
      this.#listener.closed(undefined);
    });
  }
}

/** Bytes in order, in the pieces in which they were written. */
class Bytes {
  #pieces: Uint8Array[] = [];
  #head = 0;
  length = 0;

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#pieces.push(bytes);
    this.length += bytes.length;
  }

  shift(): Uint8Array | undefined {
    const bytes = this.#pieces[this.#head];
    if (bytes === undefined) return undefined;
    this.#head++;
    this.length -= bytes.length;
    if (this.#head === this.#pieces.length) {
      this.#pieces = [];
      this.#head = 0;
    }
    return bytes;
  }

  takeAll(): Uint8Array[] {
    const pieces = this.#pieces.slice(this.#head);
    this.#pieces = [];
    this.#head = 0;
    this.length = 0;
    return pieces;
  }
}
