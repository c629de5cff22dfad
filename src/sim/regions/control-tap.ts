import type { NodeId } from "../../base/ids.ts";
import { kindOf, NodeKind, originOf } from "../../wire/region/head.ts";
import { decodeLinkData, type LinkData } from "../../wire/region/link.ts";
import { decodeRegionMessage, type RegionMessage } from "../../wire/region/message.ts";
import type { RegionToken } from "../../wire/region/token.ts";

type Partial = { readonly bytes: Uint8Array; missing: number; readonly offsets: Set<number> };

/** Messages to, or from, one node: those that are whole, and the pieces of others. */
class Whole {
  readonly #numbers = new Set<number>();
  readonly #partial = new Map<number, Partial>();

  /** The bytes of the message, if the piece completes it, for the first time. */
  add({ message, offset, total, bytes }: LinkData): Uint8Array | undefined {
    if (this.#numbers.has(message)) return undefined;
    const whole = bytes.length === total ? bytes : this.#assembled(message, offset, total, bytes);
    if (whole !== undefined) this.#numbers.add(message);
    return whole;
  }

  #assembled(message: number, offset: number, total: number, bytes: Uint8Array): Uint8Array | undefined {
    let partial = this.#partial.get(message);
    if (partial === undefined) {
      partial = { bytes: new Uint8Array(total), missing: total, offsets: new Set() };
      this.#partial.set(message, partial);
    }
    if (partial.offsets.has(offset)) return undefined;
    partial.offsets.add(offset);
    partial.bytes.set(bytes, offset);
    partial.missing -= bytes.length;
    if (partial.missing > 0) return undefined;
    this.#partial.delete(message);
    return partial.bytes;
  }
}

/** Reads what nodes tell each other over their links from the datagrams that carry it. */
export class ControlTap {
  readonly #me: NodeId;
  readonly #sent = new Map<NodeId, Whole>();
  readonly #come = new Map<NodeId, Whole>();

  constructor(me: NodeId) {
    this.#me = me;
  }

  /** A datagram that leaves; returns the message that is thereby sent completely, for the first time. */
  sent(datagram: Uint8Array): { readonly to: NodeId; readonly message: RegionMessage } | undefined {
    if (kindOf(datagram) !== NodeKind.linkData) return undefined;
    const data = decodeLinkData(datagram);
    if (data === undefined) return undefined;
    const bytes = wholeOf(this.#sent, data.receiver).add(data);
    const message = bytes === undefined ? undefined : decodeRegionMessage(bytes);
    return message === undefined ? undefined : { to: data.receiver, message };
  }

  /** A datagram that has come: the token that it completes, for the first time. */
  token(datagram: Uint8Array): RegionToken | undefined {
    if (kindOf(datagram) !== NodeKind.linkData) return undefined;
    const data = decodeLinkData(datagram);
    // What is for an earlier life of the machine is not for this one.
    if (data === undefined || data.receiver !== this.#me) return undefined;
    const bytes = wholeOf(this.#come, originOf(datagram)).add(data);
    const message = bytes === undefined ? undefined : decodeRegionMessage(bytes);
    return message?.kind === "token" ? message : undefined;
  }
}

function wholeOf(byNode: Map<NodeId, Whole>, node: NodeId): Whole {
  let whole = byNode.get(node);
  if (whole === undefined) byNode.set(node, (whole = new Whole()));
  return whole;
}
