import type { Network } from "../machine/network.ts";
import type { Interest } from "../ordering/interest.ts";
import type { OutgoingMessage } from "../ordering/message.ts";
import type { Upcalls } from "../ordering/upcall.ts";
import type { Announcement } from "../wire/interest.ts";
import type { EvsEvent } from "./events.ts";

/** What a daemon's membership and ordering ask of their host. None of it may call back into `Evs` but `send`. */
export interface EvsOutbox extends Network, Upcalls {
  /** For logs and tools. */
  event(event: EvsEvent, now: number): void;
  /** The message's last fragment has been stamped: it is part of the total order of the current configuration. */
  assigned?(message: OutgoingMessage, interest: Interest): void;
  /** Who has to have a message in the current configuration, as far as what was delivered here tells. Without it all messages go to all sites. */
  interest?(message: OutgoingMessage): Interest;
  /** What a message of a packet that announces something says, if it is an announcement. Told before it is delivered. */
  announcement?(content: number, payload: Uint8Array): Announcement | undefined;
}
