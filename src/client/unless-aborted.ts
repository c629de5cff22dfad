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
