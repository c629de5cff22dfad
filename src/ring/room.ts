/** What may be stamped at a visit of the token: for the packet that is filled, and those after it. */
export type Room = {
  /** Packets, this one included, that may be stamped now. */
  readonly packets: number;
  /** Packets that might be stamped at a visit at which nothing was before. */
  readonly packetsMax: number;
  /** Whether a packet for other sites may be stamped as well; one for this site alone may. */
  readonly isWide: boolean;
};

/** For a packet of its own. */
export const ANY_ROOM: Room = { packets: 1, packetsMax: 1, isWide: true };
