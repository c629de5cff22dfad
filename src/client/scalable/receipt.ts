import type { GroupError } from "../errors.ts";
import type { Receipt } from "../send.ts";

/** What `send` of a scalable group resolves to. Its promise is made only when asked for. */
export class StableReceipt implements Receipt {
  #outcome: { readonly error: GroupError | undefined } | undefined;
  #promise: Promise<void> | undefined;
  #settle: (error: GroupError | undefined) => void = () => {};

  get delivered(): Promise<void> {
    if (this.#promise !== undefined) return this.#promise;
    const promise = new Promise<void>((resolve, reject) => {
      this.#settle = (error) => (error === undefined ? resolve() : reject(error));
      if (this.#outcome !== undefined) this.#settle(this.#outcome.error);
    });
    // Whoever ignores this promise must not have the process end for it.
    promise.catch(() => {});
    this.#promise = promise;
    return promise;
  }

  /** All members that have not failed have the message, or that will not be known. */
  settle(error: GroupError | undefined): void {
    this.#outcome ??= { error };
    this.#settle(error);
  }
}
