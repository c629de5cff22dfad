import { DEFAULT_PAYLOAD_BYTES_MAX } from "../wire/native/envelope.ts";
import type { AccessRules } from "./access.ts";

/** The ways of authentication of the Spread client protocol. */
export type Method = "NULL" | "IP" | "PWORD";

export type SessionOptions = {
  /** This daemon's name, as in private groups: 1 … 19 characters from `$` to `~`. */
  readonly daemon: string;
  /** Connections at a time (Spread: 997). */
  readonly sessionsMax: number;
  /** What clients may choose from, in the order in which it is offered. NULL first: some clients look no further. */
  readonly allowedMethods: readonly Method[];
  /** What every client has to pass besides. */
  readonly requiredMethods: readonly Method[];
  /** Addresses that IP lets in. */
  readonly access: AccessRules;
  readonly handshakeTimeoutMs: number;
  /**
   * Deliveries that may wait for a Spread client that does not read (MaxSessionMessages). From half of them on the policies of
   * their groups count.
   */
  readonly queueMessagesMax: number;
  /** The same for a native client. */
  readonly nativeQueueMessagesMax: number;
  /** How long the groups of a client that is behind wait for it, by the policy `expel`, before it is ended; 0: not at all. */
  readonly slowPatienceMs: number;
  /** Bytes that may wait for any client; one message more than that may. */
  readonly queueBytesMax: number;
  /** Bytes of deliveries written to a native client ahead of its acknowledgements; one message more than that may be. */
  readonly deliveryWindowBytes: number;
  /** Bytes of deliveries kept for a native client that is away. */
  readonly retentionBytesMax: number;
  /** The same for all of them together, with what others have not acknowledged: who is away longest gives way first. */
  readonly retentionTotalBytesMax: number;
  /** How long a native session outlives its connection. */
  readonly graceMs: number;
  /** Data of a native client's message. */
  readonly payloadBytesMax: number;
};

export const DEFAULT_SESSION_OPTIONS: Omit<SessionOptions, "daemon"> = {
  sessionsMax: 997,
  allowedMethods: ["NULL"],
  requiredMethods: [],
  access: [],
  handshakeTimeoutMs: 5_000,
  queueMessagesMax: 1_000,
  nativeQueueMessagesMax: 20_000,
  slowPatienceMs: 1_000,
  queueBytesMax: 32 * 1024 * 1024,
  deliveryWindowBytes: 4 * 1024 * 1024,
  retentionBytesMax: 8 * 1024 * 1024,
  retentionTotalBytesMax: 64 * 1024 * 1024,
  graceMs: 30_000,
  payloadBytesMax: DEFAULT_PAYLOAD_BYTES_MAX,
};
