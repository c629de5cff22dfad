import type { NativeConfiguration, NativeGap, Resumption } from "../wire/native/messages.ts";
import type { Outgoing } from "./outgoing.ts";

/** How a daemon greets a session. */
export type Greeting = {
  readonly privateGroup: string;
  /** What has become of the session that this client had before. */
  readonly resumption: Resumption;
  /** Whether the daemon's configuration is primary; `undefined` with a stock Spread daemon. */
  readonly primary: boolean | undefined;
  /** What resumes this session; `undefined` with a stock Spread daemon. */
  readonly ticket: Uint8Array | undefined;
  /** The greatest of this client's numbers that has been ordered. */
  readonly lastOrdered: number;
  /** Whether the daemon tells what becomes of that which is under way when a KILL is, and answers the KILL itself. */
  readonly answersKill: boolean;
  /** What one message's data may amount to. */
  readonly payloadBytesMax: number;
  /** What the daemon delivers ahead of acknowledgements; 0: there are none. */
  readonly windowBytes: number;
  /** Other daemons, as `port@host`. */
  readonly daemons: readonly string[];
};

/** What a link tells its host (the engine). */
export interface LinkHost {
  /** Bytes for the daemon, given away. False when enough is buffered. */
  write(bytes: Uint8Array): boolean;
  greeted(greeting: Greeting): void;
  /**
   * A frame for the application. `delivery` is its number (0 without numbers), `own` this client's number for its own
   * message, or 0.
   */
  frame(
    bytes: Uint8Array,
    at: number,
    length: number,
    delivery: number,
    own: number,
    primary: boolean | undefined,
  ): void;
  acceptedUpTo(number: number): void;
  delivered(number: number): void;
  gap(gap: NativeGap): void;
  configuration(configuration: NativeConfiguration): void;
  groupRefused(number: number, group: string, text: string): void;
  goAway(text: string): void;
  /** The daemon does not want this session. */
  refused(code: number, text: string): void;
  /** Something else than this protocol is spoken there. */
  foreign(): void;
  /** What came is malformed. */
  broken(what: string): void;
}

/** One byte stream to one daemon, in one of the two protocols. Its methods are called by the engine only. */
export interface Link {
  readonly protocol: "native" | "spread";
  /** The stream is open: begins the handshake. */
  open(): void;
  receive(chunk: Uint8Array): void;
  /** Encodes and writes; false when enough is buffered. Bytes may wait for `flush`. */
  send(outgoing: Outgoing, sender: string): boolean;
  /** Writes what `send` has gathered. */
  flush(): boolean;
  /** Tells what the application has consumed. */
  acknowledge(delivery: number): void;
  /** Tells what the client's node counts; nothing where the protocol has no nodes. */
  report(statistics: Uint8Array): void;
  /** Asks for a sign of life; false if this protocol cannot. */
  ping(): boolean;
}

/** What both handshakes need. */
export type Identity = {
  readonly name: string;
  /** 0 … 15. */
  readonly priority: number;
  /** For daemons that ask for a password. */
  readonly credentials: { readonly user: string; readonly password: string } | undefined;
};
