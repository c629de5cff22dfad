import {
  DELIVER_HEAD_BYTES,
  DeliverFlag,
  ENVELOPE_BYTES,
  encodeEnvelope,
  envelopeBytes,
  Kind,
  SEND_HEAD_BYTES,
  STATUS_WHOLE,
  sendHead,
  TICKET_BYTES,
  WelcomeFlag,
  writeDeliverHead,
  writeNumberEnvelope,
} from "./envelope.ts";
import { Reader, readU64, Writer, writeU64 } from "../bytes.ts";
import { decodeUtf8, encodeUtf8, readText, writeLong, writeShort } from "./fields.ts";

/** HELLO: who a client is, and what it had when it was connected last. */
export type NativeHello = {
  readonly kind: "hello";
  readonly version: number;
  /** Wants membership notices. */
  readonly membership: boolean;
  /** 0 … 15. */
  readonly priority: number;
  /** Empty: the daemon invents one. Ignored where the ticket resumes a session. */
  readonly user: string;
  /** 24 bytes of the last WELCOME: the client's token, and its session. Zeros: the client is new. */
  readonly ticket: Uint8Array;
  /** Greatest delivery number that the client has consumed of the ticket's session. */
  readonly lastDelivered: number;
  /** `NULL`, `IP` or `PWORD`. */
  readonly method: string;
  /** PWORD: user, NUL, password, in UTF-8. Otherwise empty. */
  readonly credentials: Uint8Array;
};

/** How a session begins. */
export type Resumption =
  /** The client had none. */
  | "new"
  /** The client's session goes on as if nothing had happened. */
  | "resumed"
  /** The client's session is not here: a new one begins, with the numbers of the client going on. */
  | "restarted"
  /** The client's session goes on, but some deliveries are gone: a GAP says which. */
  | "interrupted";

