import { regionViewKey } from "../../../base/ids.ts";
import type { RegionCheckerFactory } from "./checker.ts";
import { contentOf, viewName } from "./names.ts";

/**
 * K59: daemons that compute changes at the same position of an epoch have the same log; an epoch belongs to one configuration; no region view
 * is issued twice with different contents; and in the end all daemons have one state.
 */
export const oneLog: RegionCheckerFactory = (_history, report) => {
  const chains = new Map<string, { readonly chain: string; readonly daemon: number }>();
  const epochs = new Map<number, string>();
  const contents = new Map<string, string>();
  return {
    observe(event) {
      const { at } = event;
      if (event.kind === "logged") {
        const { daemon, epoch, n, chain, configuration } = event;
        const key = `${epoch} ${n}`;
        const known = chains.get(key);
        if (known === undefined) chains.set(key, { chain, daemon });
        else if (known.chain !== chain) {
          report(`daemons ${known.daemon} and ${daemon} have different logs up to ${n} of epoch ${epoch}`, at);
        }
        const before = epochs.get(epoch) ?? configuration;
        epochs.set(epoch, before);
        if (before !== configuration) report(`epoch ${epoch} is that of ${before} and of ${configuration}`, at);
      } else if (event.kind === "opened") {
        const key = regionViewKey(event.view.id);
        const content = contentOf(event.view);
        if ((contents.get(key) ?? content) !== content) report(`${viewName(event.view.id)} is issued twice`, at);
        contents.set(key, content);
      } else if (event.kind === "over") {
        for (const daemon of event.stragglers)
          report(`daemon ${daemon} has not the state of the others in the end`, at);
      }
    },
  };
};
