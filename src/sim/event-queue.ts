/** Who is told when a simulated event is due. */
export interface EventTarget {
  fire(event: SimEvent): void;
}

/**
 * Something that will happen at a simulated time. All events have one shape, so that the queue stays monomorphic and
 * a datagram costs one small object; what `what`, `bytes` and `value` mean is the target's affair.
 */
export type SimEvent = {
  readonly at: number;
  /** Position among all events ever queued: breaks ties of time, so that a seed replays exactly. */
  readonly order: number;
  readonly target: EventTarget;
  readonly what: number;
  readonly value: number;
  readonly bytes: Uint8Array | undefined;
  readonly action: ((now: number) => void) | undefined;
};

/** A binary heap of events, earliest first, and in the order of their queueing where times are equal. */
export class EventQueue {
  readonly #heap: SimEvent[] = [];
  #queued = 0;
  #now = 0;

  /** The simulated time, in ms: that of the last event taken, or what `advance` said. */
  get now(): number {
    return this.#now;
  }

  /** Moves the clock on when nothing happens until then. */
  advance(to: number): void {
    if (to > this.#now) this.#now = to;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** The earliest event, left in the queue. */
  get first(): SimEvent | undefined {
    return this.#heap[0];
  }

  push(
    at: number,
    target: EventTarget,
    what: number,
    value = 0,
    bytes?: Uint8Array,
    action?: (now: number) => void,
  ): void {
    const event: SimEvent = { at, order: this.#queued++, target, what, value, bytes, action };
    const heap = this.#heap;
    let hole = heap.length;
    heap.push(event);
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      const above = heap[parent] as SimEvent;
      // A new event has the greatest order, so equal times need no comparison of orders here.
      if (above.at <= at) break;
      heap[hole] = above;
      hole = parent;
    }
    heap[hole] = event;
  }

  /** Takes the earliest event; the clock moves to its time. */
  pop(): SimEvent | undefined {
    const heap = this.#heap;
    const first = heap[0];
    if (first !== undefined) this.advance(first.at);
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    const size = heap.length;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= size) break;
      let below = heap[child] as SimEvent;
      const right = heap[child + 1];
      if (right !== undefined && isBefore(right, below)) {
        below = right;
        child++;
      }
      if (!isBefore(below, last)) break;
      heap[hole] = below;
      hole = child;
    }
    heap[hole] = last;
    return first;
  }
}

function isBefore(a: SimEvent, b: SimEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
