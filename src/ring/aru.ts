import { assert } from "../base/assert.ts";
import type { DaemonId } from "../base/ids.ts";

/**
 * One member's side of an "all received up to" value on the token (protocols.md G30, O10). A member lowers the value to
 * its own; only who wrote it last may raise it again.
 *
 * What is safe to rely on is the lesser of what this member passed on and what came back: in between the token visited
 * everybody, and each would have lowered it.
 */
export class AruRule {
  readonly #me: DaemonId;
  #passed = 0;
  #reached = 0;

  constructor(me: DaemonId) {
    this.#me = me;
  }

  /** The value that every member has reached. Never shrinks. */
  get reached(): number {
    return this.#reached;
  }

  /** The token arrived with this value. */
  arrived(value: number): void {
    this.#reached = Math.max(this.#reached, Math.min(value, this.#passed));
  }

  /** Somebody who knows says that every member has reached this value. */
  told(value: number): void {
    this.#reached = Math.max(this.#reached, value);
  }

  /**
   * The value and setter to pass on. `mine` is this member's own value; `top` says that the value on the token
   * equals everything sent before this visit, so nobody lacks anything and it may be raised by anyone.
   */
  pass(value: number, setter: DaemonId, mine: number, top: boolean): { value: number; setter: DaemonId } {
    assert(mine >= this.#reached, "nobody forgets what all have reached");
    const write = mine < value || setter === this.#me || setter === 0 || top;
    this.#passed = write ? mine : value;
    return write ? { value: mine, setter: this.#me } : { value, setter };
  }
}
