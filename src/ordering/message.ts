/** A message on its way to the ring. Its bytes have been given away and are never changed. */
export type OutgoingMessage = {
  /** Session at this daemon; 0 is the daemon itself. */
  readonly session: number;
  /** 0 … 15; greater is sent earlier. */
  readonly priority: number;
  /** Rank of the service (ordering/service.ts). */
  readonly service: number;
  readonly content: number;
  /** The payload, in order. */
  readonly pieces: readonly Uint8Array[];
};
