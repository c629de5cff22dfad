import { TypeBit } from "./codes.ts";
import {
  HEADER_BYTES,
  frameBytes,
  groupCountOf,
  readWord,
  isLittleEndian,
  senderOf,
  typeOf,
  writeHeader,
  writeWord,
} from "./frame.ts";
import { NAME_BYTES, readName, writeName } from "./names.ts";

/**
 * Membership messages (spread-client-protocol section 5). A view's body behind the member list:
 *
 *     0 gid (3 × i32) · 12 number of VS sets · 16 offset of the receiver's set from 20 · 20 sets {count u32, names}
 */

/** Identifies a view of a group (Spread's group_id): daemon and time of the configuration, and a count within it. */
export type ViewId = { readonly leader: number; readonly time: number; readonly index: number };

/** Why a view differs from the one before it. */
export type ViewCause = "join" | "leave" | "disconnect" | "network";

/** What a membership message says, in parts. */
export type MembershipMessage =
  | {
      readonly kind: "view";
      readonly cause: ViewCause;
      readonly group: string;
      readonly members: readonly string[];
      readonly id: ViewId;
      /** Members that come from the same earlier view, together; for the other causes one set with who came or went. */
      readonly sets: readonly (readonly string[])[];
      /** Position of the receiver's own set in `sets`, or -1 if the offset names none. */
      readonly ownSet: number;
    }
  /** The view `id` ends: what follows has the guarantees of the transitional configuration. */
  | { readonly kind: "transitional"; readonly group: string; readonly id: ViewId }
  | { readonly kind: "selfLeave"; readonly group: string };

const ID_BYTES = 12;
const OFFSET_WORD = 16;
const SETS = 20;

const CAUSE_BITS: Readonly<Record<ViewCause, number>> = {
  join: TypeBit.causedByJoin,
  leave: TypeBit.causedByLeave,
  disconnect: TypeBit.causedByDisconnect,
  network: TypeBit.causedByNetwork,
};

/** The view after one member came (`join`) or went. The same bytes for every receiver. */
export function encodeLightView(
  cause: Exclude<ViewCause, "network">,
  group: string,
  members: readonly string[],
  id: ViewId,
  who: string,
): Uint8Array {
  return encodeView(cause, group, members, id, [[who]]);
}

/** The view after a change of the network, for the receivers in the first set; see `forSet`. */
export function encodeNetworkView(
  group: string,
  members: readonly string[],
  id: ViewId,
  sets: readonly (readonly string[])[],
): Uint8Array {
  return encodeView("network", group, members, id, sets);
}

/** Offset of the n-th set from where the sets begin: what the receivers in it find in the offset word. */
export function setOffset(sets: readonly (readonly string[])[], n: number): number {
  let offset = 0;
  for (let i = 0; i < n; i++) offset += 4 + (sets[i]?.length ?? 0) * NAME_BYTES;
  return offset;
}

/**
 * The network view for the receivers whose set begins at `offset`: `frame` itself if that is what it says, otherwise a copy
 * with the one word changed. Frames are never changed once they are handed out.
 */
export function forSet(frame: Uint8Array, offset: number): Uint8Array {
  const at = HEADER_BYTES + groupCountOf(frame, 0) * NAME_BYTES + OFFSET_WORD;
  if (readWord(frame, at, true) === offset) return frame;
  const copy = frame.slice();
  writeWord(copy, at, offset);
  return copy;
}

/** The signal that a group's view `id` ends. */
export function encodeTransitional(group: string, id: ViewId): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + ID_BYTES);
  writeHeader(frame, 0, {
    type: TypeBit.transition,
    sender: group,
    groupCount: 0,
    messageType: 0,
    dataBytes: ID_BYTES,
  });
  writeId(frame, HEADER_BYTES, id);
  return frame;
}

/** What a session gets that has left a group. */
export function encodeSelfLeave(group: string): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES);
  writeHeader(frame, 0, { type: TypeBit.causedByLeave, sender: group, groupCount: 0, messageType: 0, dataBytes: 0 });
  return frame;
}

/**
 * Reads a membership message of either byte order; `undefined` if the frame is none or is not well formed. `read` reads the
 * names, each in its field of 32 bytes: who reads many views need not make the same strings again.
 */
