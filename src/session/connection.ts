import type { Assembler } from "./assembler.ts";
import type { ConnectionNumber, Peer } from "./outbox.ts";
import type { Session } from "./session.ts";
import type { SpreadHandshake } from "./spread-handshake.ts";

/** One connection, from its arrival until both sides are done with it. */
export class Connection {
  readonly number: ConnectionNumber;
  readonly peer: Peer;
  /** `closing`: nothing that arrives counts any more. */
  phase: "handshake" | "session" | "closing" = "handshake";
  /** When the handshake has to be complete. */
  deadline: number;
  /** What has arrived of the handshake and was not used yet. */
  early: Uint8Array = new Uint8Array(0);
  protocol: "unknown" | "spread" | "native" = "unknown";
  /** Of a Spread client that is not in a session yet. */
  handshake: SpreadHandshake | undefined;
  /** The native client's preface has been read. */
  prefaced = false;
  /** The name that it has reserved. */
  user: string | undefined;
  /** Everything is in order but its name, which is about to be free. */
  awaitsName = false;
  session: Session | undefined;
  assembler: Assembler | undefined;
  /** What the assembler refused, for the log. */
  fault = "";
  /** The host has been told not to read. */
  paused = false;
  /** In the list of those who wait to go on. */
  stalled = false;
  /** It waits because it had more to read than may be. */
  wasFull = false;
  /** The host has closed it: no verb may name it any more. */
  gone = false;
  /** Takes more at once. */
  writable = true;

  constructor(number: ConnectionNumber, peer: Peer, deadline: number) {
    this.number = number;
    this.peer = peer;
    this.deadline = deadline;
  }
}
