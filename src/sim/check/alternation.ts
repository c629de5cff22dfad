import type { CheckerFactory } from "./checker.ts";
import type { Epoch } from "./history.ts";

/**
 * K2: between two regular configurations of a process lies exactly one transitional one, and its members are in both.
 * Before its first regular configuration a process may have a transitional one of itself.
 */
export const alternation: CheckerFactory = (history, report) => ({
  kinds: ["install"],
  observe(event) {
    if (event.kind !== "install") return;
    const { epochs, daemon } = history.life(event.process);
    const [before, last] = [epochs.at(-2), epochs.at(-1) as Epoch];
    if (last.configuration.kind === "transitional") {
      if (before?.configuration.kind === "transitional") {
        report(`daemon ${daemon} installs transitional ${last.configuration.key} after a transitional one`, event.at);
      }
      if (last.regular !== undefined) inside(last, last.regular.members, "the regular configuration before it");
      return;
    }
    if (before === undefined) return;
    if (before.configuration.kind === "regular") {
      report(`daemon ${daemon} installs regular ${last.configuration.key} right after a regular one`, event.at);
      return;
    }
    inside(before, last.configuration.members, "the regular configuration after it");

    function inside(transitional: Epoch, members: readonly number[], where: string): void {
      for (const member of transitional.configuration.members) {
        if (members.includes(member)) continue;
        report(`${member} is in transitional ${transitional.configuration.key} and not in ${where}`, event.at);
      }
    }
  },
});
