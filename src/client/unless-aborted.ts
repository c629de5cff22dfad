import { onAbort } from "./on-abort.ts";

/** Resolves with `event`; rejects with the signal's reason if that comes first. */
export async function unlessAborted(event: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return event;
  let abort = (): void => {};
  const aborted = new Promise<void>((resolve) => {
    abort = resolve;
  });
  const over = onAbort(signal, abort);
  if (!signal.aborted) await Promise.race([event, aborted]);
  over();
  signal.throwIfAborted();
}
