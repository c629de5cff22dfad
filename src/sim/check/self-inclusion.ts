import type { TraceConfiguration } from "../trace.ts";
import type { CheckerFactory } from "./checker.ts";

/** K1: who installs a configuration is in it, and one id never names two different configurations. */
export const selfInclusion: CheckerFactory = (history, report) => {
  const known = new Map<string, TraceConfiguration>();
  return {
    kinds: ["install"],
    observe(event) {
      if (event.kind !== "install") return;
      const { configuration, at } = event;
      const { daemon } = history.life(event.process);
      if (!configuration.members.includes(daemon)) {
        report(
          `daemon ${daemon} installs ${configuration.key}, which has only ${configuration.members.join(", ")}`,
          at,
        );
      }
      const before = known.get(configuration.key);
      if (before === undefined) {
        known.set(configuration.key, configuration);
      } else if (
        before.kind !== configuration.kind ||
        [...before.members].sort(ascending).join() !== [...configuration.members].sort(ascending).join()
      ) {
        report(
          `${configuration.key} is ${before.kind} {${before.members.join(", ")}} and ` +
            `${configuration.kind} {${configuration.members.join(", ")}} at daemon ${daemon}`,
          at,
        );
      }
    },
  };
};

function ascending(a: number, b: number): number {
  return a - b;
}
