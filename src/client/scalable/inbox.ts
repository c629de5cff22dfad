import { EventQueue } from "../event-queue.ts";
import type { Gap, NodeGroupEvent, Message } from "../events.ts";

export type SlowPolicy = "wait" | "drop" | "expel";

/** What an inbox asks of its membership. */
export interface InboxHost {
  /** For the streams: of the group, and of the connection. */
  tell(event: NodeGroupEvent): void;
  /** Too much waits, and the policy is that senders wait; or they need not any more. */
  hold(isHeld: boolean): void;
  /** Too much waits, and the policy is to leave. */
  expel(): void;
}

export type InboxLimits = { readonly waitingMax: number; readonly waitingBytesMax: number };

/**
 * Messages of a group on their way to the program, with a bound on what waits to be read. Beyond it the group's policy applies, until half of
 * that is read: senders are made to wait (what they have sent until they do still comes), or messages are dropped and a gap says
 * which, or the group is left.
 */
export class Inbox {
  readonly events: EventQueue<NodeGroupEvent>;
  /** Fixed by the first join that named one; until then as the group's quality has it. */
  policy: SlowPolicy;
  readonly #group: string;
  readonly #limits: InboxLimits;
  readonly #host: InboxHost;
  #waiting = 0;
  #bytes = 0;
  #isOver = false;
  #isHeld = false;
  /** Dropped since the last gap, by sender. */
  #missed = new Map<string, number>();

  constructor(group: string, policy: SlowPolicy, limits: InboxLimits, host: InboxHost) {
    this.policy = policy;
    this.#group = group;
    this.#limits = limits;
    this.#host = host;
    const counted = (by: 1 | -1) => (event: NodeGroupEvent) => event.kind === "message" && this.counted(event, by);
    this.events = new EventQueue<NodeGroupEvent>({
      queued: counted(1),
      taken: counted(-1),
      dropped: counted(-1),
      handedOver: () => {},
    });
  }

  /** Delivers a message. */
  message(event: Message): void {
    if (this.#isOver && this.policy === "drop") {
      this.#missed.set(event.sender, (this.#missed.get(event.sender) ?? 0) + 1);
      return;
    }
    this.#host.tell(event);
    const { waitingMax, waitingBytesMax } = this.#limits;
    if (this.#isOver || (this.#waiting <= waitingMax && this.#bytes <= waitingBytesMax)) return;
    this.#isOver = true;
    if (this.policy === "expel") this.#host.expel();
    else if (this.policy === "wait") this.#hold(true);
  }

  /** One of the group's messages begins to wait for the program in a stream, or does not any more. */
  counted({ payload }: Message, by: 1 | -1): void {
    this.#waiting += by;
    this.#bytes += by * payload.length;
    const { waitingMax, waitingBytesMax } = this.#limits;
    if (!this.#isOver || this.#waiting * 2 > waitingMax || this.#bytes * 2 > waitingBytesMax) return;
    this.#isOver = false;
    this.tellMissed();
    this.#hold(false);
  }

  /** The gap that has come about, at its place. */
  tellMissed(): void {
    if (this.#missed.size === 0) return;
    const senders = Object.fromEntries(this.#missed);
    this.#missed = new Map();
    const count = Object.values(senders).reduce((sum, one) => sum + one, 0);
    const gap: Gap = { kind: "gap", group: this.#group, reason: "slow", count, senders };
    this.#host.tell(gap);
  }

  /** Nothing more comes: what waits can still be read. */
  close(): void {
    this.tellMissed();
    this.#hold(false);
  }

  #hold(isHeld: boolean): void {
    if (this.#isHeld === isHeld) return;
    this.#isHeld = isHeld;
    this.#host.hold(isHeld);
  }
}
