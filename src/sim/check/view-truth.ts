import type { CheckerFactory } from "./checker.ts";

/**
 * K27: a group id means the same members wherever a view names it; who is told is in the view; and the sets of those
 * that came together are disjoint and make up the whole, the receiver's own among them.
 */
export const viewTruth: CheckerFactory = (_history, report) => {
  const known = new Map<string, readonly string[]>();
  return {
    kinds: ["view"],
    observe(event) {
      if (event.kind !== "view") return;
      const { member, group, id, members, sets, at } = event;
      const view = `${group} ${id}`;
      const before = known.get(view);
      known.set(view, members);
      if (before !== undefined && !areSame(before, members)) {
        report(`view ${view} is {${before.join()}}, and at ${member} {${members.join()}}`, at);
      }
      if (!members.includes(member)) report(`${member} is told of view ${view}, which it is not in`, at);
      if (sets === undefined) return;
      if (!areSame(sets.flat(), members)) report(`the sets of view ${view} at ${member} are not its members`, at);
      if (!sets.some((set) => set.includes(member))) report(`${member} has no set in view ${view}`, at);
    },
  };
};

/** Whether they name the same members; mostly in the same order too. */
function areSame(some: readonly string[], others: readonly string[]): boolean {
  if (some.length !== others.length) return false;
  return some.every((member, i) => member === others[i]) || [...some].sort().join() === [...others].sort().join();
}
