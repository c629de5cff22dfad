import type { Service } from "../ordering/service.ts";

/** A message that a session gives to the ordered transport. The bytes are given away: never changed afterwards. */
export type Submission = {
  readonly session: number;
  /** 0 … 15; a greater one is sent before a lesser one of other sessions, never out of order in its own. */
  readonly priority: number;
  readonly service: Service;
  readonly content: number;
  /** The payload in order, in one or several pieces. */
  readonly pieces: readonly Uint8Array[];
};

/** The ordered transport, as the session layer sees it. Methods only, as in `RingOutbox`. */
export interface OrderedTransport {
  submit(submission: Submission): void;
  /** Too much is queued for the ring: read nothing more from sessions until `Sessions.uncongested` is called. */
  isCongested(): boolean;
  /** Bytes of this session that are queued for the ring. Nobody tells when they become less: ask after each turn. */
  queuedBytesOf(session: number): number;
}
