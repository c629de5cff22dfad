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

/** The queue's first capacity; it doubles when it is full. */
const CAPACITY_START = 256;

/**
 * Events, earliest first, and in the order of their queueing where times are equal.
 *
 * What is queued before the first one is taken is a plan, such as a schedule's thousands of messages: it is sorted once.
 * What comes later goes into a binary heap, which is small without the plan. The heap's times lie in an array of their own
 * beside the events: to order it takes many comparisons, and an event's `at` is one object away.
 */
export class EventQueue {
  #plan: SimEvent[] = [];
  /** The next one of the plan. */
  #planned: SimEvent | undefined;
  #plannedAt = 0;
  #hasBegun = false;
  readonly #heap: SimEvent[] = [];
  /** `#times[i]` is the time of `#heap[i]`. */
  #times = new Float64Array(CAPACITY_START);
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
    const planned = this.#plan.length - this.#plannedAt;
    return this.#heap.length + planned;
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
    if (!this.#hasBegun) {
      this.#plan.push(event);
      return;
    }
    const heap = this.#heap;
    let hole = heap.length;
    if (hole === this.#times.length) this.#grow();
    const times = this.#times;
    heap.push(event);
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      const above = times[parent] as number;
      // A new event has the greatest order, so equal times need no comparison of orders here.
      if (above <= at) break;
      heap[hole] = heap[parent] as SimEvent;
      times[hole] = above;
      hole = parent;
    }
    heap[hole] = event;
    times[hole] = at;
  }

  /** Takes the earliest event, if it is due by `limit`; the clock moves to its time. */
  pop(limit = Number.POSITIVE_INFINITY): SimEvent | undefined {
    if (!this.#hasBegun) this.#begin();
    const planned = this.#planned;
    const top = this.#heap[0];
    // Where times are equal the plan was there first.
    if (planned !== undefined && (top === undefined || planned.at <= (this.#times[0] as number))) {
      if (planned.at > limit) return undefined;
      this.#planned = this.#plan[++this.#plannedAt];
      if (this.#planned === undefined) this.#dropPlan();
      this.advance(planned.at);
      return planned;
    }
    if (top === undefined || (this.#times[0] as number) > limit) return undefined;
    this.advance(this.#times[0] as number);
    this.#removeTop();
    return top;
  }

  #begin(): void {
    this.#hasBegun = true;
    // The sort is stable: equal times stay in the order of their queueing.
    this.#plan.sort((a, b) => a.at - b.at);
    this.#planned = this.#plan[0];
  }

  #dropPlan(): void {
    this.#plan = [];
    this.#plannedAt = 0;
  }

  /** Fills the place of the heap's first event with its last one, and lets that sink. */
  #removeTop(): void {
    const heap = this.#heap;
    const times = this.#times;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    const size = heap.length;
    const at = times[size] as number;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= size) break;
      if (child + 1 < size && this.#isBefore(child + 1, child)) child++;
      const below = times[child] as number;
      if (below > at || (below === at && (heap[child] as SimEvent).order > last.order)) break;
      heap[hole] = heap[child] as SimEvent;
      times[hole] = below;
      hole = child;
    }
    heap[hole] = last;
    times[hole] = at;
  }

  #isBefore(a: number, b: number): boolean {
    const atA = this.#times[a] as number;
    const atB = this.#times[b] as number;
    return atA < atB || (atA === atB && (this.#heap[a] as SimEvent).order < (this.#heap[b] as SimEvent).order);
  }

  #grow(): void {
    const times = new Float64Array(2 * this.#times.length);
    times.set(this.#times);
    this.#times = times;
  }
}
