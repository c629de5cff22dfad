import { ENVELOPE_BYTES, envelopeBytes, NATIVE_VERSION, PREFACE } from "../../src/wire/native/envelope.ts";
import { decodeNative, encodeNative, type NativeMessage, type Resumption } from "../../src/wire/native/messages.ts";
import { TypeBit } from "../../src/wire/spread/codes.ts";
import { encodeFrame, groupOf, HEADER_BYTES, readHeader } from "../../src/wire/spread/frame.ts";
import { encodeLightView, encodeSelfLeave } from "../../src/wire/spread/membership.ts";
import type { FakeStream } from "./fake-transport.ts";

/** A SEND as the daemon got it. */
export type Sent = {
  readonly number: number;
  readonly type: number;
  readonly sender: string;
  readonly groups: readonly string[];
  readonly data: string;
  readonly frame: Uint8Array;
};

/**
 * A native daemon worked by hand: it answers HELLO, accepts what is sent, and keeps a log of it. A test says what is delivered.
 */
export class FakeDaemon {
  readonly name: string;
  readonly sent: Sent[] = [];
  /** What the client has joined. */
  readonly groups = new Set<string>();
  readonly acks: number[] = [];
  readonly hellos: Extract<NativeMessage, { kind: "hello" }>[] = [];
  resumption: Resumption = "new";
  lastOrdered = 0;
  /** As WELCOME says. */
  primary = true;
  daemons: string[] = [];
  /** Whom it does not want is told so. */
  refusal: { readonly code: number; readonly text: string } | undefined;
  /** Takes each number, and each join of a group, once, as daemons do. */
  remembers = false;
  /** Accepts and answers by itself: joins with views of one member, leaves, and data by delivery to its sender. */
  automatic = true;
  /** A good-bye is ordered at once, answered if that is promised, and the connection closed. */
  ends = true;
  answersKill = true;
  deliveries = 0;
  ticket: Uint8Array = new Uint8Array(24).fill(7);
  stream: FakeStream | undefined;
  onHello: () => void = () => {};
  user = "";
  #views = 0;
  #buffer = new Uint8Array(0);

  constructor(name: string) {
    this.name = name;
  }

  get privateGroup(): string {
    return `#${this.user}#${this.name}`;
  }

  attach(stream: FakeStream): void {
    this.stream = stream;
    this.#buffer = new Uint8Array(0);
    let preface = false;
    stream.onData = () => {
      this.#buffer = Uint8Array.from([...this.#buffer, ...stream.take()]);
      if (!preface && this.#buffer.length >= PREFACE.length) {
        preface = true;
        this.#buffer = this.#buffer.slice(PREFACE.length);
      }
      while (this.#buffer.length >= ENVELOPE_BYTES && this.#buffer.length >= envelopeBytes(this.#buffer, 0)) {
        const length = envelopeBytes(this.#buffer, 0);
        const message = decodeNative(this.#buffer.subarray(0, length));
        this.#buffer = this.#buffer.slice(length);
        if (message === undefined) throw new Error("the client sent a malformed envelope");
        this.#onMessage(message);
      }
      if (stream.isEnded) stream.close();
    };
    stream.accept();
  }

  send(message: NativeMessage): void {
    this.stream?.send(encodeNative(message));
  }

  /** Delivers a frame to the client. */
  deliver(frame: Uint8Array, ownNumber = 0, primary = true): void {
    this.send({ kind: "deliver", deliveryNumber: ++this.deliveries, ownNumber, primary, frame });
  }

  message(sender: string, group: string, data: string): Uint8Array {
    return encodeFrame(TypeBit.agreed, sender, [group], 0, new TextEncoder().encode(data));
  }

  view(group: string, cause: "join" | "leave" | "disconnect", members: readonly string[], who: string): void {
    const id = { leader: 1, time: 1, index: ++this.#views };
    this.deliver(encodeLightView(cause, group, members, id, who));
  }

  #onMessage(message: NativeMessage): void {
    switch (message.kind) {
      case "hello":
        this.hellos.push(message);
        this.user = message.user;
        this.onHello();
        if (this.refusal) return this.send({ kind: "refused", ...this.refusal });
        return this.send({
          kind: "welcome",
          version: NATIVE_VERSION,
          resumption: this.resumption,
          primary: this.primary,
          statistics: true,
          answersKill: this.answersKill,
          privateGroup: this.privateGroup,
          ticket: this.ticket,
          lastOrdered: this.lastOrdered,
          payloadBytesMax: 1_000_000,
          windowBytes: 256 * 1024,
          daemons: this.daemons,
        });
      case "send":
        return this.#onSend(message.number, message.frame);
      case "ack":
        this.acks.push(message.deliveryNumber);
        return;
      case "ping":
        return this.send({ kind: "pong", opaque: message.opaque });
      case "welcome":
      case "refused":
      case "accepted":
      case "delivered":
      case "deliver":
      case "gap":
      case "goAway":
      case "pong":
      case "status":
      case "statusReport":
      case "nodeStatistics":
      case "groupRefused":
      case "configuration":
        return;
    }
  }

  #onSend(number: number, frame: Uint8Array): void {
    const header = readHeader(frame, 0);
    const groups = Array.from({ length: header.groupCount }, (_, n) => groupOf(frame, 0, n));
    if (this.remembers) {
      if (number <= this.lastOrdered) {
        this.send({ kind: "accepted", number });
        return this.send({ kind: "delivered", number });
      }
      this.lastOrdered = number;
    }
    const data = new TextDecoder().decode(frame.subarray(HEADER_BYTES + 32 * groups.length));
    this.sent.push({ number, type: header.type, sender: header.sender, groups, data, frame });
    if (header.type & TypeBit.kill) {
      if (!this.ends) return;
      if (this.answersKill) this.send({ kind: "delivered", number });
      this.stream?.close();
      return;
    }
    if (!this.automatic) return;
    this.send({ kind: "accepted", number });
    const [group = ""] = groups;
    if (header.type & TypeBit.join) {
      if (this.remembers && this.groups.has(group)) return this.send({ kind: "delivered", number });
      this.groups.add(group);
      this.view(group, "join", [this.privateGroup], this.privateGroup);
    } else if (header.type & TypeBit.leave) {
      if (this.groups.delete(group)) this.deliver(encodeSelfLeave(group));
    } else if (groups.some((name) => this.groups.has(name))) {
      this.deliver(frame, number);
    }
    this.send({ kind: "delivered", number });
  }
}
