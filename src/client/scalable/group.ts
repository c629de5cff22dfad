import type { EventQueue } from "../event-queue.ts";
import type { ScalableEvent, View } from "../events.ts";
import type { Payload, Receipt } from "../send.ts";

/** How a message is sent to a scalable group. */
export type ScalableSendOptions = {
  /** Gives up waiting; a message that the node has taken is sent. */
  readonly signal?: AbortSignal;
};

/** What only ordered groups have. */
const ORDERED_OPTIONS = ["service", "type", "selfDiscard", "alsoTo", "onlyTo"];

/** Throws a `RangeError` that names what a message to the group cannot have: whoever asks for it would be sent something else than they think. */
export function checkSendOptions(group: string, options: Readonly<Record<string, unknown>>): void {
  const unfit = ORDERED_OPTIONS.find((name) => options[name] !== undefined);
  if (unfit !== undefined) throw new RangeError(`${unfit}: not in a scalable or timely group such as ${group}`);
}

/** What a scalable group asks of its connection. */
export interface ScalableGroupOwner {
  readonly view: View | undefined;
  send(payload: Payload, options: ScalableSendOptions): Promise<Receipt>;
  leave(): Promise<void>;
}

/**
 * A scalable group that the connection is in: its members multicast straight to each other. Iterating over it gives its views, messages
 * (of each sender in the order in which it sent them, but in no order between senders) and whatever else its members are told, beginning
 * with the first view.
 *
 * The iteration ends after `left`, and throws a `GroupError` if the connection is lost for good or the group was left because this program
 * reads too slowly (`EXPELLED`). Leaving a loop does not leave the group; a later loop goes on where the last one stopped.
 */
export class ScalableGroup implements AsyncIterable<ScalableEvent>, AsyncDisposable {
  readonly quality = "scalable";
  readonly name: string;
  /** Resolves when this is no member any more, for whatever reason. */
  readonly left: Promise<void>;
  readonly #owner: ScalableGroupOwner;
  readonly #events: EventQueue<ScalableEvent>;

  /** Made by `Connection.join`. */
  constructor(name: string, owner: ScalableGroupOwner, events: EventQueue<ScalableEvent>, left: Promise<void>) {
    this.name = name;
    this.left = left;
    this.#owner = owner;
    this.#events = events;
  }

  /** The last view that was received, while this is a member; the stream may not have come to it yet. */
  get view(): View | undefined {
    return this.#owner.view;
  }

  /**
   * Sends to all members. Resolves when the message is on its way: it waits while more than a window of what was sent is not known to be
   * everywhere. `delivered` of the result resolves when all members of the group's view that have not failed have it. Rejects with a
   * `GroupError` (`BUSY`, `TOO_LARGE`, `CLOSED`, `DISCONNECTED`, `EXPELLED` if this is out of the group unasked) or the signal's reason; `delivered`
   * with `EXPELLED` if the node was declared failed before that was known.
   */
  send(payload: Payload, options: ScalableSendOptions = {}): Promise<Receipt> {
    return this.#owner.send(payload, options);
  }

  /** Leaves, behind what was sent before; nothing more is taken. Resolves when the stream has its last event, `left`. Does nothing if it was left before. */
  async leave(): Promise<void> {
    await this.#owner.leave();
  }

  /** The same as `leave`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave();
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<ScalableEvent> {
    return this.#events[Symbol.asyncIterator]();
  }

  /** The same events, several at a time, as `Group.batches`. */
  batches(): AsyncIterableIterator<readonly ScalableEvent[]> {
    return this.#events.batches();
  }
}
