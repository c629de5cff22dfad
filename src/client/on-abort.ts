type Waiting = { readonly callbacks: Set<() => void>; readonly listener: () => void };

/**
 * Who waits for a signal, with one listener for all of them: a program may well have one signal for thousands of joins or sends, of which Node warns from the
 * eleventh listener on, and each of which it would have to look for among all to remove it.
 */
const waitingFor = new WeakMap<AbortSignal, Waiting>();

const NOTHING = (): void => {};

/** Calls back once when the signal is aborted, if it is not yet. What it returns takes that back. */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined) return NOTHING;
  const { callbacks, listener } = waitingFor.get(signal) ?? listen(signal);
  // The same function may wait twice.
  const one = (): void => callback();
  callbacks.add(one);
  return () => {
    if (!callbacks.delete(one) || callbacks.size > 0) return;
    signal.removeEventListener("abort", listener);
    waitingFor.delete(signal);
  };
}

function listen(signal: AbortSignal): Waiting {
  const callbacks = new Set<() => void>();
  const listener = (): void => {
    waitingFor.delete(signal);
    // One may take others back.
    for (const callback of callbacks) {
      callbacks.delete(callback);
      callback();
    }
  };
  const waiting = { callbacks, listener };
  waitingFor.set(signal, waiting);
  signal.addEventListener("abort", listener, { once: true });
  return waiting;
}
