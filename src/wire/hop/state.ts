import type { RangeSet } from "../../base/range-set.ts";
import { Reader, readU48, Writer, writeU48 } from "../bytes.ts";
import { Kind, PREFIX_BYTES, type Prefix, packet } from "../prefix.ts";
import type { HopOrigin } from "./hello.ts";

/*
 * HOP_STATE: life u32   peerLife u32   flags u8   sent u48   aru u48   highest u48   bytes u48   at u32   echo u32   requests
 *
 * What one end knows of both directions, the paper's ACK and NACK in one (protocols.md G11, G14): `sent` is the greatest number it has sent;
 * of what it received all up to `aru` are there, `highest` is the greatest, `bytes` the sum of all datagrams' lengths, repeated ones
 * too, and `at` (its own clock) when the last of them came. echo: the sentAt of that one, plus how long ago it came: for its sender, now less echo is
 * the round trip. Both clocks count 10 µs modulo 2³². requests: numbers to be sent again.
 * flags: 1 asks for an answer at once.
 */
export type HopState = {
  readonly life: number;
  readonly peerLife: number;
  readonly isQuestion: boolean;
  readonly sent: number;
  readonly aru: number;
  readonly highest: number;
  readonly bytes: number;
  readonly at: number;
  readonly echo: number;
  readonly requests: RangeSet;
};

/** Ranges that one packet asks for: it stays below a kilobyte or so. */
export const HOP_REQUEST_RANGES_MAX = 128;

const IS_QUESTION = 1;
const SEQ_MAX = 2 ** 48 - 1;

export function encodeHopState({ version, confHash, origin }: HopOrigin, state: HopState): Uint8Array {
  const out = new Writer(64)
    .u32(state.life)
    .u32(state.peerLife)
    .u8(state.isQuestion ? IS_QUESTION : 0);
  for (const number of [state.sent, state.aru, state.highest, state.bytes]) writeU48(out, number);
  out.u32(state.at).u32(state.echo).rangeSet(state.requests, HOP_REQUEST_RANGES_MAX);
  return packet(version, Kind.hopState, confHash, origin, out.finish());
}

/** Undefined: malformed. */
export function decodeHopState({ bodyLength }: Prefix, bytes: Uint8Array): HopState | undefined {
  const input = new Reader(bytes, PREFIX_BYTES, PREFIX_BYTES + bodyLength);
  const state = {
    life: input.u32(),
    peerLife: input.u32(),
    isQuestion: (input.u8() & IS_QUESTION) !== 0,
    sent: readU48(input),
    aru: readU48(input),
    highest: readU48(input),
    bytes: readU48(input),
    at: input.u32(),
    echo: input.u32(),
    requests: input.rangeSet(HOP_REQUEST_RANGES_MAX, SEQ_MAX),
  };
  if (input.failed || input.remaining > 0 || state.aru > state.highest) return undefined;
  return state;
}
