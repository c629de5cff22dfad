import type { CheckerFactory } from "./checker.ts";

/**
 * K27: a group id means the same members wherever a view names it; who is told is in the view; and the sets of those
 * that came together are disjoint and make up the whole, the receiver's own among them.
 */
export const viewTruth: CheckerFactory = (_history, report) => {
  const known = new Map<string, string>();
  return {
    observe(event) {
      if (event.kind !== "view") return;
      const { member, group, id, members, sets, at } = event;
      const view = `${group} ${id}`;
      const listed = [...members].sort().join();
      const before = known.get(view);
      known.set(view, listed);
      if (before !== undefined && before !== listed) {
        report(`view ${view} is {${before}}, and at ${member} {${listed}}`, at);
      }
      if (!members.includes(member)) report(`${member} is told of view ${view}, which it is not in`, at);
      if (sets === undefined) return;
      if (sets.flat().sort().join() !== listed) report(`the sets of view ${view} at ${member} are not its members`, at);
      if (!sets.some((set) => set.includes(member))) report(`${member} has no set in view ${view}`, at);
    },
  };
};
