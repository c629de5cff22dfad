import { type NodeId, type RegionId, regionViewKey } from "../../../base/ids.ts";
import { absentOf, type WholeRegionView } from "../../../cms/views.ts";
import type { RegionCheckerFactory } from "./checker.ts";
import { contentOf, nodeName, viewName } from "./names.ts";

/**
 * K33: at each position of the log, nodes that are in the same groups are in the same region, and the regions of a group are disjoint and
 * have exactly its members, and those of whom their views say that they are not in it. Views of groups say where the group stands in their lists.
 */
export const exactness: RegionCheckerFactory = (history, report) => ({
  observe(event) {
    if (event.kind !== "map") return;
    const regionOf = new Map<NodeId, WholeRegionView>();
    for (const view of event.regions) {
      for (const { id } of view.members) {
        if (regionOf.has(id)) report(`${nodeName(history, id)} is in two regions at ${event.n}`, event.at);
        regionOf.set(id, view);
      }
    }
    const bySignature = new Map<string, RegionId>();
    for (const [node, groups] of event.members) {
      const signature = [...groups].sort((a, b) => a - b).join(" ");
      const view = regionOf.get(node);
      if (groups.length === 0 && view === undefined) continue;
      const absent = view === undefined ? [] : absentOf(view, node);
      const own = view?.groups.filter((group) => !absent.includes(group));
      if (own?.join(" ") !== signature) {
        report(`${nodeName(history, node)} is in groups ${signature}, not in their region, at ${event.n}`, event.at);
        continue;
      }
      const region = view?.id.region as RegionId;
      const known = bySignature.get(signature);
      if (known !== undefined && known !== region) {
        report(`nodes in groups ${signature} are in two regions at ${event.n}`, event.at);
      }
      bySignature.set(signature, region);
    }
    const lists = new Map(event.regions.map(({ id, groups }) => [id.region, groups]));
    for (const { group, regions, places } of event.groups) {
      if (regions.some((region, i) => lists.get(region)?.[places[i] as number] !== group)) {
        report(`group ${group} has not its places in the lists of its regions, at ${event.n}`, event.at);
      }
      const members = new Set<NodeId>();
      for (const view of event.regions) {
        if (!regions.includes(view.id.region)) continue;
        for (const { id } of view.members) if (!absentOf(view, id).includes(group)) members.add(id);
      }
      const expected = [...event.members].filter(([, groups]) => groups.includes(group)).length;
      const wrong = [...members].find((node) => event.members.get(node)?.includes(group) !== true);
      if (wrong !== undefined || members.size !== expected) {
        report(`the regions of group ${group} have ${members.size} members, not ${expected}, at ${event.n}`, event.at);
      }
    }
  },
});

/** K34: a view is the same everywhere, and a node sees the views of a region and of a group one after the other, without gaps. */
export const agreement: RegionCheckerFactory = (history, report) => {
  const contents = new Map<string, string>();
  const groupContents = new Map<string, string>();
  const groupViews = new Map<string, number>();
  const regionViews = new Map<string, number>();
  const same = (map: Map<string, string>, key: string, content: string): boolean => {
    const known = map.get(key);
    if (known === undefined) map.set(key, content);
    return known === undefined || known === content;
  };
  return {
    observe(event) {
      if (event.kind === "opened") same(contents, regionViewKey(event.view.id), contentOf(event.view));
      if (event.kind === "applied") {
        const who = nodeName(history, event.node);
        const known = new Set<string>();
        for (const view of event.known) {
          if (!same(contents, regionViewKey(view.id), contentOf(view))) {
            report(`${who} has another ${viewName(view.id)} than others`, event.at);
          }
          const key = `${event.node} ${view.id.region}`;
          const before = regionViews.get(key);
          if (before !== undefined && view.id.view !== before && view.id.view !== before + 1) {
            report(`${who} goes from ${viewName({ ...view.id, view: before })} to ${viewName(view.id)}`, event.at);
          }
          regionViews.set(key, view.id.view);
          known.add(key);
        }
        for (const id of event.change.regionsDeleted) {
          const key = `${event.node} ${id}`;
          if (!known.has(key)) regionViews.delete(key);
        }
      }
      if (event.kind === "left") groupViews.delete(`${event.node} ${event.group}`);
      if (event.kind === "group") {
        const { group, view, regions, places } = event.view;
        const who = nodeName(history, event.node);
        if (!same(groupContents, `${group} ${view}`, `${regions.join(" ")} / ${places.join(" ")}`)) {
          report(`${who} has another view ${view} of group ${group} than others`, event.at);
        }
        const key = `${event.node} ${group}`;
        const before = groupViews.get(key);
        if (before !== undefined && view !== before + 1) {
          report(`${who} goes from view ${before} to ${view} of group ${group}`, event.at);
        }
        groupViews.set(key, view);
      }
    },
  };
};
