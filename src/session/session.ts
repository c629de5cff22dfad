import type { SessionNumber } from "../groups/outbox.ts";
import { TOKEN_BYTES } from "../wire/native/envelope.ts";
import { nameField } from "../wire/spread/names.ts";
import type { Connection } from "./connection.ts";
import type { Peer } from "./outbox.ts";
import { OrderedNumbers } from "./ordered-numbers.ts";
import { Pins } from "./pins.ts";
import { Refusals } from "./refusals.ts";
import { Retention } from "./retention.ts";

/** A client's session: what it is called, and what waits to be written to it. */
export class Session {
  readonly number: SessionNumber;
  readonly user: string;
  readonly privateGroup: string;
  /** The private group as it stands in frames. */
  readonly field: Uint8Array;
  readonly membership: boolean;
  readonly priority: number;
  readonly native: NativeState | undefined;
  /**
   * `ending`: its end is on its way through the total order; nothing is delivered to it and nothing read from it. A native client that
   * has said good-bye is still told what becomes of what it sent.
   */
  state: "open" | "ending" = "open";
  connection: Connection | undefined;
  /** In the list of those with something to write. */
  dirty = false;
  /** What waits to be written, and of what it counts against the limit in messages. */
  chunks: Uint8Array[] = [];
  queuedMessages = 0;
  queuedBytes = 0;
  readonly pins = new Pins();
  /** Of a native client: what of `chunks` are envelopes besides deliveries. */
  controlBytes = 0;
  /** Messages that the policies of their groups have dropped. */
  dropped = 0;
  /** Groups that are held for this session's sake. */
  readonly holding = new Set<string>();

  constructor(
    number: SessionNumber,
    user: string,
    privateGroup: string,
    membership: boolean,
    priority: number,
    native: NativeState | undefined,
  ) {
    this.number = number;
    this.user = user;
    this.privateGroup = privateGroup;
    this.field = nameField(privateGroup);
    this.membership = membership;
    this.priority = priority;
    this.native = native;
  }

  /** Forgets what waits to be written. */
  discard(): void {
    this.written();
    this.pins.left(0);
  }

  /** What was to be written is being written: deliveries to a native client may wait still. */
  written(): void {
    this.chunks = [];
    this.queuedMessages = 0;
    this.queuedBytes = 0;
    this.controlBytes = 0;
  }
}

/** What a native session has besides. */
export class NativeState {
  /** The client's token (16 bytes), and which session of its this is. */
  readonly ticket: Uint8Array;
  readonly token: Uint8Array;
  readonly tokenKey: string;
  readonly retention = new Retention();
  /** What the retention budget counts of it. */
  retainedBytes = 0;
  readonly refusals = new Refusals();
  /** Where its last connection came from. */
  peer: Peer | undefined;
  /** Greatest delivery number given out. */
  lastDelivery = 0;
  /** Greatest of the client's numbers given to the ring; 0: none yet, the next may be any. */
  lastAccepted = 0;
  /** Up to where ACCEPTED has been sent. */
  acceptedSent = 0;
  /** The number of the client's KILL; 0: it has not said good-bye. */
  killNumber = 0;
  readonly ordered: OrderedNumbers;
  /** Number of the client's own message that is being delivered; 0: none, or it had been delivered before. */
  ownNumber = 0;
  /** Dropped deliveries that the client has not been told of, by group. */
  readonly gaps = new Map<string, { first: number; count: number }>();
  /** When a detached session ends. */
  graceEndsAt = Number.POSITIVE_INFINITY;

  constructor(ticket: Uint8Array, tokenKey: string, lastOrdered: number) {
    this.ticket = ticket;
    this.token = ticket.subarray(0, TOKEN_BYTES);
    this.tokenKey = tokenKey;
    this.ordered = new OrderedNumbers(lastOrdered);
  }
}
