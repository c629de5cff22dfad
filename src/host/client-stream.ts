/** Bytes queued towards a client beyond which `write` asks to wait. */
export const WRITE_HIGH_WATER_BYTES = 256 * 1024;

/** The daemon's end of one client's connection, whatever carries it. */
export interface ClientStream {
  /** It is in the list of those that have something to hand over. */
  isDirty: boolean;
  /** Nothing is written any more. */
  readonly isEnding: boolean;
  /** Bytes that `flush` hands over. */
  readonly gathered: number;
  /** Bytes that were written and that the client's side has not taken. */
  readonly buffered: number;
  /** Queues bytes, which are given away. False: the client is slow. */
  write(bytes: Uint8Array): boolean;
  /** Hands over what was written. */
  flush(): void;
  pause(): void;
  resume(): void;
  /** Ends after what was handed over has left, or when that takes too long. */
  end(): void;
  /** The same, when the whole daemon ends. */
  finish(): void;
  /** Ends at once. */
  drop(): void;
}
