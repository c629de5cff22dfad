import { NEVER } from "../machine/machine.ts";
import { asciiText } from "../wire/spread/names.ts";

/**
 * How long what has been ordered of a client stays known behind its good-bye: the answer may get lost, and the client then comes back, to any
 * daemon, within twice the 6 s that it waits for an answer (client/farewell.ts).
 */
const REMEMBERED_MS = 15_000;
/** Beyond this the first are forgotten earlier. */
const PARTINGS_MAX = 4_096;

/** Clients that have said good-bye, by token, until all daemons can forget what they sent. */
export class Partings {
  readonly #byToken = new Map<string, { readonly token: Uint8Array; readonly until: number }>();

  /** When the next one is due. */
  get deadline(): number {
    for (const { until } of this.#byToken.values()) return until;
    return NEVER;
  }

  /** The end of this client's session has been ordered. */
  add(token: Uint8Array, now: number): void {
    const key = keyOf(token);
    this.#byToken.delete(key);
    this.#byToken.set(key, { token, until: now + REMEMBERED_MS });
  }

  /** The client is here again. */
  isBack(token: Uint8Array): void {
    this.#byToken.delete(keyOf(token));
  }

  /** Takes out the tokens of those who do not come back any more. */
  takeDue(now: number): Uint8Array[] {
    const due: Uint8Array[] = [];
    for (const [key, { token, until }] of this.#byToken) {
      if (until > now && this.#byToken.size <= PARTINGS_MAX) break;
      this.#byToken.delete(key);
      due.push(token);
    }
    return due;
  }
}

function keyOf(token: Uint8Array): string {
  return asciiText(token, 0, token.length);
}
