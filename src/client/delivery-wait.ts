import type { GroupError } from "./errors.ts";
import type { Outgoing } from "./outgoing.ts";
import type { Receipt } from "./send.ts";

/** Told when the program begins and stops to wait for something of the daemon: then reading must go on. */
export interface WaitCounter {
  begin(): void;
  finish(): void;
}

/**
 * What `send` resolves to. The second promise is made only when asked for, so that messages whose delivery nobody waits
 * for cost nothing, and reading goes on for those that somebody does wait for.
 */
export class DeliveryReceipt implements Receipt {
  readonly #waits: WaitCounter;
  #outcome: { readonly error: GroupError | undefined } | undefined;
  #promise: Promise<void> | undefined;
  #settle: ((error: GroupError | undefined) => void) | undefined;

  constructor(outgoing: Outgoing, waits: WaitCounter) {
    this.#waits = waits;
    outgoing.onDelivered = (error) => {
      this.#outcome = { error };
      this.#settle?.(error);
    };
  }

  get delivered(): Promise<void> {
    this.#promise ??= this.#begin();
    return this.#promise;
  }

  #begin(): Promise<void> {
    const promise = new Promise<void>((resolve, reject) => {
      const settle = (error: GroupError | undefined): void => {
        if (error) reject(error);
        else resolve();
      };
      if (this.#outcome) return settle(this.#outcome.error);
      this.#settle = (error) => {
        this.#waits.finish();
        settle(error);
      };
      // Last: it may be what was missing that comes at once.
      this.#waits.begin();
    });
    // Whoever ignores this promise must not have the process end for it.
    promise.catch(() => {});
    return promise;
  }
}
