import type { NumberedSessions } from "../directory/numbered-sessions.ts";
import { NUMBER_HEAD_BYTES, NUMBERS_BYTES } from "../ordering/content.ts";
import { getU16, getU32 } from "../wire/bytes.ts";
import type { NameCache } from "./name-cache.ts";

const TOKEN_BYTES = 16;
/** Numbers are safe integers: at most 53 bits. */
const HIGH_MAX = 0x20_0000;

/** The table of numbered sessions, as it is told of in the order of messages: by their heads, and by those of messages that were for other sites. */
export class Numbering {
  readonly #sessions: NumberedSessions;
  readonly #names: NameCache;
  /** To forget when states have been merged. */
  #forgotten: string[] = [];

  constructor(sessions: NumberedSessions, names: NameCache) {
    this.#sessions = sessions;
    this.#names = names;
  }

  /** The number up to which all messages of a session (16 bytes) have been ordered. */
  lastOrdered(token: Uint8Array): number {
    return this.#sessions.numberOf(this.#names.text(token, 0, token.length));
  }

  /** The number in the head with which `payload` begins; undefined if it is malformed. */
  numberOf(payload: Uint8Array): number | undefined {
    return payload.length < NUMBER_HEAD_BYTES ? undefined : numberAt(payload, 0);
  }

  /** The message of this head and number has been delivered: whether it comes for the first time. */
  accept(head: Uint8Array, number: number, isOrdered: boolean): boolean {
    return this.#sessions.accept(this.#names.text(head, 0, TOKEN_BYTES), number, isOrdered);
  }

  /** Messages have been ordered that were not for this site (content `numbers`). Returns how many of the heads are malformed. */
  pass(payload: Uint8Array): number {
    let malformed = 0;
    for (let at = 0; at + NUMBERS_BYTES <= payload.length; at += NUMBERS_BYTES) {
      const number = numberAt(payload, at);
      const token = this.#names.text(payload, at, TOKEN_BYTES);
      if (number === undefined) malformed++;
      else this.#sessions.pass(token, number, getU16(payload, at + NUMBER_HEAD_BYTES));
    }
    return malformed;
  }

  /** A session is to be forgotten with the next `forgetNow`. */
  forget(token: Uint8Array): void {
    this.#forgotten.push(this.#names.text(token, 0, token.length));
  }

  /** Whether there was any to forget. */
  forgetNow(): boolean {
    const forgotten = this.#forgotten;
    this.#forgotten = [];
    for (const token of forgotten) this.#sessions.forget(token);
    return forgotten.length > 0;
  }
}

/** The number behind the token at `at`, if it is one. */
function numberAt(bytes: Uint8Array, at: number): number | undefined {
  const high = getU32(bytes, at + TOKEN_BYTES);
  return high >= HIGH_MAX ? undefined : high * 0x1_0000_0000 + getU32(bytes, at + TOKEN_BYTES + 4);
}
