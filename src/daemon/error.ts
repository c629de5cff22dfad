/** Stable codes to branch on; messages are for people and may change. */
export type DaemonErrorCode =
  /** A file that the configuration names is missing or wrong. */
  | "FILE"
  /** The segment's multicast group cannot be joined, and the configuration allows nothing else. */
  | "MULTICAST"
  /** The state directory cannot be written, or what is kept there cannot be read. */
  | "STATE"
  /** The Unix socket for clients cannot be made. */
  | "UNIX_SOCKET"
  /** The datagram path that was demanded is not possible here. */
  | "DATAGRAMS";

/** Why a daemon could not start, where it is neither the configuration's text nor a system call by itself. */
export class DaemonError extends Error {
  override readonly name = "DaemonError";
  readonly code: DaemonErrorCode;
  constructor(code: DaemonErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