export type NativeWelcome = {
  readonly kind: "welcome";
  readonly version: number;
  readonly resumption: Resumption;
  /** Whether the daemon's configuration is primary. In a session that is resumed, CONFIGURATIONs may still tell of earlier ones. */
  readonly primary: boolean;
  /** Whether the daemon takes NODE_STATISTICS. */
  readonly statistics: boolean;
  /** Whether the daemon goes on telling what is DELIVERED after KILL, up to the KILL itself. */
  readonly answersKill: boolean;
  readonly privateGroup: string;
  /** 24 bytes: what resumes this session, here. */
  readonly ticket: Uint8Array;
  /** The client's greatest number that has been ordered. */
  readonly lastOrdered: number;
  readonly payloadBytesMax: number;
  /** Bytes of DELIVER envelopes that the daemon writes ahead of acknowledgements. */
  readonly windowBytes: number;
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

/** The daemon has another configuration: a delivery in order with the others. */
export type NativeConfiguration = {
  readonly kind: "configuration";
  readonly deliveryNumber: number;
  readonly primary: boolean;
  /** How many it consists of. */
  readonly daemons: number;
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
  | NativeConfiguration
  | { readonly kind: "goAway"; readonly text: string }
  | { readonly kind: "ping"; readonly opaque: Uint8Array }
  | { readonly kind: "pong"; readonly opaque: Uint8Array }
  /** `whole`: with all regions and nodes, however many they are. */
  | { readonly kind: "status"; readonly whole: boolean }
  | { readonly kind: "statusReport"; readonly json: string }
  | { readonly kind: "groupRefused"; readonly number: number; readonly group: string; readonly text: string }
  /** What a node counts (node-statistics.ts), a view. */
  | { readonly kind: "nodeStatistics"; readonly statistics: Uint8Array };

const RESUMPTIONS: readonly Resumption[] = ["new", "resumed", "restarted", "interrupted"];
const GAP_REASONS: readonly GapReason[] = ["slow", "elsewhere", "window"];

/** One whole envelope, newly allocated. The frequent ones have functions of their own in envelope.ts. */
export function encodeNative(message: NativeMessage): Uint8Array {
  switch (message.kind) {
    case "hello":
      return encodeEnvelope(Kind.hello, 0, helloBody(message));
    case "welcome":
      return encodeEnvelope(Kind.welcome, welcomeFlags(message), welcomeBody(message));
    case "refused": {
      const body = writeLong(new Writer().u8(message.code), encodeUtf8(message.text));
      return encodeEnvelope(Kind.refused, 0, body.finish());
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
    case "configuration": {
      const body = writeU64(new Writer(), message.deliveryNumber);
      return encodeEnvelope(
        Kind.configuration,
        message.primary ? DeliverFlag.primary : 0,
        body.u16(message.daemons).finish(),
      );
    }
    case "goAway":
      return encodeEnvelope(Kind.goAway, 0, writeLong(new Writer(), encodeUtf8(message.text)).finish());
    case "ping":
      return encodeEnvelope(Kind.ping, 0, message.opaque);
    case "pong":
      return encodeEnvelope(Kind.pong, 0, message.opaque);
    case "status":
      return encodeEnvelope(Kind.status, message.whole ? STATUS_WHOLE : 0, new Uint8Array(0));
    case "statusReport":
      return encodeEnvelope(Kind.statusReport, 0, encodeUtf8(message.json));
    case "groupRefused": {
      const body = writeU64(new Writer(), message.number);
      writeLong(writeShort(body, encodeUtf8(message.group)), encodeUtf8(message.text));
      return encodeEnvelope(Kind.groupRefused, 0, body.finish());
    }
    case "nodeStatistics":
      return encodeEnvelope(Kind.nodeStatistics, 0, message.statistics);
  }
}

/** Reads exactly one whole envelope; `undefined` if it is not well formed or its kind is not known. */
export function decodeNative(bytes: Uint8Array): NativeMessage | undefined {
  if (bytes.length < ENVELOPE_BYTES || envelopeBytes(bytes, 0) !== bytes.length) return undefined;
  const flags = bytes[5] as number;
  const fields = new Reader(bytes, ENVELOPE_BYTES);
  const message = decodeBody(bytes, bytes[4] as number, flags, fields);
  return message !== undefined && !fields.failed && fields.remaining === 0 ? message : undefined;
}

function decodeBody(bytes: Uint8Array, kind: number, flags: number, fields: Reader): NativeMessage | undefined {
  switch (kind) {
    case Kind.hello:
      return decodeHelloBody(fields);
    case Kind.welcome:
      return decodeWelcomeBody(fields, flags);
    case Kind.refused:
      return { kind: "refused", code: (fields.u8() << 24) >> 24, text: readText(fields, fields.u16()) };
    case Kind.send: {
      if (bytes.length < SEND_HEAD_BYTES) return undefined;
      return { kind: "send", number: readU64(fields), frame: fields.raw(fields.remaining) };
    }
    case Kind.accepted:
      return { kind: "accepted", number: readU64(fields) };
    case Kind.delivered:
      return { kind: "delivered", number: readU64(fields) };
    case Kind.deliver: {
      const deliveryNumber = readU64(fields);
      const ownNumber = flags & DeliverFlag.own ? readU64(fields) : 0;
      return {
        kind: "deliver",
        deliveryNumber,
        ownNumber,
        primary: (flags & DeliverFlag.primary) !== 0,
        frame: fields.raw(fields.remaining),
      };
    }
    case Kind.ack:
      return { kind: "ack", deliveryNumber: readU64(fields) };
    case Kind.gap:
      return decodeGapBody(fields);
    case Kind.configuration:
      return {
        kind: "configuration",
        deliveryNumber: readU64(fields),
        primary: (flags & DeliverFlag.primary) !== 0,
        daemons: fields.u16(),
      };
    case Kind.goAway:
      return { kind: "goAway", text: readText(fields, fields.u16()) };
    case Kind.ping:
      return { kind: "ping", opaque: fields.raw(8) };
    case Kind.pong:
      return { kind: "pong", opaque: fields.raw(8) };
    case Kind.status:
      return { kind: "status", whole: (flags & STATUS_WHOLE) !== 0 };
    case Kind.statusReport:
      return { kind: "statusReport", json: decodeUtf8(fields.raw(fields.remaining)) };
    case Kind.groupRefused:
      return {
        kind: "groupRefused",
        number: readU64(fields),
        group: readText(fields, fields.u8()),
        text: readText(fields, fields.u16()),
      };
    case Kind.nodeStatistics:
      return { kind: "nodeStatistics", statistics: fields.raw(fields.remaining) };
    default:
      return undefined;
  }
}

function helloBody(hello: NativeHello): Uint8Array {
  const body = new Writer()
    .u8(hello.version)
    .u8(hello.membership ? 1 : 0)
    .u8(hello.priority);
  writeShort(body, encodeUtf8(hello.user)).raw(ticketField(hello.ticket));
  writeShort(writeU64(body, hello.lastDelivered), encodeUtf8(hello.method));
  return writeLong(body, hello.credentials).finish();
}

function decodeHelloBody(fields: Reader): NativeHello {
  return {
    kind: "hello",
    version: fields.u8(),
    membership: (fields.u8() & 1) !== 0,
    priority: Math.min(fields.u8(), 15),
    user: readText(fields, fields.u8()),
    ticket: fields.raw(TICKET_BYTES),
    lastDelivered: readU64(fields),
    method: readText(fields, fields.u8()),
    credentials: fields.raw(fields.u16()),
  };
}

function welcomeFlags({ primary, statistics, answersKill }: NativeWelcome): number {
  const flags = (primary ? WelcomeFlag.primary : 0) | (statistics ? WelcomeFlag.statistics : 0);
  return flags | (answersKill ? WelcomeFlag.answersKill : 0);
}

function welcomeBody(welcome: NativeWelcome): Uint8Array {
  const body = new Writer().u8(welcome.version).u8(RESUMPTIONS.indexOf(welcome.resumption));
  writeShort(body, encodeUtf8(welcome.privateGroup)).raw(ticketField(welcome.ticket));
  writeU64(body, welcome.lastOrdered).u32(welcome.payloadBytesMax).u32(welcome.windowBytes).u16(welcome.daemons.length);
  for (const daemon of welcome.daemons) writeShort(body, encodeUtf8(daemon));
  return body.finish();
}

function decodeWelcomeBody(fields: Reader, flags: number): NativeWelcome | undefined {
  const version = fields.u8();
  const resumption = RESUMPTIONS[fields.u8()];
  const privateGroup = readText(fields, fields.u8());
  const ticket = fields.raw(TICKET_BYTES);
  const lastOrdered = readU64(fields);
  const payloadBytesMax = fields.u32();
  const windowBytes = fields.u32();
  const daemons: string[] = [];
  for (let left = fields.u16(); left > 0 && !fields.failed; left--) daemons.push(readText(fields, fields.u8()));
  if (resumption === undefined) return undefined;
  return {
    kind: "welcome",
    version,
    resumption,
    primary: (flags & WelcomeFlag.primary) !== 0,
    statistics: (flags & WelcomeFlag.statistics) !== 0,
    answersKill: (flags & WelcomeFlag.answersKill) !== 0,
    privateGroup,
    ticket,
    lastOrdered,
    payloadBytesMax,
    windowBytes,
    daemons,
  };
}

function gapBody(gap: NativeGap): Uint8Array {
  const body = writeShort(new Writer(), encodeUtf8(gap.group));
  body.u8(GAP_REASONS.indexOf(gap.reason) + 1).u32(gap.count);
  return writeU64(writeU64(body, gap.first), gap.last).finish();
}

function decodeGapBody(fields: Reader): NativeGap | undefined {
  const group = readText(fields, fields.u8());
  const reason = GAP_REASONS[fields.u8() - 1];
  if (reason === undefined) return undefined;
  return { kind: "gap", group, reason, count: fields.u32(), first: readU64(fields), last: readU64(fields) };
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

function ticketField(ticket: Uint8Array): Uint8Array {
  const field = new Uint8Array(TICKET_BYTES);
  field.set(ticket.subarray(0, TICKET_BYTES));
  return field;
}
