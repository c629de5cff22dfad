import type { WaitCounter } from "./delivery-wait.ts";
import { EventQueue } from "./event-queue.ts";
import type { ConnectionEvent } from "./events.ts";

/** What the gate asks of its connection. */
export interface ReadGateHost {
  pause(): void;
  resume(): void;
  /** The program has consumed, or will never consume, an event of about so many bytes. */
  consumed(bytes: number): void;
  /** The program begins to wait for a delivery. */
  awaited(): void;
  /** Whether reading may be stopped: a native daemon stops by itself when nothing is acknowledged. */
  mayStop(): boolean;
}

/** What an event costs besides its payload, about. */
const EVENT_BYTES = 128;

/**
 * Back-pressure from the program to the daemon: counts what waits to be read, in all queues of a connection, and stops
 * reading when it is too much, until half of it is read.
 *
 * A native daemon needs no such signal, since it writes no more than a window ahead of what is acknowledged. Here it is only
 * known whether the program waits for a delivery, which may be behind that window.
 *
 * Not while the program itself waits for the daemon: then the answer is behind what is not read yet, and who waits within
 * the loop that reads would wait for ever.
 */
export class ReadGate implements WaitCounter {
  readonly #host: ReadGateHost;
  readonly #eventsMax: number;
  readonly #bytesMax: number;
  #events = 0;
  #bytes = 0;
  #waits = 0;
  #deliveryWaits = 0;
  #paused = false;

  constructor(limits: { readonly eventsMax: number; readonly eventBytesMax: number }, host: ReadGateHost) {
    this.#eventsMax = limits.eventsMax;
    this.#bytesMax = limits.eventBytesMax;
    this.#host = host;
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  /** Whether the program waits for a delivery. */
  get awaitsDelivery(): boolean {
    return this.#deliveryWaits > 0;
  }

  /** A queue whose content counts here; `counted` is told of each event that begins to wait, and that does not any more. */
  queue<Event extends ConnectionEvent>(counted: (event: Event, by: 1 | -1) => void = () => {}): EventQueue<Event> {
    const gone = (event: Event): void => {
      this.#count(event, -1);
      counted(event, -1);
      if (this.#events * 2 <= this.#eventsMax && this.#bytes * 2 <= this.#bytesMax) this.open();
      this.#host.consumed(bytesOf(event));
    };
    return new EventQueue<Event>({
      queued: (event) => {
        this.#count(event, 1);
        counted(event, 1);
      },
      dropped: gone,
      taken: gone,
      handedOver: (event) => this.#host.consumed(bytesOf(event)),
    });
  }

  begin(): void {
    this.#waits++;
    this.open();
  }

  finish(): void {
    this.#waits--;
  }

  /** The program waits for something that comes as a delivery, behind all others. */
  beginDelivery(): void {
    this.begin();
    if (this.#deliveryWaits++ === 0) this.#host.awaited();
  }

  finishDelivery(): void {
    this.finish();
    this.#deliveryWaits--;
  }

  /** Stops reading if too much waits. */
  check(): void {
    if (this.#paused || this.#waits > 0 || !this.#host.mayStop()) return;
    if (this.#events < this.#eventsMax && this.#bytes < this.#bytesMax) return;
    this.#paused = true;
    this.#host.pause();
  }

  /** Reads again, if it was stopped. */
  open(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#host.resume();
  }

  /** There is another stream, which is being read. */
  reset(): void {
    this.#paused = false;
  }

  #count(event: ConnectionEvent, by: 1 | -1): void {
    this.#events += by;
    if (event.kind === "message") this.#bytes += by * event.payload.length;
  }
}

function bytesOf(event: ConnectionEvent): number {
  return event.kind === "message" ? EVENT_BYTES + event.payload.length : EVENT_BYTES;
}
