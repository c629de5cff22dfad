/** No test waits longer for anything; much more than anything takes, also on a machine that does other things. */
const GIVE_UP_MS = 90_000;

/** Polls until the condition holds. Rejects with what was waited for if it does not come about. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + GIVE_UP_MS;
  while (!(await condition())) {
    if (performance.now() > giveUpAt) throw new Error(`waited ${GIVE_UP_MS / 1000} s in vain: ${what}`);
    await sleep(5);
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
