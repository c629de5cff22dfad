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

/** The payload in one piece. */
export function wholePayload({ pieces }: OutgoingMessage): Uint8Array {
  const [first, ...others] = pieces;
  if (others.length === 0) return first ?? new Uint8Array(0);
  const payload = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    payload.set(piece, at);
    at += piece.length;
  }
  return payload;
}
