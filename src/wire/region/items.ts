import { bodyEndOf } from "./head.ts";

/*
 * What a packet brings to its groups stands in items, one behind the other to the end of the body:
 *
 *   varint groupIndex · 4 + (not first? 1) + (not last? 2)   varint length   bytes
 *
 * groupIndex: the group's place in the `groups` of the packet's region view. A message that does not fit is cut into consecutive pieces
 * of its sender and group; the first piece lacks bit 0, the last one bit 1, a whole message has neither. Varints have at most
 * three bytes: with 8,192 groups a short message has at most four bytes of head, one of 1,000 bytes five.
 */

const NOT_FIRST = 1;
const NOT_LAST = 2;
const VARINT_BITS_MAX = 21;

/** A region view cannot have more groups: an index above would not fit. */
export const ITEM_GROUPS_MAX = 2 ** (VARINT_BITS_MAX - 2);

/** Bytes before the data of an item of this length. */
export function itemHeadBytes(groupIndex: number, length: number): number {
  return varintBytes(groupIndex * 4) + varintBytes(length);
}

/** How many bytes of data fit into `room` behind an item's head; negative if not even an empty item does. */
export function itemBytesMax(groupIndex: number, room: number): number {
  const left = room - varintBytes(groupIndex * 4) - 1;
  if (left < 0x80) return left;
  return left - 1 < 0x4000 ? left - 1 : left - 2;
}

/** Writes an item's head at `at` and returns where its data goes. */
export function writeItemHead(
  bytes: Uint8Array,
  at: number,
  groupIndex: number,
  isFirst: boolean,
  isLast: boolean,
  length: number,
): number {
  const ends = (isFirst ? 0 : NOT_FIRST) + (isLast ? 0 : NOT_LAST);
  return setVarint(bytes, setVarint(bytes, at, groupIndex * 4 + ends), length);
}

/** A cursor over the items of a packet: its fields are those of the current one. Reused, never kept. */
export class ItemCursor {
  #bytes: Uint8Array = EMPTY;
  #at = 0;
  #end = 0;
  groupIndex = 0;
  isFirst = false;
  isLast = false;
  /** The item's data: `dataStart` … `next`. */
  dataStart = 0;
  next = 0;

  /** Goes before the first item of a checked packet; `at`: `itemsAt` or `hybridItemsAt`. */
  open(packet: Uint8Array, at: number): void {
    this.#bytes = packet;
    this.#end = bodyEndOf(packet);
    this.next = at;
  }

  /** Moves to the next item; false at the end, and at anything malformed. */
  advance(): boolean {
    if (this.next >= this.#end) return false;
    this.#at = this.next;
    const group = this.#varint();
    const length = this.#varint();
    if (group < 0 || length < 0 || this.#at + length > this.#end) return false;
    this.groupIndex = group >>> 2;
    this.isFirst = (group & NOT_FIRST) === 0;
    this.isLast = (group & NOT_LAST) === 0;
    this.dataStart = this.#at;
    this.next = this.#at + length;
    return true;
  }

  /** A view of the item's data. */
  data(): Uint8Array {
    return this.#bytes.subarray(this.dataStart, this.next);
  }

  /** −1: malformed. */
  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < VARINT_BITS_MAX && this.#at < this.#end; shift += 7) {
      const byte = this.#bytes[this.#at++] as number;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return -1;
  }
}

function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  return value < 0x4000 ? 2 : 3;
}

function setVarint(bytes: Uint8Array, at: number, value: number): number {
  while (value >= 0x80) {
    bytes[at++] = value | 0x80;
    value >>>= 7;
  }
  bytes[at] = value;
  return at + 1;
}

const EMPTY = new Uint8Array(0);
