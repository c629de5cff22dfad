import { TypeBit } from "../wire/spread/codes.ts";
import { GroupError } from "./errors.ts";
import { Outgoing } from "./outgoing.ts";

/** What is known when a connection has been closed (`Connection.close`). */
export type ClosingReport = {
  /**
   * How many of the messages that were sent to ordered groups are not known to have been delivered: they may have been, or not.
   * `undefined`: the daemon does not tell (a stock Spread daemon, or an earlier native one).
   */
  readonly unconfirmed: number | undefined;
};

/** How a connection is closed. */
export type CloseOptions = {
  /** Ends every wait: what is not confirmed by then is given up. */
  readonly signal?: AbortSignal;
};

/**
 * How long a daemon may take to close after KILL, which has to be ordered first, and then another one in its place: longer than a
 * change of configuration.
 */
const CLOSING_MS = 6_000;

/** The good-bye of a client: a KILL behind all that it has sent, in this session and in each that comes about until it is answered. */
export class Farewell {
  /** The one that was said last. */
  kill: Outgoing;
  #until: number;
  /** Why the daemon was lost that heard it first. */
  #lost: string | undefined;

  constructor(kill: Outgoing, now: number) {
    this.kill = kill;
    this.#until = now + CLOSING_MS;
  }

  /** When nobody waits any more. */
  get until(): number {
    return this.#until;
  }

  /** The daemon is gone, without having answered: from the first one on, others have as long again. */
  lost(reason: string, now: number): void {
    if (this.#lost !== undefined) return;
    this.#lost = reason;
    this.#until = now + CLOSING_MS;
  }

  /** What becomes of a message that nobody has confirmed. */
  unconfirmed(): GroupError {
    const text = "it may have been delivered, or not";
    return this.#lost === undefined
      ? new GroupError("CLOSED", `the connection was closed before a daemon confirmed the message: ${text}`)
      : new GroupError("DISCONNECTED", `the daemon was lost before it confirmed the message (${this.#lost}): ${text}`);
  }
}

/** The KILL of a session. */
export function killOf(privateGroup: string): Outgoing {
  return new Outgoing("kill", TypeBit.kill, [privateGroup]);
}
