import type { DaemonId } from "../base/ids.ts";
import type { Network } from "../machine/network.ts";
import { routedCopy } from "../wire/prefix.ts";
import type { Layout } from "./layout.ts";

/**
 * Multicast to the members of a ring that may span several segments (protocols.md G42): in the own segment directly; of
 * every other segment one member gets a copy that it multicasts there.
 */
export class Dissemination {
  readonly #network: Network;
  readonly #mySegment: number;
  readonly #local: boolean;
  /** Of other segments: their first member, and whether it has company to route to. */
  readonly #remote: readonly { readonly daemon: DaemonId; readonly routes: boolean }[];

  constructor(me: DaemonId, members: readonly DaemonId[], layout: Layout, network: Network) {
    this.#network = network;
    this.#mySegment = layout.segmentOf(me);
    this.#local = members.some((member) => member !== me && layout.segmentOf(member) === this.#mySegment);
    const bySegment = new Map<number, DaemonId[]>();
    for (const member of members) {
      const segment = layout.segmentOf(member);
      if (segment === this.#mySegment) continue;
      const others = bySegment.get(segment);
      if (others === undefined) bySegment.set(segment, [member]);
      else others.push(member);
    }
    this.#remote = [...bySegment.values()].map((others) => ({
      daemon: others[0] as DaemonId,
      routes: others.length > 1,
    }));
  }

  multicast(bytes: Uint8Array): void {
    if (this.#local) this.#network.multicast(this.#mySegment, "data", bytes);
    for (const { daemon, routes } of this.#remote) {
      this.#network.unicast(daemon, "data", routes ? routedCopy(bytes) : bytes);
    }
  }
}
