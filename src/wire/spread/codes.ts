/** The numbers of the Spread client protocol (spread-client-protocol sections 0 and 4.1). */

/** Bits of a frame's type word. */
export const TypeBit = {
  unreliable: 0x0000_0001,
  reliable: 0x0000_0002,
  fifo: 0x0000_0004,
  causal: 0x0000_0008,
  agreed: 0x0000_0010,
  safe: 0x0000_0020,
  /** The sending session does not want its own copy. */
  selfDiscard: 0x0000_0040,
  causedByJoin: 0x0000_0100,
  /** Without `regular` and `transition`: "you have left". */
  causedByLeave: 0x0000_0200,
  causedByDisconnect: 0x0000_0400,
  causedByNetwork: 0x0000_0800,
  regularMembership: 0x0000_1000,
  transition: 0x0000_2000,
  join: 0x0001_0000,
  leave: 0x0002_0000,
  kill: 0x0004_0000,
  reject: 0x0040_0000,
} as const;

/** Any of the six services. */
export const SERVICE_BITS = 0x0000_003f;
/** Services and requests: a client's frame has exactly one of them. */
export const REQUEST_BITS = 0x0007_003f;
/** Any of these, in what a daemon sends, makes a membership message. */
export const MEMBERSHIP_BITS = 0x0000_3f00;
/**
 * What no client may set: the bits of membership messages and those that are internal to daemons. The real daemon lets them
 * pass, so that a client can forge a view or stop a daemon (section 4.2).
 */
export const FORBIDDEN_BITS = 0x0078_ff00;
/** Where a word says its byte order: both bits set by a little-endian writer, both clear by a big-endian one. */
export const ENDIAN_MASK = 0x8000_0080;
/** What a hint word may hold: sixteen bits of message type, and the byte order. */
export const HINT_BITS = 0x80ff_ff80;

/** Destination groups that a client's frame may name. */
export const GROUPS_MAX = 100;
/** What a Spread client's data and destinations (32 bytes each) may amount to. */
export const BODY_BYTES_MAX = 143_952;
/** What a client library may safely send to the production daemon, which stops on more (section 6.2). */
export const REAL_DAEMON_BODY_BYTES_MAX = 143_151;

/** What a daemon answers instead of the expected bytes, as a signed byte. */
export const Code = {
  accept: 1,
  /** Too many sessions. */
  rejectQuota: -3,
  rejectNoName: -4,
  rejectIllegalName: -5,
  rejectNotUnique: -6,
  rejectVersion: -7,
  rejectAuth: -9,
  /** Native sessions only: the other side does not keep to the protocol. */
  protocolError: -100,
} as const;
export type RejectCode = (typeof Code)[Exclude<keyof typeof Code, "accept">];

/** The names of the services in the order of their bits, as in `SERVICES` of ordering/. */
const SERVICE_NAMES = ["unreliable", "reliable", "fifo", "causal", "agreed", "safe"] as const;

/** The service that a type word asks for, or `undefined` if it has not exactly one service bit. */
export function serviceOfType(type: number): (typeof SERVICE_NAMES)[number] | undefined {
  const bits = type & SERVICE_BITS;
  if (bits === 0 || (bits & (bits - 1)) !== 0) return undefined;
  return SERVICE_NAMES[31 - Math.clz32(bits)];
}

/** The type bit of a service. */
export function typeOfService(service: (typeof SERVICE_NAMES)[number]): number {
  return TypeBit[service];
}

/** What a type word means to the receiver of a frame; REJECT goes before data, data before membership (section 12). */
export function classOfType(
  type: number,
): "reject" | "data" | "regular" | "transitional" | "selfLeave" | "request" | "other" {
  if (type & TypeBit.reject) return "reject";
  if (type & SERVICE_BITS) return "data";
  if (type & TypeBit.regularMembership) return "regular";
  if (type & TypeBit.transition) return "transitional";
  if (type & TypeBit.causedByLeave) return "selfLeave";
  if (type & REQUEST_BITS) return "request";
  return "other";
}
