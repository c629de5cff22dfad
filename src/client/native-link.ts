import { getU64, setU64 } from "../wire/bytes.ts";
import {
  DELIVER_HEAD_BYTES,
  DeliverFlag,
  ENVELOPE_BYTES,
  ENVELOPE_HEAD_MAX,
  envelopeBytes,
  Kind,
  NATIVE_VERSION,
  NUMBER_ENVELOPE_BYTES,
  PREFACE,
  SEND_HEAD_BYTES,
  TICKET_BYTES,
  writeEnvelope,
  writeNumberEnvelope,
} from "../wire/native/envelope.ts";
import { encodeUtf8 } from "../wire/native/fields.ts";
import { decodeNative, encodeNative, type NativeMessage } from "../wire/native/messages.ts";
import { HEADER_BYTES } from "../wire/spread/frame.ts";
import { Gatherer } from "./gatherer.ts";
import type { Identity, Link, LinkHost } from "./link.ts";
import type { Outgoing } from "./outgoing.ts";
import { Splitter, type Units } from "./splitter.ts";

/** No envelope of a daemon is longer, views of very large groups among them, unless it says that messages may be. */
const ENVELOPE_BYTES_MAX = 256 * 1024 * 1024;

/** One stream to a daemon in the native protocol (docs/protocols/native-session.md). */
export class NativeLink implements Link, Units {
  readonly protocol = "native";
  readonly headBytes = ENVELOPE_BYTES;
  readonly #host: LinkHost;
  readonly #identity: Identity;
  readonly #ticket: Uint8Array;
  readonly #lastDelivered: number;
  readonly #splitter: Splitter;
  readonly #gatherer: Gatherer;
  #first = true;
  #greeted = false;
  #envelopeBytesMax = ENVELOPE_BYTES_MAX;
  /** An earlier daemon would end the session. */
  #takesStatistics = false;

  /** `ticket` and `lastDelivered`, which has been consumed, resume a session; `undefined` begins a new one. */
  constructor(host: LinkHost, identity: Identity, ticket: Uint8Array | undefined, lastDelivered: number) {
    this.#host = host;
    this.#identity = identity;
    this.#ticket = ticket ?? new Uint8Array(TICKET_BYTES);
    this.#lastDelivered = lastDelivered;
    this.#splitter = new Splitter(this);
    this.#gatherer = new Gatherer((bytes) => host.write(bytes));
  }

  open(): void {
    const { name, priority, credentials } = this.#identity;
    const hello = encodeNative({
      kind: "hello",
      version: NATIVE_VERSION,
      membership: true,
      priority,
      user: name,
      ticket: this.#ticket,
      lastDelivered: this.#lastDelivered,
      method: credentials ? "PWORD" : "NULL",
      credentials: encodeUtf8(credentials ? `${credentials.user}\0${credentials.password}` : ""),
    });
    // One write: a daemon that does not know the protocol answers the first bytes and drops the rest.
    const bytes = new Uint8Array(PREFACE.length + hello.length);
    bytes.set(PREFACE);
    bytes.set(hello, PREFACE.length);
    this.#host.write(bytes);
  }

