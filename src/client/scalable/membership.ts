import type { GroupNumber } from "../../base/ids.ts";
import { GroupError } from "../errors.ts";
import type { NodeGroupEvent, Message, View } from "../events.ts";
import type { ScalableGroup } from "./group.ts";
import type { TimelyGroup } from "./timely-group.ts";
import type { OrderedMessage } from "../../plato/message.ts";
import type { Arrival } from "../../ricochet/timely-node.ts";
import { REPAIRS_DEFAULT, type Repairs } from "../../wire/timely/repairs.ts";
import type { Inbox } from "./inbox.ts";
import type { Roster } from "./rosters.ts";
import type { Destination } from "./send-window.ts";

/** A group of whichever of the two qualities. */
export type NodeGroup = ScalableGroup | TimelyGroup<NodeGroupEvent>;

/** A scalable or timely group that the connection is in, or is about to be: what of it is promised to whom. */
export class Membership implements Destination {
  readonly name: string;
  readonly quality: "scalable" | "timely";
  readonly group: NodeGroup;
  readonly inbox: Inbox;
  /** Of a timely group: as the daemons say. */
  repairs: Repairs = REPAIRS_DEFAULT;
  /** Of a timely group: whether it is totally ordered, and its messages are delivered here before that order is known. */
  order: "total" | undefined;
  isOptimistic = true;
  /** When the last message was sent to a timely group; milliseconds on the connection's clock. */
  sentAt = Number.NEGATIVE_INFINITY;
  /**
   * `joining`: until the first view, of this node. `leaving`: until the daemons say that it is left; nothing more is delivered. An abandoned
   * one is left as soon as it is joined: what is left before it was joined would never be told.
   */
  status: "joining" | "abandoned" | "joined" | "leaving" = "joining";
  number: GroupNumber | undefined;
  /** The program has asked to leave; what was sent before is waited for. */
  isParting = false;
  leftBecause: GroupError | undefined;
  /** The program only sends: it is delivered no messages. */
  isSendOnly = false;
  roster: Roster | undefined;
  view: View | undefined;
  readonly #destinations: readonly string[];
  /** Resolves when the daemons have said that the group is left: it can be joined again. */
  readonly gone: Promise<void>;
  readonly #whenLeft: () => void;
  #whenGone: () => void = () => {};
  #isOver = false;
  /** The promise of `join`, until the first view. */
  #joining: { readonly resolve: (group: NodeGroup) => void; readonly reject: (error: unknown) => void } | undefined;

  constructor(name: string, group: NodeGroup, inbox: Inbox, whenLeft: () => void) {
    this.name = name;
    this.group = group;
    this.quality = group.quality;
    this.inbox = inbox;
    this.#destinations = [name];
    this.#whenLeft = whenLeft;
    this.gone = new Promise((resolve) => {
      this.#whenGone = resolve;
    });
  }

  get isLeaving(): boolean {
    return this.status === "leaving" || this.status === "abandoned";
  }

  get isConfirmed(): boolean {
    return this.quality === "scalable";
  }

  awaited(resolve: (group: NodeGroup) => void, reject: (error: unknown) => void): void {
    this.#joining = { resolve, reject };
  }

  joined(): void {
    this.status = "joined";
    this.#joining?.resolve(this.group);
    this.#joining = undefined;
  }

  /** `join` gives up. */
  fail(error: unknown): void {
    this.#joining?.reject(error);
    this.#joining = undefined;
  }

  /** A packet of a timely group. */
  packet(sender: string, payload: Uint8Array, how: Arrival): Message {
    const message = this.message(sender, payload, how === "sent", false);
    return how === "sent" ? message : { ...message, arrival: how };
  }

  /** A message of a totally ordered group. */
  ordered(sender: string, { payload, position }: OrderedMessage, own: boolean): Message {
    return { ...this.message(sender, payload, own, false), service: "agreed", position };
  }

  message(sender: string, payload: Uint8Array, own: boolean, isFifo: boolean): Message {
    const service = isFifo ? "fifo" : "reliable";
    return { kind: "message", sender, groups: this.#destinations, service, type: 0, payload, own, bigEndian: false };
  }

  /** The last event, and the end of the stream, with an error where the program did not ask for it. */
  end(event: NodeGroupEvent | undefined, error: GroupError | undefined, tell: (event: NodeGroupEvent) => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.leftBecause ??= error;
    this.inbox.close();
    // Who was told of no view has heard of no membership that could end.
    if (event !== undefined && this.view !== undefined) tell(event);
    this.view = undefined;
    this.inbox.events.end(error);
    this.fail(error ?? new GroupError("CLOSED", `${this.name} was left before it was joined`));
    this.#whenLeft();
  }

  /** It is no more. */
  remove(): void {
    this.number = undefined;
    this.status = "leaving";
    this.#whenGone();
  }
}
