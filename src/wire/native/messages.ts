import {
  DELIVER_HEAD_BYTES,
  DeliverFlag,
  ENVELOPE_BYTES,
  encodeEnvelope,
  envelopeBytes,
  Kind,
  NATIVE_VERSION,
  SEND_HEAD_BYTES,
  sendHead,
  TOKEN_BYTES,
  writeDeliverHead,
  writeNumberEnvelope,
} from "./envelope.ts";
import { decodeUtf8, encodeUtf8, FieldReader, FieldWriter } from "./fields.ts";

/** HELLO: who a client is, and what it had when it was connected last. */
export type NativeHello = {
  readonly kind: "hello";
  readonly version: number;
  /** Wants membership notices. */
  readonly membership: boolean;
  /** 0 … 15. */
  readonly priority: number;
  /** Empty: the daemon invents one. Ignored where the token resumes a session. */
  readonly user: string;
  /** 16 bytes; zeros ask for a new session. */
  readonly token: Uint8Array;
  /** Greatest delivery number that the client has consumed of the session it resumes. */
  readonly lastDelivered: number;
  /** `NULL`, `IP` or `PWORD`. */
  readonly method: string;
  /** PWORD: user, NUL, password, in UTF-8. Otherwise empty. */
  readonly credentials: Uint8Array;
};

/** How a session begins: new, resumed as if nothing had happened, or known but with something missed (see GAP). */
export type Resumption = "new" | "resumed" | "interrupted";

export type NativeWelcome = {
  readonly kind: "welcome";
  readonly version: number;
  readonly resumption: Resumption;
  readonly privateGroup: string;
  readonly token: Uint8Array;
  /** The client's greatest number that has been ordered. */
  readonly lastOrdered: number;
  readonly payloadBytesMax: number;
  /** `port@host` of the daemons that the client may go to. */
  readonly daemons: readonly string[];
};

export type GapReason = "slow" | "elsewhere" | "window";

/** A run of deliveries that the client does not get. */
export type NativeGap = {
  readonly kind: "gap";
  /** Empty: of several groups. */
  readonly group: string;
  readonly reason: GapReason;
  /** Messages missed; 0: unknown. */
  readonly count: number;
  readonly first: number;
  readonly last: number;
};

/** An envelope in parts. Byte arrays are views of what was decoded. */
export type NativeMessage =
  | NativeHello
  | NativeWelcome
  | { readonly kind: "refused"; readonly code: number; readonly text: string }
  | { readonly kind: "send"; readonly number: number; readonly frame: Uint8Array }
  | { readonly kind: "accepted"; readonly number: number }
  | { readonly kind: "delivered"; readonly number: number }
  | {
      readonly kind: "deliver";
      readonly deliveryNumber: number;
      /** The receiver's own number for the message; 0: another's message. */
      readonly ownNumber: number;
      readonly primary: boolean;
      readonly frame: Uint8Array;
    }
  | { readonly kind: "ack"; readonly deliveryNumber: number }
  | NativeGap
  | { readonly kind: "goAway"; readonly text: string }
  | { readonly kind: "ping"; readonly opaque: Uint8Array }
  | { readonly kind: "pong"; readonly opaque: Uint8Array }
  | { readonly kind: "status" }
  | { readonly kind: "statusReport"; readonly json: string }
  | { readonly kind: "groupRefused"; readonly number: number; readonly group: string; readonly text: string };

const RESUMPTIONS: readonly Resumption[] = ["new", "resumed", "interrupted"];
const GAP_REASONS: readonly GapReason[] = ["slow", "elsewhere", "window"];

/** One whole envelope, newly allocated. The frequent ones have functions of their own in envelope.ts. */
export function encodeNative(message: NativeMessage): Uint8Array {
  switch (message.kind) {
    case "hello":
      return encodeEnvelope(Kind.hello, 0, helloBody(message));
    case "welcome":
      return encodeEnvelope(Kind.welcome, 0, welcomeBody(message));
    case "refused": {
      const body = new FieldWriter().u8(message.code).long(encodeUtf8(message.text)).finish();
      return encodeEnvelope(Kind.refused, 0, body);
    }
    case "send":
      return joined(sendHead(message.number, message.frame.length), message.frame);
    case "accepted":
      return numbered(Kind.accepted, message.number);
    case "delivered":
      return numbered(Kind.delivered, message.number);
    case "deliver": {
      const head = new Uint8Array(DELIVER_HEAD_BYTES + 8);
      const { deliveryNumber, ownNumber, primary, frame } = message;
      const length = writeDeliverHead(head, 0, deliveryNumber, ownNumber, primary, frame.length);
      return joined(head.subarray(0, length), frame);
    }
    case "ack":
      return numbered(Kind.ack, message.deliveryNumber);
    case "gap":
      return encodeEnvelope(Kind.gap, 0, gapBody(message));
    case "goAway":
      return encodeEnvelope(Kind.goAway, 0, new FieldWriter().long(encodeUtf8(message.text)).finish());
    case "ping":
      return encodeEnvelope(Kind.ping, 0, message.opaque);
    case "pong":
      return encodeEnvelope(Kind.pong, 0, message.opaque);
    case "status":
      return encodeEnvelope(Kind.status, 0, new Uint8Array(0));
    case "statusReport":
      return encodeEnvelope(Kind.statusReport, 0, encodeUtf8(message.json));
    case "groupRefused": {
      const body = new FieldWriter()
        .u64(message.number)
        .short(encodeUtf8(message.group))
        .long(encodeUtf8(message.text))
        .finish();
      return encodeEnvelope(Kind.groupRefused, 0, body);
    }
  }
}

