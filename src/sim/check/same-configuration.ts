import { messageName } from "../trace.ts";
import type { CheckerFactory } from "./checker.ts";

/** K5: a message is delivered in the regular configuration that it was sent in, or in a transitional one after it. */
export const sameConfiguration: CheckerFactory = (history, report) => ({
  kinds: ["deliver"],
  observe(event, sent) {
    if (event.kind !== "deliver" || sent === undefined) return;
    const { daemon, epochs } = history.life(event.process);
    const here = epochs.at(-1)?.regular;
    const { configuration } = sent;
    if (here !== undefined && here.key === configuration?.key) return;
    report(
      `daemon ${daemon} delivers ${messageName(event.message)} of ${configuration?.key ?? "no configuration"} ` +
        `in ${here?.key ?? "no configuration"}`,
      event.at,
    );
  },
});
