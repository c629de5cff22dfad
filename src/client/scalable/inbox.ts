import { EventQueue } from "../event-queue.ts";
import type { Gap, Lost, Message, NodeGroupEvent, View } from "../events.ts";

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

/** Events that count as long as they wait to be read. */
export type Counted = Message | Lost | View;

/** Views that may wait; the next ones become one, whatever the policy: nobody can be made to wait with coming and going. */
const VIEWS_MAX = 256;

/**
 * Messages of a group on their way to the program, with a bound on what waits to be read. Beyond it the group's policy applies, until half of
 * that is read: senders are made to wait (what they have sent until they do still comes), or messages are dropped and a gap says
 * which, or the group is left. Notices of what is lost count as messages; while those are dropped, one notice of each sender and one view stand for
 * all that come. One view also stands for those that come while too many wait; it is told when half of them are read, or before the first
 * message of a member that it brings.
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
  #views = 0;
  #isOver = false;
  #isHeld = false;
  /** Dropped since the last gap, by sender. */
  #missed = new Map<string, number>();
  /** Packets that were lost since then, by sender. */
  #lost = new Map<string, number>();
  /** The view that has come about since then, or since too many views wait. */
  #view: View | undefined;

  constructor(group: string, policy: SlowPolicy, limits: InboxLimits, host: InboxHost) {
    this.policy = policy;
    this.#group = group;
    this.#limits = limits;
    this.#host = host;
    const counted = (by: 1 | -1) => (event: NodeGroupEvent) => isCounted(event) && this.counted(event, by);
    this.events = new EventQueue<NodeGroupEvent>({
      queued: counted(1),
      taken: counted(-1),
      dropped: counted(-1),
      handedOver: () => {},
    });
  }

  /** Delivers a message. */
  message(event: Message): void {
    if (this.#isDropping) return add(this.#missed, event.sender, 1);
    if (this.#view?.joined.includes(event.sender) === true) this.#tellView();
    this.#tell(event);
  }

  /** Packets of a sender are lost. */
  lost(event: Lost): void {
    if (this.#isDropping) add(this.#lost, event.sender, event.packets);
    else this.#tell(event);
  }

  /** The group has a new view. */
  view(event: View): void {
    if (this.#view !== undefined) this.#view = merged(this.#view, event);
    else if (this.#isDropping || this.#views >= VIEWS_MAX) this.#view = event;
    else this.#host.tell(event);
  }

  get #isDropping(): boolean {
    return this.#isOver && this.policy === "drop";
  }

  #tell(event: Message | Lost): void {
    this.#host.tell(event);
    const { waitingMax, waitingBytesMax } = this.#limits;
    if (this.#isOver || (this.#waiting <= waitingMax && this.#bytes <= waitingBytesMax)) return;
    this.#isOver = true;
    if (this.policy === "expel") this.#host.expel();
    else if (this.policy === "wait") this.#hold(true);
  }

  /** One of the group's events begins to wait for the program in a stream, or does not any more. */
  counted(event: Counted, by: 1 | -1): void {
    if (event.kind === "view") {
      this.#views += by;
      if (!this.#isDropping && this.#views * 2 <= VIEWS_MAX) this.#tellView();
      return;
    }
    this.#waiting += by;
    if (event.kind === "message") this.#bytes += by * event.payload.length;
    const { waitingMax, waitingBytesMax } = this.#limits;
    if (!this.#isOver || this.#waiting * 2 > waitingMax || this.#bytes * 2 > waitingBytesMax) return;
    this.#isOver = false;
    this.tellMissed();
    this.#hold(false);
  }

  /** The gap that has come about, at its place, and what else has happened meanwhile. */
  tellMissed(): void {
    const [missed, lost] = [this.#missed, this.#lost];
    this.#missed = new Map();
    this.#lost = new Map();
    if (missed.size > 0) {
      const count = [...missed.values()].reduce((sum, one) => sum + one, 0);
      const gap: Gap = { kind: "gap", group: this.#group, reason: "slow", count, senders: Object.fromEntries(missed) };
      this.#host.tell(gap);
    }
    for (const [sender, packets] of lost) this.#host.tell({ kind: "lost", group: this.#group, sender, packets });
    this.#tellView();
  }

  #tellView(): void {
    const view = this.#view;
    this.#view = undefined;
    if (view !== undefined) this.#host.tell(view);
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

/** Whether an event counts while it waits, as far as it is one of a group whose members send straight to each other. */
export function isCounted(event: { readonly kind: string }): event is Counted {
  return event.kind === "message" || event.kind === "lost" || event.kind === "view";
}

function add(counts: Map<string, number>, sender: string, by: number): void {
  counts.set(sender, (counts.get(sender) ?? 0) + by);
}

/** One view for two that follow each other: it says how the second one differs from what was before the first. */
function merged(first: View, second: View): View {
  const left = [...first.left, ...second.left.filter((member) => !first.joined.includes(member))];
  return {
    ...second,
    joined: second.members.filter((member) => second.joined.includes(member) || first.joined.includes(member)),
    left,
    cause: [first, second].some(({ cause }) => cause === "disconnect")
      ? "disconnect"
      : left.length > 0
        ? "leave"
        : "join",
  };
}
