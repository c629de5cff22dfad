import type { DaemonId } from "../base/ids.ts";
import { FragmentCursor } from "../wire/fragment.ts";
import type { Announcement } from "../wire/interest.ts";
import { RING_DATA_HEAD_BYTES, type RingPacket } from "../wire/ring-data.ts";

/**
 * What the daemons of a configuration have announced (wire/interest.ts), noted as soon as the packet is held: which of them want the messages of a group, beside
 * those that have members of it. In whatever order their words come, the greater number counts.
 */
export class Interests {
  readonly #groups = new Map<string, Map<DaemonId, { wanted: number; withdrawn: number }>>();
  #version = 0;

  /** Changes whenever somebody wants more than before. */
  get version(): number {
    return this.#version;
  }

  /** How many groups anybody wants: no more than the daemons have members in, ask to join, and have left last (`OwnInterests`). */
  get groups(): number {
    return this.#groups.size;
  }

  /** Notes what a packet announces, as far as `decode` takes a whole message for an announcement. */
  noteAll(
    { origin, bytes, end }: RingPacket,
    decode: (content: number, payload: Uint8Array) => Announcement | undefined,
  ): void {
    const fragment = new FragmentCursor();
    fragment.open(bytes, RING_DATA_HEAD_BYTES, end);
    while (fragment.advance()) {
      const said = fragment.isWhole ? decode(fragment.content, fragment.data()) : undefined;
      if (said !== undefined) this.note(origin, said);
    }
  }

  note(daemon: DaemonId, { number, wants, group }: Announcement): void {
    let daemons = this.#groups.get(group);
    if (daemons === undefined) {
      // What it withdraws it had announced in an earlier configuration.
      if (!wants) return;
      daemons = new Map();
      this.#groups.set(group, daemons);
    }
    const said = daemons.get(daemon) ?? { wanted: 0, withdrawn: 0 };
    daemons.set(daemon, said);
    if (!wants) said.withdrawn = Math.max(said.withdrawn, number);
    else if (number > said.wanted) {
      said.wanted = number;
      this.#version++;
    }
    // It was told of all that it wanted before it may withdraw that: nothing older comes any more.
    if (said.withdrawn >= said.wanted && said.wanted > 0) daemons.delete(daemon);
    if (daemons.size === 0) this.#groups.delete(group);
  }

  /** Whether a daemon for which that is so wants the messages of the group. */
  has(group: string, isSo: (daemon: DaemonId) => boolean): boolean {
    const daemons = this.#groups.get(group);
    if (daemons === undefined) return false;
    for (const [daemon, { wanted, withdrawn }] of daemons) if (wanted > withdrawn && isSo(daemon)) return true;
    return false;
  }
}
