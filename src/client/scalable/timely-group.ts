import type { TimelyGroupStatistics } from "../../ricochet/statistics.ts";
import type { Repairs } from "../../wire/timely/repairs.ts";
import type { EventQueue } from "../event-queue.ts";
import type { NodeGroupEvent, TimelyEvent, View } from "../events.ts";
import type { Payload } from "../send.ts";
import type { ScalableSendOptions } from "./group.ts";

/** What a timely group asks of its connection. */
export interface TimelyGroupOwner {
  readonly view: View | undefined;
  readonly repairs: Repairs;
  readonly order: "total" | undefined;
  readonly statistics: TimelyGroupStatistics | undefined;
  send(payload: Payload, options: ScalableSendOptions): Promise<unknown>;
  leave(): Promise<void>;
}

/**
 * A timely group that the connection is in: a message is delivered as soon as it is here, in no order, and what is lost is rebuilt within
 * milliseconds from what other members send around (docs/protocols/timely.md). Iterating over it gives views, messages, each at most once, and
 * whatever else its members are told, beginning with the first view. `Event`: of a totally ordered group it is `OrderedTimelyEvent`.
 *
 * The iteration ends after `left`, and throws a `GroupError` if the connection is lost for good or the group was left because this program
 * reads too slowly (`EXPELLED`). Leaving a loop does not leave the group; a later loop goes on where the last one stopped.
 */
export class TimelyGroup<Event extends NodeGroupEvent = TimelyEvent> implements AsyncIterable<Event>, AsyncDisposable {
  readonly quality = "timely";
  readonly name: string;
  /** Resolves when this is no member any more, for whatever reason. */
  readonly left: Promise<void>;
  readonly #owner: TimelyGroupOwner;
  readonly #events: EventQueue<Event>;

  /** Made by `Connection.join`. */
  constructor(name: string, owner: TimelyGroupOwner, events: EventQueue<Event>, left: Promise<void>) {
    this.name = name;
    this.left = left;
    this.#owner = owner;
    this.#events = events;
  }

  /** The last view that was received, while this is a member; the stream may not have come to it yet. */
  get view(): View | undefined {
    return this.#owner.view;
  }

  /** How members repair each other: a fact of the group. */
  get repairs(): Repairs {
    return this.#owner.repairs;
  }

  /** What this member has counted, while it is one: how packets came, and how long missing ones were waited for. */
  get statistics(): TimelyGroupStatistics | undefined {
    return this.#owner.statistics;
  }

  /** Whether its messages are totally ordered. */
  get order(): "total" | undefined {
    return this.#owner.order;
  }

  /**
   * Sends to all members, in one datagram. Resolves when it is on its way; whether it has come nobody says. It waits only while the network takes
   * nothing; in a totally ordered group also while too many of this member's messages are not known to be everywhere. Rejects with a `GroupError` (`BUSY`, `TOO_LARGE`, `CLOSED`, `DISCONNECTED`) or the signal's reason.
   */
  async send(payload: Payload, options: ScalableSendOptions = {}): Promise<void> {
    await this.#owner.send(payload, options);
  }

  /**
   * Leaves, half a second after what was sent last, which members may have to ask for. Resolves when the stream has its last event, `left`.
   * Does nothing if it was left before.
   */
  async leave(): Promise<void> {
    await this.#owner.leave();
  }

  /** The same as `leave`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave();
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Event> {
    return this.#events[Symbol.asyncIterator]();
  }

  /** The same events, several at a time, as `Group.batches`. */
  batches(): AsyncIterableIterator<readonly Event[]> {
    return this.#events.batches();
  }
}