/** Reads exactly one whole envelope; `undefined` if it is not well formed or its kind is not known. */
export function decodeNative(bytes: Uint8Array): NativeMessage | undefined {
  if (bytes.length < ENVELOPE_BYTES || envelopeBytes(bytes, 0) !== bytes.length) return undefined;
  const flags = bytes[5] as number;
  const fields = new FieldReader(bytes, ENVELOPE_BYTES);
  const message = decodeBody(bytes, bytes[4] as number, flags, fields);
  return message !== undefined && fields.finished ? message : undefined;
}

function decodeBody(bytes: Uint8Array, kind: number, flags: number, fields: FieldReader): NativeMessage | undefined {
  switch (kind) {
    case Kind.hello:
      return decodeHelloBody(fields);
    case Kind.welcome:
      return decodeWelcomeBody(fields);
    case Kind.refused:
      return { kind: "refused", code: (fields.u8() << 24) >> 24, text: fields.text(fields.u16()) };
    case Kind.send: {
      if (bytes.length < SEND_HEAD_BYTES) return undefined;
      return { kind: "send", number: fields.u64(), frame: fields.rest() };
    }
    case Kind.accepted:
      return { kind: "accepted", number: fields.u64() };
    case Kind.delivered:
      return { kind: "delivered", number: fields.u64() };
    case Kind.deliver: {
      const deliveryNumber = fields.u64();
      const ownNumber = flags & DeliverFlag.own ? fields.u64() : 0;
      return {
        kind: "deliver",
        deliveryNumber,
        ownNumber,
        primary: (flags & DeliverFlag.primary) !== 0,
        frame: fields.rest(),
      };
    }
    case Kind.ack:
      return { kind: "ack", deliveryNumber: fields.u64() };
    case Kind.gap:
      return decodeGapBody(fields);
    case Kind.goAway:
      return { kind: "goAway", text: fields.text(fields.u16()) };
    case Kind.ping:
      return { kind: "ping", opaque: fields.bytes(8) };
    case Kind.pong:
      return { kind: "pong", opaque: fields.bytes(8) };
    case Kind.status:
      return { kind: "status" };
    case Kind.statusReport:
      return { kind: "statusReport", json: decodeUtf8(fields.rest()) };
    case Kind.groupRefused:
      return {
        kind: "groupRefused",
        number: fields.u64(),
        group: fields.text(fields.u8()),
        text: fields.text(fields.u16()),
      };
    default:
      return undefined;
  }
}

function helloBody(hello: NativeHello): Uint8Array {
  return new FieldWriter()
    .u8(hello.version)
    .u8(hello.membership ? 1 : 0)
    .u8(hello.priority)
    .short(encodeUtf8(hello.user))
    .bytes(tokenField(hello.token))
    .u64(hello.lastDelivered)
    .short(encodeUtf8(hello.method))
    .long(hello.credentials)
    .finish();
}

function decodeHelloBody(fields: FieldReader): NativeHello {
  return {
    kind: "hello",
    version: fields.u8(),
    membership: (fields.u8() & 1) !== 0,
    priority: Math.min(fields.u8(), 15),
    user: fields.text(fields.u8()),
    token: fields.bytes(TOKEN_BYTES),
    lastDelivered: fields.u64(),
    method: fields.text(fields.u8()),
    credentials: fields.bytes(fields.u16()),
  };
}

function welcomeBody(welcome: NativeWelcome): Uint8Array {
  const writer = new FieldWriter()
    .u8(NATIVE_VERSION)
    .u8(RESUMPTIONS.indexOf(welcome.resumption))
    .short(encodeUtf8(welcome.privateGroup))
    .bytes(tokenField(welcome.token))
    .u64(welcome.lastOrdered)
    .u32(welcome.payloadBytesMax)
    .u16(welcome.daemons.length);
  for (const daemon of welcome.daemons) writer.short(encodeUtf8(daemon));
  return writer.finish();
}

function decodeWelcomeBody(fields: FieldReader): NativeWelcome | undefined {
  const version = fields.u8();
  const resumption = RESUMPTIONS[fields.u8()];
  const privateGroup = fields.text(fields.u8());
  const token = fields.bytes(TOKEN_BYTES);
  const lastOrdered = fields.u64();
  const payloadBytesMax = fields.u32();
  const daemons: string[] = [];
  for (let left = fields.u16(); left > 0 && fields.ok; left--) daemons.push(fields.text(fields.u8()));
  if (resumption === undefined) return undefined;
  return { kind: "welcome", version, resumption, privateGroup, token, lastOrdered, payloadBytesMax, daemons };
}

function gapBody(gap: NativeGap): Uint8Array {
  return new FieldWriter()
    .short(encodeUtf8(gap.group))
    .u8(GAP_REASONS.indexOf(gap.reason) + 1)
    .u32(gap.count)
    .u64(gap.first)
    .u64(gap.last)
    .finish();
}

function decodeGapBody(fields: FieldReader): NativeGap | undefined {
  const group = fields.text(fields.u8());
  const reason = GAP_REASONS[fields.u8() - 1];
  if (reason === undefined) return undefined;
  return { kind: "gap", group, reason, count: fields.u32(), first: fields.u64(), last: fields.u64() };
}

function numbered(kind: number, number: number): Uint8Array {
  const bytes = new Uint8Array(ENVELOPE_BYTES + 8);
  writeNumberEnvelope(bytes, 0, kind, number);
  return bytes;
}

function joined(head: Uint8Array, frame: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(head.length + frame.length);
  bytes.set(head);
  bytes.set(frame, head.length);
  return bytes;
}

function tokenField(token: Uint8Array): Uint8Array {
  const field = new Uint8Array(TOKEN_BYTES);
  field.set(token.subarray(0, TOKEN_BYTES));
  return field;
}
