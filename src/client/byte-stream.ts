import type { Address } from "./address.ts";
import type { NodeWorld } from "./scalable/node-world.ts";

/** A byte stream to a daemon, as the client sees it. */
export interface ByteStream {
  /** Takes the bytes for good. False when enough is buffered: then `drained` is called once there is room again. */
  write(bytes: Uint8Array): boolean;
  /** Stops and resumes `data`. */
  pause(): void;
  resume(): void;
  /** Ends after what has been written. `closed` follows when the other side has ended too. */
  end(): void;
  /** Ends at once. `closed` follows. */
  destroy(): void;
  /** This end's address, a number, where the stream has one. */
  readonly localAddress?: string | undefined;
}

/** What a byte stream tells. Nothing is called from within `Transport.open` itself, and nothing after `closed`. */
export interface StreamListener {
  opened(): void;
  /** The bytes are given away: never changed afterwards. */
  data(bytes: Uint8Array): void;
  drained(): void;
  /** Exactly once, also when the stream could not be opened: then with a reason. */
  closed(reason: string | undefined): void;
}

/**
 * All that the client needs from the world, so that it runs over sockets as well as inside a simulator: streams, a
 * clock, timers and chance.
 */
export interface Transport {
  open(address: Address, listener: StreamListener): ByteStream;
  /** Milliseconds of a monotonic clock. */
  now(): number;
  /**
   * Calls back at `at` or soon after; returns what cancels it. Where the world has processes that end by themselves, this one must not while
   * the alarm `isAwaited`, which it is when nothing else happens until then; other alarms must not keep it.
   */
  alarm(at: number, callback: () => void, isAwaited?: boolean): () => void;
  /** A number of [0, 1), for the jitter of retries. */
  random(): number;
  /** What makes nodes; without it there are no scalable groups. */
  readonly nodes?: NodeWorld;
}
