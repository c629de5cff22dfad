import type { NativeConfiguration, NativeGap, Resumption } from "../wire/native/messages.ts";
import type { Address } from "./address.ts";
import type { GroupError } from "./errors.ts";
import type { Outgoing } from "./outgoing.ts";

/** The connection's end of a session with a daemon, as the engine tells it. */
export type SessionUp = {
  readonly address: string;
  readonly protocol: "native" | "spread";
  readonly privateGroup: string;
  readonly payloadBytesMax: number;
  /** The daemons that a client may go to, as `port@host`. */
  readonly daemons: readonly string[];
  /** The first session of this connection. */
  readonly first: boolean;
  /** What has become of the session before; `new` where there was none. */
  readonly resumption: Resumption;
  /** Whether the daemon's configuration is primary, where that is told. */
  readonly primary: boolean | undefined;
};

/** What the engine asks of its host: a byte stream, at most one at a time, and to be told. */
export interface EngineHost {
  open(address: Address): void;
  write(bytes: Uint8Array): boolean;
  /** Ends the stream after what has been written. */
  end(): void;
  /** Ends the stream at once; `closed` need not follow. */
  destroy(): void;
  up(session: SessionUp): void;
  down(reason: string): void;
  frame(
    bytes: Uint8Array,
    at: number,
    length: number,
    delivery: number,
    own: number,
    primary: boolean | undefined,
  ): void;
  gap(gap: NativeGap): void;
  /** The daemon has another configuration; a delivery. */
  configuration(configuration: NativeConfiguration): void;
  /** The join of this number was refused. It may be told again, long after. */
  groupRefused(number: number, group: string, text: string): void;
  /** Written to a stock daemon, which will not say what becomes of it. */
  sentWithoutReport(outgoing: Outgoing): void;
  /** Whether the stream is being read: while it is not, silence means nothing. */
  isReading(): boolean;
  /** The greatest delivery number up to which everything has been consumed. */
  consumedUpTo(): number;
  /** Whether the program waits for a delivery, so that more have to come though it consumes nothing. */
  awaitsDelivery(): boolean;
  /** Nothing more comes. `undefined`: closed as asked for. */
  ended(error: GroupError | undefined): void;
  random(): number;
}
