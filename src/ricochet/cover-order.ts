import { assert } from "../base/assert.ts";
import { Random } from "../base/random.ts";
import type { PacketId } from "../wire/timely/data.ts";
import { hashOf } from "./bins.ts";

/** Orders that differ by more than where they begin. With 9 others, 144 in all, of which the 5 who cover a packet can be chosen in 126 ways. */
const ORDERS = 16;

/**
 * In which order the other members of a group cover a packet at one of them: the first c of them do. All members work it out alike, from the packet's
 * id and their places among the members. Who they are differs between packets as much as it can, so that two packets which are lost together are seldom
 * in the same repairs everywhere; and each comes first equally often.
 */
export class CoverOrder {
  readonly #others: number;
  /** ORDERS permutations of the others, one behind the other. */
  readonly #ranks: Uint16Array;

  /** Of groups with so many other members. */
  constructor(others: number) {
    assert(others >= 1 && others <= 0xffff, "a group has some other members, and not too many to count in 16 bits");
    this.#others = others;
    const random = new Random(others);
    const places = Array.from({ length: others }, (_, i) => i);
    this.#ranks = Uint16Array.from(Array.from({ length: ORDERS }, () => random.shuffle([...places])).flat());
  }

  /** Which order is this packet's, and with whom it begins: for `rankOf`. */
  turnOf(id: PacketId): number {
    const hash = hashOf(id);
    return ((hash >>> 16) % ORDERS) * this.#others + (hash % this.#others);
  }

  /** How many come before the member at this distance, 0 … others − 1, from the one that is repaired. */
  rankOf(turn: number, distance: number): number {
    const others = this.#others;
    const from = turn % others;
    return this.#ranks[turn - from + ((from + distance) % others)] as number;
  }
}
