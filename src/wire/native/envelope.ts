import { getU32, setU32, setU64 } from "../bytes.ts";

/**
 * The envelopes of the native session protocol (docs/protocols/native-session.md), and those of them that are written for every
 * message: they are written in place, a frame goes behind its head as it is.
 *
 *     0 length u32 (of what follows this word) · 4 kind u8 · 5 flags u8 · 6 reserved u16 · 8 body
 */

/** What a native client sends before its first envelope. */
export const PREFACE: Uint8Array = Uint8Array.of(0xa6, 0x41, 0x4d, 0x47);
/** The first byte of a native client; Spread clients begin below 0x80. */
export const PREFACE_FIRST = 0xa6;

/** Version of this protocol, in HELLO and WELCOME. */
export const NATIVE_VERSION = 1;
/** Bytes before an envelope's body. */
export const ENVELOPE_BYTES = 8;
/** Bytes that an envelope may have besides the data of its frame: head, groups, names. */
export const ENVELOPE_HEAD_MAX = 65_536;
export const TOKEN_BYTES = 16;
/** A token, and which session of its client is meant: delivery numbers are those of one session. */
export const TICKET_BYTES = TOKEN_BYTES + 8;
/** Data that one message may have unless the daemon says otherwise. */
export const DEFAULT_PAYLOAD_BYTES_MAX = 16 * 1024 * 1024;

export const Kind = {
  hello: 1,
  welcome: 2,
  refused: 3,
  send: 4,
  accepted: 5,
  delivered: 6,
  deliver: 7,
  ack: 8,
  gap: 9,
  goAway: 10,
  ping: 11,
  pong: 12,
  status: 13,
  statusReport: 14,
  groupRefused: 15,
  configuration: 16,
  nodeStatistics: 17,
} as const;

/** Flags of a DELIVER; the first one also of a CONFIGURATION. */
export const DeliverFlag = {
  /** The view in this frame belongs to a primary configuration; the daemon's configuration is primary. */
  primary: 1,
  /** The receiver sent this message itself: its number stands before the frame. */
  own: 2,
} as const;

/** Flags of a WELCOME. */
export const WelcomeFlag = {
  /** The daemon's configuration is primary. */
  primary: 1,
  /** NODE_STATISTICS is welcome here; a daemon that does not know it ends the session. */
  statistics: 2,
  /** After KILL the client still gets DELIVERED for what it sent, and for the KILL itself; other daemons just close. */
  answersKill: 4,
} as const;

/** Flag of a STATUS: all regions and nodes are wanted, not only the largest. Who does not know it answers as without. */
export const STATUS_WHOLE = 1;

/** Bytes of a SEND before its frame: the envelope's head and the number. */
export const SEND_HEAD_BYTES = ENVELOPE_BYTES + 8;
/** Bytes of a DELIVER before its frame; eight more if it has its own number. */
export const DELIVER_HEAD_BYTES = ENVELOPE_BYTES + 8;
/** Bytes of ACCEPTED, DELIVERED, ACK, PING and PONG. */
export const NUMBER_ENVELOPE_BYTES = ENVELOPE_BYTES + 8;

/** The length of the whole envelope at `offset`; its eight first bytes must be there. */
export function envelopeBytes(bytes: Uint8Array, offset: number): number {
  return 4 + getU32(bytes, offset);
}

/** Writes the eight first bytes of an envelope with a body of this length. */
export function writeEnvelope(bytes: Uint8Array, offset: number, kind: number, flags: number, bodyBytes: number): void {
  setU32(bytes, offset, bodyBytes + 4);
  bytes[offset + 4] = kind;
  bytes[offset + 5] = flags;
  bytes[offset + 6] = 0;
  bytes[offset + 7] = 0;
}

/** What a SEND has before its frame (16 bytes), newly allocated. */
export function sendHead(number: number, frameBytes: number): Uint8Array {
  const head = new Uint8Array(SEND_HEAD_BYTES);
  writeEnvelope(head, 0, Kind.send, 0, 8 + frameBytes);
  setU64(head, ENVELOPE_BYTES, number);
  return head;
}

/**
 * Writes what a DELIVER has before its frame, and returns how many bytes that is: 16, or 24 with the receiver's own number
 * for the message (0: another's message).
 */
export function writeDeliverHead(
  bytes: Uint8Array,
  offset: number,
  deliveryNumber: number,
  ownNumber: number,
  primary: boolean,
  frameBytes: number,
): number {
  const own = ownNumber > 0;
  const flags = (primary ? DeliverFlag.primary : 0) | (own ? DeliverFlag.own : 0);
  writeEnvelope(bytes, offset, Kind.deliver, flags, (own ? 16 : 8) + frameBytes);
  setU64(bytes, offset + ENVELOPE_BYTES, deliveryNumber);
  if (own) setU64(bytes, offset + DELIVER_HEAD_BYTES, ownNumber);
  return own ? DELIVER_HEAD_BYTES + 8 : DELIVER_HEAD_BYTES;
}

/** Writes an ACCEPTED, DELIVERED or ACK (16 bytes). */
export function writeNumberEnvelope(bytes: Uint8Array, offset: number, kind: number, number: number): void {
  writeEnvelope(bytes, offset, kind, 0, 8);
  setU64(bytes, offset + ENVELOPE_BYTES, number);
}

/** An envelope around a body, newly allocated. */
export function encodeEnvelope(kind: number, flags: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(ENVELOPE_BYTES + body.length);
  writeEnvelope(bytes, 0, kind, flags, body.length);
  bytes.set(body, ENVELOPE_BYTES);
  return bytes;
}
