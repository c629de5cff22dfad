import { messageName } from "../trace.ts";
import type { CheckerFactory } from "./checker.ts";

/** K5: a message is delivered in the regular configuration that it was sent in, or in a transitional one after it. */
export const sameConfiguration: CheckerFactory = (history, report) => ({
  kinds: ["deliver"],
  observe(event) {
    if (event.kind !== "deliver") return;
    const { daemon, epochs } = history.life(event.process);
    const sent = history.sent.get(event.message);
    const here = epochs.at(-1)?.regular;
    if (sent === undefined) return;
    if (here === undefined || here.key !== sent.configuration?.key) {
      report(
        `daemon ${daemon} delivers ${messageName(event.message)} of ${sent.configuration?.key ?? "no configuration"} ` +
          `in ${here?.key ?? "no configuration"}`,
        event.at,
      );
    }
  },
});