export function decodeMembership(frame: Uint8Array, read = readName): MembershipMessage | undefined {
  if (frame.length < HEADER_BYTES || frameBytes(frame, 0, frame.length) !== frame.length) return undefined;
  const type = typeOf(frame, 0);
  if ((type & (TypeBit.reject | 0x3f)) !== 0) return undefined;
  const group = senderOf(frame, 0);
  const littleEndian = isLittleEndian(frame, 0);
  if (type & TypeBit.regularMembership) return decodeView(frame, type, group, littleEndian, read);
  if (type & TypeBit.transition) {
    const at = HEADER_BYTES + groupCountOf(frame, 0) * NAME_BYTES;
    return frame.length < at + ID_BYTES
      ? undefined
      : { kind: "transitional", group, id: readId(frame, at, littleEndian) };
  }
  return type & TypeBit.causedByLeave ? { kind: "selfLeave", group } : undefined;
}

function encodeView(
  cause: ViewCause,
  group: string,
  members: readonly string[],
  id: ViewId,
  sets: readonly (readonly string[])[],
): Uint8Array {
  const body = SETS + setOffset(sets, sets.length);
  const at = HEADER_BYTES + members.length * NAME_BYTES;
  const frame = new Uint8Array(at + body);
  const type = TypeBit.regularMembership | CAUSE_BITS[cause];
  writeHeader(frame, 0, { type, sender: group, groupCount: members.length, messageType: 0, dataBytes: body });
  for (let i = 0; i < members.length; i++) writeName(frame, HEADER_BYTES + i * NAME_BYTES, members[i] as string);
  writeId(frame, at, id);
  writeWord(frame, at + ID_BYTES, sets.length);
  let next = at + SETS;
  for (const set of sets) {
    writeWord(frame, next, set.length);
    next += 4;
    for (const name of set) {
      writeName(frame, next, name);
      next += NAME_BYTES;
    }
  }
  return frame;
}

function decodeView(
  frame: Uint8Array,
  type: number,
  group: string,
  littleEndian: boolean,
  read: typeof readName,
): MembershipMessage | undefined {
  const count = groupCountOf(frame, 0);
  const at = HEADER_BYTES + count * NAME_BYTES;
  if (frame.length < at + SETS) return undefined;
  const cause = causeOf(type);
  if (cause === undefined) return undefined;
  const members: string[] = [];
  for (let i = 0; i < count; i++) members.push(read(frame, HEADER_BYTES + i * NAME_BYTES));
  const setCount = readWord(frame, at + ID_BYTES, littleEndian);
  const ownOffset = readWord(frame, at + OFFSET_WORD, littleEndian);
  const sets: string[][] = [];
  let ownSet = -1;
  let next = at + SETS;
  for (let i = 0; i < setCount; i++) {
    if (next - at - SETS === ownOffset) ownSet = i;
    if (frame.length < next + 4) return undefined;
    const size = readWord(frame, next, littleEndian);
    next += 4;
    if (frame.length < next + size * NAME_BYTES) return undefined;
    const set: string[] = [];
    for (let n = 0; n < size; n++, next += NAME_BYTES) set.push(read(frame, next));
    sets.push(set);
  }
  return { kind: "view", cause, group, members, id: readId(frame, at, littleEndian), sets, ownSet };
}

function causeOf(type: number): ViewCause | undefined {
  if (type & TypeBit.causedByJoin) return "join";
  if (type & TypeBit.causedByLeave) return "leave";
  if (type & TypeBit.causedByDisconnect) return "disconnect";
  return type & TypeBit.causedByNetwork ? "network" : undefined;
}

function writeId(bytes: Uint8Array, offset: number, id: ViewId): void {
  writeWord(bytes, offset, id.leader);
  writeWord(bytes, offset + 4, id.time);
  writeWord(bytes, offset + 8, id.index);
}

function readId(bytes: Uint8Array, offset: number, littleEndian: boolean): ViewId {
  return {
    leader: readWord(bytes, offset, littleEndian),
    time: readWord(bytes, offset + 4, littleEndian),
    index: readWord(bytes, offset + 8, littleEndian),
  };
}
