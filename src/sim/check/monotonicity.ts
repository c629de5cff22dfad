import type { CheckerFactory } from "./checker.ts";
import type { TraceConfiguration } from "../trace.ts";

/** K3: the ids of the regular configurations of a process grow, by time and then by leader. Also over restarts. */
export const monotonicity: CheckerFactory = (history, report) => {
  const last = new Map<number, TraceConfiguration>();
  return {
    kinds: ["install"],
    observe(event) {
      if (event.kind !== "install" || event.configuration.kind !== "regular") return;
      const { daemon } = history.life(event.process);
      const { configuration } = event;
      const before = last.get(daemon);
      last.set(daemon, configuration);
      if (before === undefined) return;
      const grows =
        configuration.time > before.time ||
        (configuration.time === before.time && configuration.leader > before.leader);
      if (!grows) report(`daemon ${daemon} installs ${configuration.key} after ${before.key}`, event.at);
    },
  };
};
