import type { DaemonId } from "../../base/ids.ts";
import type { CheckerFactory } from "./checker.ts";

type Known = { readonly hash: string; readonly daemon: DaemonId; readonly synchronised: readonly DaemonId[] };

/**
 * K26 and K30: daemons of one regular configuration that have applied the same part of the ordered stream have the
 * same groups; and so have, wherever they stand, those that hold each other for synchronised at equal positions.
 */
export const groupAgreement: CheckerFactory = (history, report) => {
  /** By configuration and position. */
  const known = new Map<string, Map<number, Known>>();
  return {
    kinds: ["groups"],
    observe(event) {
      if (event.kind !== "groups") return;
      const { hash, position, synchronised, at } = event;
      const { epochs, daemon } = history.life(event.process);
      const configuration = epochs.at(-1)?.regular?.key ?? "none";
      let positions = known.get(configuration);
      if (positions === undefined) {
        positions = new Map();
        known.set(configuration, positions);
      }
      const before = positions.get(position);
      if (before === undefined) {
        positions.set(position, { hash, daemon, synchronised });
        return;
      }
      const where = `${configuration} at ${position}`;
      if (before.hash !== hash) report(`daemons ${before.daemon} and ${daemon} have different groups in ${where}`, at);
      if (!areSame(before.synchronised, synchronised)) {
        report(
          `in ${where} daemon ${before.daemon} is synchronised with {${sorted(before.synchronised)}}, ` +
            `daemon ${daemon} with {${sorted(synchronised)}}`,
          at,
        );
      }
    },
  };
};

/** Whether they name the same daemons; mostly in the same order too. */
function areSame(some: readonly DaemonId[], others: readonly DaemonId[]): boolean {
  if (some.length !== others.length) return false;
  return some.every((daemon, i) => daemon === others[i]) || sorted(some) === sorted(others);
}

function sorted(daemons: readonly DaemonId[]): string {
  return [...daemons].sort((a, b) => a - b).join();
}
