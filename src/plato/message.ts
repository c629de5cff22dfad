import type { MessageId } from "../wire/plato/bodies.ts";

/** A message as it is handed over. */
export type OrderedMessage = MessageId & {
  readonly payload: Uint8Array;
  /** Its place in the order of the group; ascending, but some places may be left out. Of an optimistic delivery: the place that it will likely have. */
  readonly position: number;
  /** The place is the sequencer's; it may be another one if the sequencer fails. */
  readonly isOrdered: boolean;
};

/** A message that is here and that not all members are known to have. */
export type Message = MessageId & {
  readonly key: string;
  readonly view: number;
  readonly payload: Uint8Array;
  /** When it came, or would have come if it had not been lost. */
  readonly at: number;
  /** It came as it was sent; else its time is a guess. */
  readonly isExact: boolean;
  isSuspect: boolean;
  isShown: boolean;
};
