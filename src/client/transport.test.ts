import { expect, test } from "vitest";
import { nodeTransport } from "./transport.ts";

/** Timers that keep this process alive. */
function timers(): number {
  return process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
}

test("only an alarm that is awaited keeps the process alive", () => {
  const before = timers();
  const cancels = [false, true].map((isAwaited) => {
    const cancel = nodeTransport.alarm(nodeTransport.now() + 60_000, () => {}, isAwaited);
    expect(timers()).toBe(before + (isAwaited ? 1 : 0));
    return cancel;
  });
  for (const cancel of cancels) cancel();
  expect(timers()).toBe(before);
});
