/** What the payload of an ordered message is: one byte in each message's header on the wire. */
export const Content = {
  /** A client's message or request, as a Spread client frame with a little-endian header (wire/spread/frame.ts). */
  frame: 0,
  /** The same behind 24 bytes: a native session's token (16) and the message's number (u64, big endian). */
  numberedFrame: 1,
  /** Group state of a set of daemons (groups/). */
  groupState: 2,
  /** A daemon's own announcements to the other daemons' session layers: held groups, forgotten session tokens. */
  notice: 3,
  /** A command of the membership service for regions (cms/command.ts). */
  membership: 4,
  /** Of messages that were not for this site, made up from digests and never sent: for each 24 bytes as before a numbered frame, and how many are ordered (u16). */
  numbers: 5,
  /** A daemon says in which group it is interested (wire/interest.ts). */
  interest: 6,
} as const;

/** Before a numbered frame: token (16 bytes) and number (u64). */
export const NUMBER_HEAD_BYTES = 24;
/** Of one part of `numbers`. */
export const NUMBERS_BYTES = NUMBER_HEAD_BYTES + 2;
