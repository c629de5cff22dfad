import type { DaemonId } from "../base/ids.ts";
import { Reader, Writer } from "./bytes.ts";

/*
 * The body of a digest (wire/ring-data.ts), behind the head:
 *
 *   sessions varint, each: origin u32, token 16 B   lts u32 (of the first packet)
 *   until the end, items: repeat varint, seqStep varint, ltsStep varint, session varint, ordered and sign varint, numberStep varint
 *
 * An item is what one packet has of one session: its last number there, and how many of its messages in it are agreed or safe. Each says by how much it
 * differs from the one before it, a session's number from its last one; the sign is the lowest bit, set if the number is less. What a session sends as fast as it
 * may so takes a few bytes for each visit of the token.
 */

export const TOKEN_BYTES = 16;
/** Of one digest. */
export const DIGEST_ITEMS_MAX = 16_384;
/** More packets than one digest ever stands for (`Digests`): loops over those of one from outside end. */
export const DIGEST_PACKETS_MAX = 4_096;
const SESSIONS_MAX = 4_096;
const NUMBER_MAX = 2 ** 53 - 1;

/** What a packet that is for another site alone has of a numbered session. */
export type NumbersItem = {
  readonly seq: number;
  readonly lts: number;
  readonly origin: DaemonId;
  readonly token: Uint8Array;
  readonly number: number;
  readonly ordered: number;
};

/** Collects items in the order of packets. */
export class NumbersWriter {
  readonly #sessions = new Map<string, { readonly index: number; number: number }>();
  readonly #heads: NumbersItem[] = [];
  readonly #runs: number[][] = [];
  readonly #lts: number;
  #lastSeq: number;
  #lastLts: number;
  /** No less than the body's length. */
  bytes = 16;

  constructor(seq: number, lts: number) {
    this.#lastSeq = seq;
    this.#lts = lts;
    this.#lastLts = lts;
  }

  add(item: NumbersItem): void {
    const { seq, lts, origin, token, number, ordered } = item;
    const key = `${origin} ${String.fromCharCode(...token)}`;
    let session = this.#sessions.get(key);
    if (session === undefined) {
      session = { index: this.#heads.length, number: 0 };
      this.#sessions.set(key, session);
      this.#heads.push(item);
      this.bytes += 4 + TOKEN_BYTES;
    }
    const step = number - session.number;
    const steps = [
      seq - this.#lastSeq,
      lts - this.#lastLts,
      session.index,
      2 * ordered + (step < 0 ? 1 : 0),
      Math.abs(step),
    ];
    this.#lastSeq = seq;
    this.#lastLts = lts;
    session.number = number;
    const run = this.#runs.at(-1);
    if (run !== undefined && steps.every((value, i) => value === run[i + 1])) {
      run[0] = (run[0] as number) + 1;
      return;
    }
    this.#runs.push([1, ...steps]);
    for (const value of steps) this.bytes += bytesOf(value);
    this.bytes += 3;
  }

  finish(): Uint8Array {
    const out = new Writer(64).varint(this.#heads.length);
    for (const { origin, token } of this.#heads) out.u32(origin).raw(token);
    out.u32(this.#lts);
    for (const run of this.#runs) for (const value of run) out.varint(value);
    return out.finish();
  }
}

/** The items of a digest for the packets `first` to `last`, in order; undefined if it is malformed. */
export function decodeNumbers(
  bytes: Uint8Array,
  at: number,
  end: number,
  first: number,
  last: { readonly seq: number; readonly lts: number },
): NumbersItem[] | undefined {
  if (first === 0 || first > last.seq || last.seq - first >= DIGEST_PACKETS_MAX) return undefined;
  const input = new Reader(bytes, at, end);
  const sessions: { readonly origin: DaemonId; readonly token: Uint8Array; number: number }[] = [];
  for (let left = input.varint(SESSIONS_MAX); left > 0 && !input.failed; left--) {
    sessions.push({ origin: input.u32(), token: input.raw(TOKEN_BYTES), number: 0 });
  }
  let lts = input.u32();
  let seq = first;
  const items: NumbersItem[] = [];
  while (input.remaining > 0 && !input.failed) {
    const repeat = input.varint(DIGEST_ITEMS_MAX - items.length);
    const seqStep = input.varint(0xffff_ffff);
    const ltsStep = input.varint(0xffff_ffff);
    const session = sessions[input.varint(SESSIONS_MAX)];
    const orderedAndSign = input.varint(0xffff_ffff);
    const step = input.varint() * (orderedAndSign % 2 === 1 ? -1 : 1);
    if (input.failed || session === undefined || repeat === 0) return undefined;
    for (let i = 0; i < repeat; i++) {
      seq += seqStep;
      lts += ltsStep;
      session.number += step;
      if (seq > last.seq || lts > last.lts || session.number < 0 || session.number > NUMBER_MAX) return undefined;
      const { origin, token, number } = session;
      items.push({ seq, lts, origin, token, number, ordered: Math.floor(orderedAndSign / 2) });
    }
  }
  return input.failed ? undefined : items;
}

function bytesOf(value: number): number {
  let bytes = 1;
  for (; value >= 128; value = Math.floor(value / 128)) bytes++;
  return bytes;
}
