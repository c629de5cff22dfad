import type { Random } from "../../src/base/random.ts";
import { getU16, getU32, setU16, setU32 } from "../../src/wire/bytes.ts";
import { Kind, PREFIX_BYTES } from "../../src/wire/prefix.ts";

const INTERESTING = [0, 1, 2, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];

/** What a mutation has to know of packets to leave some sense in them. */
export type PacketFormat = {
  readonly headBytes: number;
  /** Where the origin's last 32 bits are. */
  readonly originAt: number;
  readonly kinds: readonly number[];
};

const BETWEEN_DAEMONS: PacketFormat = { headBytes: PREFIX_BYTES, originAt: 12, kinds: [0, ...Object.values(Kind)] };

/** A datagram that was valid, or parts of several, changed so that some of it still makes sense. */
export function mutated(
  random: Random,
  seen: readonly Uint8Array[],
  origins: readonly number[],
  format = BETWEEN_DAEMONS,
): Uint8Array {
  const { headBytes, originAt, kinds } = format;
  const bytes = pick(random, seen).slice();
  for (let times = random.integer(1, 3); times > 0; times--) {
    switch (random.integer(0, 8)) {
      case 0:
        for (let i = random.integer(1, 4); i > 0; i--) flip(random, bytes, 0);
        break;
      case 1:
        flip(random, bytes, Math.min(headBytes, bytes.length - 1));
        break;
      case 2:
        return truncated(random, bytes, headBytes);
      case 3:
        if (bytes.length > headBytes + 4) {
          setU32(bytes, random.integer(headBytes, bytes.length - 4), pick(random, INTERESTING));
        }
        break;
      case 4:
        if (bytes.length > headBytes + 4) nudge(random, bytes, random.integer(headBytes, bytes.length - 4));
        break;
      case 5:
        setU32(bytes, originAt, pick(random, origins));
        break;
      case 6:
        return spliced(random, bytes, pick(random, seen), headBytes);
      case 7:
        setU16(bytes, random.chance(0.5) ? 8 : 10, random.integer(0, bytes.length + 40));
        break;
      default:
        bytes[3] = pick(random, kinds);
    }
  }
  return bytes;
}

/** Head of one datagram and tail of another; its lengths are made right, so that the body gets looked at. */
function spliced(random: Random, head: Uint8Array, tail: Uint8Array, headBytes: number): Uint8Array {
  const at = random.integer(headBytes, Math.max(headBytes, head.length));
  const from = random.integer(Math.min(headBytes, tail.length), tail.length);
  const bytes = new Uint8Array(at + tail.length - from);
  bytes.set(head.subarray(0, at));
  bytes.set(tail.subarray(from), at);
  return resized(bytes, headBytes);
}

function truncated(random: Random, bytes: Uint8Array, headBytes: number): Uint8Array {
  const shorter = bytes.slice(0, random.integer(0, bytes.length));
  return shorter.length > headBytes && random.chance(0.7) ? resized(shorter, headBytes) : shorter;
}

function resized(bytes: Uint8Array, headBytes: number): Uint8Array {
  setU16(bytes, 8, bytes.length);
  setU16(bytes, 10, bytes.length - headBytes);
  return bytes;
}

function nudge(random: Random, bytes: Uint8Array, at: number): void {
  if (random.chance(0.5)) setU32(bytes, at, (getU32(bytes, at) + random.integer(-3, 3)) >>> 0);
  else setU16(bytes, at, (getU16(bytes, at) + random.integer(-3, 3)) & 0xffff);
}

function flip(random: Random, bytes: Uint8Array, from: number): void {
  const at = random.integer(from, bytes.length - 1);
  bytes[at] = (bytes[at] as number) ^ (1 << random.integer(0, 7));
}

export function pick<T>(random: Random, values: readonly T[]): T {
  return values[random.integer(0, values.length - 1)] as T;
}
