import type { ReadGate } from "./read-gate.ts";

/** Sends of automatic flush mode that wait for the next view of their group. */
export class ViewWaits {
  readonly #gate: ReadGate;
  readonly #waiting = new Map<string, (() => void)[]>();

  constructor(gate: ReadGate) {
    this.#gate = gate;
  }

  /** Resolves when the group is released. */
  wait(group: string): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(group) ?? [];
      waiting.push(() => {
        this.#gate.finishDelivery();
        resolve();
      });
      this.#waiting.set(group, waiting);
      this.#gate.beginDelivery();
    });
  }

  /** The group has its next view, or will never have one. */
  release(group: string): void {
    const waiting = this.#waiting.get(group);
    if (!waiting) return;
    this.#waiting.delete(group);
    for (const resume of waiting) resume();
  }

  releaseAll(): void {
    for (const group of this.#waiting.keys()) this.release(group);
  }
}

/** Resolves with `event`; rejects with the signal's reason if that comes first. */
export async function unlessAborted(event: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return event;
  let abort = (): void => {};
  const aborted = new Promise<void>((resolve) => {
    abort = resolve;
  });
  signal.addEventListener("abort", abort, { once: true });
  if (!signal.aborted) await Promise.race([event, aborted]);
  signal.removeEventListener("abort", abort);
  signal.throwIfAborted();
}
