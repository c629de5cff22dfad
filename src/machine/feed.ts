/**
 * The pull contract (protocols.md A52, A53): whoever has something to send registers as a feed; the sink asks for bytes
 * when it can send them. What a feed encodes is thus fresh, and nothing is built before it can leave.
 */
export interface Feed {
  /**
   * Appends up to `itemsMax` items of together at most `bytesMax` bytes to `out`; `true` if more is left. An item that
   * alone exceeds `bytesMax` stays for a greater pull.
   */
  pull(itemsMax: number, bytesMax: number, out: Uint8Array[]): boolean;
}

export interface Sink {
  /** Has the feed pulled until it says that nothing is left. Registering it again meanwhile changes nothing. */
  register(feed: Feed): void;
}

/**
 * Feeds that share one way out: a sink for them, and itself a feed for the sink below. Within a class they are
 * pulled in turn; a feed with nothing left is dropped. Lower classes are pulled first (A54: token, repair, data).
 */
export class FeedScheduler implements Feed {
  readonly #classes: Feed[][];
  readonly #registered = new Set<Feed>();
  readonly #ready: () => void;

  /** `ready` is called when the scheduler, until then empty, has something to send: time to register it below. */
  constructor(classes: number, ready: () => void) {
    this.#classes = Array.from({ length: classes }, () => []);
    this.#ready = ready;
  }

  /** Feeds that wait to be pulled. */
  get size(): number {
    return this.#registered.size;
  }

  /** The sink for feeds of a class; 0 is the most urgent. */
  sink(feedClass: number): Sink {
    return { register: (feed) => this.#register(feed, feedClass) };
  }

  pull(itemsMax: number, bytesMax: number, out: Uint8Array[]): boolean {
    let items = itemsMax;
    let bytes = bytesMax;
    for (const feeds of this.#classes) {
      // Each is asked for one item at a time. A feed whose next item does not fit must not hold up the others.
      let blocked = 0;
      while (items > 0 && bytes > 0 && blocked < feeds.length) {
        const feed = feeds.shift();
        if (feed === undefined) break;
        const before = out.length;
        const more = feed.pull(1, bytes, out);
        for (let i = before; i < out.length; i++) bytes -= out[i]?.length ?? 0;
        items -= out.length - before;
        blocked = out.length === before ? blocked + 1 : 0;
        if (more) feeds.push(feed);
        else this.#registered.delete(feed);
      }
      // What is urgent and does not fit now goes first next time, before anything that is less so.
      if (feeds.length > 0) break;
    }
    return this.#registered.size > 0;
  }

  #register(feed: Feed, feedClass: number): void {
    if (this.#registered.has(feed)) return;
    const wasEmpty = this.#registered.size === 0;
    this.#registered.add(feed);
    this.#classes[feedClass]?.push(feed);
    if (wasEmpty) this.#ready();
  }
}
