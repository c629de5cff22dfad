import type { MembershipStateName } from "../membership/events.ts";

/** What lies in wait until a daemon's membership enters a state. */
export class Traps {
  #waiting: { readonly state: MembershipStateName; readonly action: () => void }[] = [];

  set(state: MembershipStateName, action: () => void): void {
    this.#waiting.push({ state, action });
  }

  /** Each springs once. */
  entered(state: MembershipStateName): void {
    if (this.#waiting.length === 0) return;
    const sprung = this.#waiting.filter((trap) => trap.state === state);
    this.#waiting = this.#waiting.filter((trap) => trap.state !== state);
    for (const { action } of sprung) action();
  }
}
