import type { DaemonId } from "../base/ids.ts";

/** After so many failures in a row the pauses do not grow any more. */
const STRIKES_MAX = 3;

/**
 * Which daemons do not hear this one, although they may be heard: links can be cut in one direction. A form or a token that
 * must pass such a link fails; a daemon that did not even acknowledge a form is therefore left out of the next
 * ones for a while, longer each time.
 */
export class Reachability {
  readonly #pauseMs: number;
  readonly #struck = new Map<DaemonId, { strikes: number; until: number }>();

  /** `pauseMs`: how long a daemon is left out the first time. */
  constructor(pauseMs: number) {
    this.#pauseMs = pauseMs;
  }

  /** The daemon gave no sign that it has had what was sent to it. */
  failed(daemon: DaemonId, now: number): void {
    const strikes = Math.min(STRIKES_MAX, (this.#struck.get(daemon)?.strikes ?? 0) + 1);
    this.#struck.set(daemon, { strikes, until: now + this.#pauseMs * 2 ** (strikes - 1) });
  }

  /** The daemon has had something from here. */
  reached(daemon: DaemonId): void {
    this.#struck.delete(daemon);
  }

  isLeftOut(daemon: DaemonId, now: number): boolean {
    return (this.#struck.get(daemon)?.until ?? 0) > now;
  }
}
