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
} as const;
