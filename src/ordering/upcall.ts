import { joined } from "../base/joined.ts";
import type { ConfigurationId, DaemonId } from "../base/ids.ts";
import type { Service } from "./service.ts";

/**
 * What extended virtual synchrony hands upwards, in one sequence per daemon: messages, transitional and regular
 * configurations. The layers above see nothing else of the daemons.
 */
export interface Upcalls {
  message(delivery: Delivery): void;
  transitional(configuration: TransitionalConfiguration): void;
  regular(configuration: RegularConfiguration): void;
}

/**
 * A delivered message. The payload is a view of memory that is never changed; whoever keeps it keeps that memory. One that lay in the ends of two packets
 * comes as it lay there, in two views: most are only passed on, and to put them together first would copy them once more.
 */
export type Delivery = {
  /** The daemon that multicast it. */
  readonly sender: DaemonId;
  /** The sender's session there, as numbered by its daemon; 0 is the daemon itself. */
  readonly session: number;
  readonly service: Service;
  /** What the payload is, for the layers above (`Content`). */
  readonly content: number;
  /** The payload, or its first part. */
  readonly head: Uint8Array;
  /** The rest of it. */
  readonly tail: Uint8Array | undefined;
};

/** The payload in one piece. */
export function payloadOf({ head, tail }: Delivery): Uint8Array {
  return joined(head, tail);
}

/** A membership of daemons in which new messages are ordered. */
export type RegularConfiguration = {
  readonly kind: "regular";
  readonly id: ConfigurationId;
  /** In the order of the configuration file. */
  readonly members: readonly DaemonId[];
  /** Whether this configuration may decide for the whole system (a majority, or the policy chosen). */
  readonly primary: boolean;
};

/** Those members of the regular configuration before it that go on together into the next one. */
export type TransitionalConfiguration = {
  readonly kind: "transitional";
  readonly id: ConfigurationId;
  readonly members: readonly DaemonId[];
};
