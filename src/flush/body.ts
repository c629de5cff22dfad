import { readWord, writeWord } from "../wire/spread/frame.ts";
import type { ViewId } from "../wire/spread/membership.ts";
import { NAME_BYTES, nameField, readName } from "../wire/spread/names.ts";

/*
 * What the flush layer adds to Spread messages (spread-client-protocol section 7). Integers are in the byte order of
 * the message's hint word: ours are little endian, a received one may be big.
 *
 *   FLUSH_OK, FLUSH_RECV:  viewId 12 (three int32)
 *   VULNERABLE:            user data, type i16, viewId 12
 *   subgroup cast:         the body as above, group name 32 (zero padded)
 */

/** Message types that belong to the flush layer; a user's own types are greater. */
export const FlushType = { ok: -32768, recv: -32767, vulnerable: -32766 } as const;

/** The least message type that a user of the flush layer may send. */
export const USER_TYPE_MIN = -32765;

/** Service bit of a message to some members of a group by their private names. It travels on the wire. */
export const SUBGROUP_CAST = 0x4000_0000;

const VIEW_ID_SIZE = 12;
const VULNERABLE_SIZE = 2 + VIEW_ID_SIZE;

export function encodeViewId(id: ViewId): Uint8Array {
  const bytes = new Uint8Array(VIEW_ID_SIZE);
  writeViewId(bytes, 0, id);
  return bytes;
}

/** What goes behind the user data of a vulnerable message, as a piece of its own: the data is not copied. */
export function vulnerableTrailer(type: number, id: ViewId): Uint8Array {
  const bytes = new Uint8Array(VULNERABLE_SIZE);
  bytes[0] = type;
  bytes[1] = type >>> 8;
  writeViewId(bytes, 2, id);
  return bytes;
}

/** The last piece of a subgroup cast: the group whose view the receivers belong to. */
export function subgroupTrailer(group: string): Uint8Array {
  return nameField(group);
}

/** A message as the flush layer reads it. The payload is a view of the bytes it was decoded from. */
export type FlushBody =
  | { readonly kind: "ok" | "recv"; readonly id: ViewId }
  | {
      readonly kind: "data";
      readonly type: number;
      readonly payload: Uint8Array;
      /** The sender's view, where it could not be sure that the receivers have it already. */
      readonly vulnerableIn: ViewId | undefined;
      /** The group that a subgroup cast refers to. */
      readonly subgroup: string | undefined;
    };

/** Takes a received message apart; `undefined` if its body is too short for what its type says. */
export function decodeBody(
  type: number,
  subgroupCast: boolean,
  littleEndian: boolean,
  bytes: Uint8Array,
): FlushBody | undefined {
  if (type === FlushType.ok || type === FlushType.recv) {
    if (bytes.length !== VIEW_ID_SIZE) return undefined;
    return { kind: type === FlushType.ok ? "ok" : "recv", id: readViewId(bytes, 0, littleEndian) };
  }
  let end = bytes.length;
  let subgroup: string | undefined;
  if (subgroupCast) {
    end -= NAME_BYTES;
    if (end < 0) return undefined;
    subgroup = readName(bytes, end);
  }
  if (type !== FlushType.vulnerable) {
    return { kind: "data", type, payload: bytes.subarray(0, end), vulnerableIn: undefined, subgroup };
  }
  end -= VULNERABLE_SIZE;
  if (end < 0) return undefined;
  const vulnerableIn = readViewId(bytes, end + 2, littleEndian);
  return {
    kind: "data",
    type: littleEndian ? int16(bytes, end, end + 1) : int16(bytes, end + 1, end),
    payload: bytes.subarray(0, end),
    vulnerableIn,
    subgroup,
  };
}

function writeViewId(bytes: Uint8Array, at: number, id: ViewId): void {
  writeWord(bytes, at, id.leader);
  writeWord(bytes, at + 4, id.time);
  writeWord(bytes, at + 8, id.index);
}

function readViewId(bytes: Uint8Array, at: number, littleEndian: boolean): ViewId {
  return {
    leader: readWord(bytes, at, littleEndian),
    time: readWord(bytes, at + 4, littleEndian),
    index: readWord(bytes, at + 8, littleEndian),
  };
}

function int16(bytes: Uint8Array, low: number, high: number): number {
  return (((bytes[low] as number) | ((bytes[high] as number) << 8)) << 16) >> 16;
}
