import type { CheckerFactory } from "./checker.ts";

/**
 * K27: a group id means the same members wherever a view names it; who is told is in the view; and the sets of those
 * that came together are disjoint and make up the whole, the receiver's own among them.
 */
export const viewTruth: CheckerFactory = (_history, report) => {
  /** By group and id: a key of both would be a string made for each look. */
  const known = new Map<string, Map<string, readonly string[]>>();
  return {
    kinds: ["view"],
    observe(event) {
      if (event.kind !== "view") return;
      const { member, group, id, members, sets, at } = event;
      let views = known.get(group);
      if (views === undefined) {
        views = new Map();
        known.set(group, views);
      }
      const before = views.get(id);
      if (before !== members) views.set(id, members);
      if (before !== undefined && !areSame(before, members)) {
        report(`view ${group} ${id} is {${before.join()}}, and at ${member} {${members.join()}}`, at);
      }
      if (!members.includes(member)) report(`${member} is told of view ${group} ${id}, which it is not in`, at);
      if (sets === undefined) return;
      if (!areSame(sets.flat(), members))
        report(`the sets of view ${group} ${id} at ${member} are not its members`, at);
      if (!sets.some((set) => set.includes(member))) report(`${member} has no set in view ${group} ${id}`, at);
    },
  };
};

/** Whether they name the same members; mostly in the same order too. */
function areSame(some: readonly string[], others: readonly string[]): boolean {
  if (some === others) return true;
  if (some.length !== others.length) return false;
  return some.every((member, i) => member === others[i]) || [...some].sort().join() === [...others].sort().join();
}
