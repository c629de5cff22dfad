import type { CheckerFactory } from "./checker.ts";

/**
 * K26 and K30: daemons of one regular configuration that have applied the same part of the ordered stream have the
 * same groups; and so have, wherever they stand, those that hold each other for synchronised at equal positions.
 */
export const groupAgreement: CheckerFactory = (history, report) => {
  const known = new Map<string, { readonly hash: string; readonly daemon: number; readonly synchronised: string }>();
  return {
    observe(event) {
      if (event.kind !== "groups") return;
      const { epochs, daemon } = history.life(event.process);
      const configuration = epochs.at(-1)?.regular?.key ?? "none";
      const position = `${configuration} at ${event.position}`;
      const before = known.get(position);
      const synchronised = [...event.synchronised].sort((a, b) => a - b).join();
      if (before === undefined) {
        known.set(position, { hash: event.hash, daemon, synchronised });
        return;
      }
      if (before.hash !== event.hash) {
        report(`daemons ${before.daemon} and ${daemon} have different groups in ${position}`, event.at);
      }
      if (before.synchronised !== synchronised) {
        report(
          `in ${position} daemon ${before.daemon} is synchronised with {${before.synchronised}}, ` +
            `daemon ${daemon} with {${synchronised}}`,
          event.at,
        );
      }
    },
  };
};