  receive(chunk: Uint8Array): void {
    // Envelopes begin with a length below 2^24 here; a Spread daemon with the length of its method list or a reject code.
    if (this.#first && chunk.length > 0) {
      this.#first = false;
      if (chunk[0] !== 0) return this.#host.foreign();
    }
    if (!this.#splitter.push(chunk)) this.#host.broken("an envelope that is too long or too short");
  }

  lengthAt(bytes: Uint8Array, at: number): number | undefined {
    const length = envelopeBytes(bytes, at);
    return length < ENVELOPE_BYTES || length > this.#envelopeBytesMax ? undefined : length;
  }

  unit(bytes: Uint8Array, at: number, length: number): void {
    const kind = bytes[at + 4] as number;
    switch (kind) {
      case Kind.deliver:
        return this.#onDeliver(bytes, at, length);
      case Kind.accepted:
        if (length === NUMBER_ENVELOPE_BYTES) return this.#host.acceptedUpTo(getU64(bytes, at + ENVELOPE_BYTES));
        return this.#host.broken("a malformed ACCEPTED");
      case Kind.delivered:
        if (length === NUMBER_ENVELOPE_BYTES) return this.#host.delivered(getU64(bytes, at + ENVELOPE_BYTES));
        return this.#host.broken("a malformed DELIVERED");
      default: {
        const message = decodeNative(bytes.subarray(at, at + length));
        if (message) this.#onMessage(message);
        // Kinds of later versions of the protocol are passed over.
        else if (kind <= Kind.configuration) this.#host.broken("a malformed envelope");
      }
    }
  }

  send(outgoing: Outgoing, sender: string): boolean {
    const { number } = outgoing;
    return this.#gatherer.add(outgoing, sender, SEND_HEAD_BYTES, (bytes, at, frameBytes) => {
      writeEnvelope(bytes, at, Kind.send, 0, 8 + frameBytes);
      setU64(bytes, at + ENVELOPE_BYTES, number);
    });
  }

  flush(): boolean {
    return this.#gatherer.flush();
  }

  acknowledge(delivery: number): void {
    const bytes = new Uint8Array(NUMBER_ENVELOPE_BYTES);
    writeNumberEnvelope(bytes, 0, Kind.ack, delivery);
    this.#gatherer.flush();
    this.#host.write(bytes);
  }

  report(statistics: Uint8Array): void {
    if (!this.#takesStatistics) return;
    this.#gatherer.flush();
    this.#host.write(encodeNative({ kind: "nodeStatistics", statistics }));
  }

  ping(): boolean {
    this.#gatherer.flush();
    this.#host.write(encodeNative({ kind: "ping", opaque: new Uint8Array(8) }));
    return true;
  }

  #onDeliver(bytes: Uint8Array, at: number, length: number): void {
    const flags = bytes[at + 5] as number;
    const own = (flags & DeliverFlag.own) !== 0;
    const head = own ? DELIVER_HEAD_BYTES + 8 : DELIVER_HEAD_BYTES;
    if (!this.#greeted || length < head + HEADER_BYTES) return this.#host.broken("a malformed DELIVER");
    const delivery = getU64(bytes, at + ENVELOPE_BYTES);
    const number = own ? getU64(bytes, at + DELIVER_HEAD_BYTES) : 0;
    this.#host.frame(bytes, at + head, length - head, delivery, number, (flags & DeliverFlag.primary) !== 0);
  }

  #onMessage(message: NativeMessage): void {
    switch (message.kind) {
      case "welcome":
        if (this.#greeted) return this.#host.broken("a second WELCOME");
        this.#greeted = true;
        this.#takesStatistics = message.statistics;
        this.#envelopeBytesMax = Math.max(ENVELOPE_BYTES_MAX, message.payloadBytesMax + ENVELOPE_HEAD_MAX);
        return this.#host.greeted({
          privateGroup: message.privateGroup,
          resumption: message.resumption,
          primary: message.primary,
          ticket: message.ticket.slice(),
          lastOrdered: message.lastOrdered,
          answersKill: message.answersKill,
          payloadBytesMax: message.payloadBytesMax,
          windowBytes: message.windowBytes,
          daemons: message.daemons,
        });
      case "refused":
        return this.#host.refused(message.code, message.text);
      case "gap":
        return this.#host.gap(message);
      case "configuration":
        return this.#host.configuration(message);
      case "groupRefused":
        return this.#host.groupRefused(message.number, message.group, message.text);
      case "goAway":
        return this.#host.goAway(message.text);
      case "ping":
        this.#gatherer.flush();
        this.#host.write(encodeNative({ kind: "pong", opaque: message.opaque }));
        return;
      case "pong":
        return;
      case "hello":
      case "send":
      case "accepted":
      case "delivered":
      case "deliver":
      case "ack":
      case "status":
      case "statusReport":
      case "nodeStatistics":
        return this.#host.broken(`a ${message.kind.toUpperCase()} from a daemon`);
    }
  }
}
