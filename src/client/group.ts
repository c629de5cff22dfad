import type { EventQueue } from "./event-queue.ts";
import type { GroupEvent, View } from "./events.ts";
import type { GroupSendOptions, Payload, Receipt } from "./send.ts";

/** What a group asks of its connection. */
export interface GroupOwner {
  view(group: string): View | undefined;
  send(group: string, payload: Payload, options: GroupSendOptions): Promise<Receipt>;
  flush(group: string): void;
  leave(group: string): Promise<void>;
}

/**
 * A group that the connection is in. Iterating over it gives its messages, views, transitional signals and gaps in the one
 * order that all members share, beginning with the first view.
 *
 * The iteration ends after `left`, and throws a `GroupError` if the connection is lost for good. Leaving a loop does
 * not leave the group; a later loop goes on where the last one stopped.
 */
export class Group implements AsyncIterable<GroupEvent>, AsyncDisposable {
  readonly quality = "ordered";
  readonly #name: string;
  readonly #owner: GroupOwner;
  readonly #left: Promise<void>;
  #whenLeft: () => void = () => {};
  /** For the connection only. */
  readonly events: EventQueue<GroupEvent>;

  /** Made by `Connection.join`. */
  constructor(name: string, owner: GroupOwner, events: EventQueue<GroupEvent>) {
    this.#name = name;
    this.#owner = owner;
    this.events = events;
    this.#left = new Promise((resolve) => {
      this.#whenLeft = resolve;
    });
  }

  get name(): string {
    return this.#name;
  }

  /** The last view that was received, while this is a member; the stream may not have come to it yet. */
  get view(): View | undefined {
    return this.#owner.view(this.#name);
  }

  /** Resolves when this is no member any more, for whatever reason. */
  get left(): Promise<void> {
    return this.#left;
  }

  /**
   * Sends to the group. Resolves when the daemon has accepted the message; `delivered` of the result resolves when it
   * was delivered with its service's guarantee. Rejects with a `GroupError` (`BUSY`, `TOO_LARGE`, `CLOSED`,
   * `DISCONNECTED`, in flush mode `FLUSHING`) or the signal's reason.
   */
  send(payload: Payload, options: GroupSendOptions = {}): Promise<Receipt> {
    return this.#owner.send(this.#name, payload, options);
  }

  /**
   * Answers a `flushRequest`: nothing more is sent in this view. Throws a `GroupError` (`FLUSHING`) if none is open.
   */
  flush(): void {
    this.#owner.flush(this.#name);
  }

  /** Leaves. Resolves when the stream has its last event, `left`. Does nothing if it was left before. */
  async leave(): Promise<void> {
    await this.#owner.leave(this.#name);
  }

  /** The same as `leave`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave();
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<GroupEvent> {
    return this.events[Symbol.asyncIterator]();
  }

  /**
   * The same events, several at a time: all that wait, at least one. For programs that read so much that a promise for each event is
   * too much.
   */
  batches(): AsyncIterableIterator<readonly GroupEvent[]> {
    return this.events.batches();
  }

  /** For the connection only: nothing more comes. */
  end(error: Error | undefined): void {
    this.events.end(error);
    this.#whenLeft();
  }
}
