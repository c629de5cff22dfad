import type { CheckerFactory } from "./checker.ts";

/** K16: after the last fault each connected part installs one configuration of just its members, in time, and stays. */
export const liveness: CheckerFactory = (history, report) => ({
  finish() {
    const { quiet, end } = history;
    if (quiet === undefined || end === undefined) return;
    const due = quiet.at + quiet.boundMs;
    if (end.at < due) return;
    for (const part of quiet.parts) {
      const wanted = [...part].sort(ascending).join();
      const keys = new Set<string>();
      for (const life of history.lives.values()) {
        if (life.crashedAt !== undefined || !part.includes(life.daemon)) continue;
        const last = life.epochs.at(-1);
        const members = last === undefined ? "" : [...last.configuration.members].sort(ascending).join();
        if (last === undefined || last.configuration.kind !== "regular" || members !== wanted) {
          report(
            `daemon ${life.daemon} ends in ${last?.configuration.key ?? "nothing"} {${members}}, not {${wanted}}`,
            due,
          );
          continue;
        }
        keys.add(last.configuration.key);
        if (last.at > due) {
          report(
            `daemon ${life.daemon} installs ${last.configuration.key} ${Math.round(last.at - due)} ms late`,
            last.at,
          );
        }
      }
      if (keys.size > 1) report(`{${wanted}} end in several configurations: ${[...keys].join(", ")}`, due);
    }
  },
});

function ascending(a: number, b: number): number {
  return a - b;
}
