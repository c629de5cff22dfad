/** What a queue tells its owner, who keeps the count of what waits in all queues. */
export interface QueueListener<Event> {
  /** The event waits to be taken. */
  queued(event: Event): void;
  /** It waited and was taken. */
  taken(event: Event): void;
  /** It waited and was forgotten, or is still there at the end of the queue: then it may be read later, and nobody is told. */
  dropped(event: Event): void;
  /** An event was taken without having waited. */
  handedOver(event: Event): void;
}

type Reader<Event> = {
  readonly resolve: (result: IteratorResult<Event>) => void;
  readonly reject: (error: Error) => void;
};

/** Of an event that came with no delivery of the daemon: it is none of the daemon's business when it is read. */
export const NO_DELIVERY = Number.POSITIVE_INFINITY;

/**
 * Events waiting for the program. It never refuses one: its owner stops reading from the daemon when too much waits.
 * Each entry remembers the delivery that it came with, so that the daemon can be told what has been consumed.
 */
export class EventQueue<Event> implements AsyncIterableIterator<Event> {
  readonly #listener: QueueListener<Event>;
  #events: (Event | undefined)[] = [];
  #deliveries: number[] = [];
  #head = 0;
  /** Between this and the head no event has a delivery. */
  #oldest = 0;
  #readers: Reader<Event>[] = [];
  #ended = false;
  #error: Error | undefined;
  #muted = false;
  #iterated = false;

  constructor(listener: QueueListener<Event>) {
    this.#listener = listener;
  }

  /** Whether the program has begun to read. */
  get isIterated(): boolean {
    return this.#iterated;
  }

  /** The delivery number of the oldest event that waits and has one; 0 counts as the first of its session. */
  get oldestDelivery(): number | undefined {
    let at = Math.max(this.#head, this.#oldest);
    while (this.#deliveries[at] === NO_DELIVERY) at++;
    this.#oldest = at;
    return this.#deliveries[at];
  }

  push(event: Event, delivery: number): void {
    if (this.#ended || this.#muted) return;
    const reader = this.#readers.shift();
    if (reader) {
      reader.resolve({ value: event, done: false });
      return this.#listener.handedOver(event);
    }
    this.#events.push(event);
    this.#deliveries.push(Math.max(delivery, 1));
    this.#listener.queued(event);
  }

  /** Forgets the newest event that waits, if it is such: something newer says all that it would. */
  forgetLast(isSuch: (event: Event) => boolean): void {
    const last = this.#events.at(-1);
    if (this.#ended || last === undefined || !isSuch(last)) return;
    this.#events.pop();
    this.#deliveries.pop();
    if (this.#head === this.#events.length) this.#clear();
    this.#oldest = Math.min(this.#oldest, this.#events.length);
    this.#listener.dropped(last);
  }

  /** Forgets what waits and keeps nothing more until the program begins to read. */
  mute(): void {
    this.#muted = true;
    this.forget();
  }

  /** Forgets what waits. */
  forget(): void {
    const forgotten = this.#events.slice(this.#head) as Event[];
    this.#clear();
    if (!this.#ended) for (const event of forgotten) this.#listener.dropped(event);
  }

  /** Another session has begun, whose delivery numbers begin anew: none of its deliveries is consumed before what waits. */
  forgetDeliveries(): void {
    this.#deliveries = this.#deliveries.map((delivery) => (delivery === NO_DELIVERY ? NO_DELIVERY : 1));
  }

  /**
   * Nothing more comes. What waits can still be read, or never is: for nobody else's sake. Then the iteration ends, or throws `error`
   * once.
   */
  end(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    for (let i = this.#head; i < this.#events.length; i++) this.#listener.dropped(this.#events[i] as Event);
    const readers = this.#readers;
    this.#readers = [];
    for (const reader of readers) {
      if (this.#error) reader.reject(this.#error);
      else reader.resolve({ value: undefined, done: true });
      this.#error = undefined;
    }
  }

  /** Not an `async` function, which would cost a second promise for each event. */
  next(): Promise<IteratorResult<Event>> {
    this.#iterated = true;
    this.#muted = false;
    if (this.#head < this.#events.length) return Promise.resolve({ value: this.#take(), done: false });
    if (this.#error) {
      const error = this.#error;
      this.#error = undefined;
      return Promise.reject(error);
    }
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  /** All that waits, at least one event, in one array; none when nothing more comes. Throws like `next`. */
  batches(): AsyncIterableIterator<readonly Event[]> {
    this.#iterated = true;
    this.#muted = false;
    return this.#batches();
  }

  async *#batches(): AsyncGenerator<readonly Event[], void, undefined> {
    for (;;) {
      const first = await this.next();
      if (first.done === true) return;
      const batch = [first.value];
      while (this.#head < this.#events.length) batch.push(this.#take());
      yield batch;
    }
  }

  /** Leaving a loop does not end the queue: a later loop goes on where this one stopped. */
  async return(): Promise<IteratorResult<Event>> {
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    this.#iterated = true;
    this.#muted = false;
    return this;
  }

  #take(): Event {
    const event = this.#events[this.#head] as Event;
    this.#events[this.#head] = undefined;
    this.#head++;
    if (this.#head === this.#events.length) {
      this.#clear();
    } else if (this.#head >= 4_096 && this.#head * 2 >= this.#events.length) {
      this.#events.splice(0, this.#head);
      this.#deliveries.splice(0, this.#head);
      this.#oldest = Math.max(0, this.#oldest - this.#head);
      this.#head = 0;
    }
    if (!this.#ended) this.#listener.taken(event);
    return event;
  }

  #clear(): void {
    this.#events = [];
    this.#deliveries = [];
    this.#head = 0;
    this.#oldest = 0;
  }
}
