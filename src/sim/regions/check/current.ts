import { type NodeId, type RegionViewId, regionViewKey } from "../../../base/ids.ts";
import type { RingMode, TokenRelease } from "../../../qsm/config.ts";
import type { RegionCheckerFactory } from "./checker.ts";
import { nodeName, viewName } from "./names.ts";

export type RoundOptions = { readonly release: TokenRelease; readonly ringMode: RingMode };

type Known = { failure: number; round: number };

/**
 * Region-views.md, rule 5, and K44: a token says of the last failure and round what its holder knows. Who has applied a failure in the view passes no
 * token of before it on, nor of after it; and who has met a later round none of an earlier one, unless rounds may overlap.
 */
export const currentToken =
  ({ release, ringMode }: RoundOptions): RegionCheckerFactory =>
  (history, report) => {
    const mayOverlap = release === "periodic" && ringMode !== "tree";
    const known = new Map<string, Known>();

    const of = (node: NodeId, id: RegionViewId): Known => {
      const key = `${node} ${regionViewKey(id)}`;
      let one = known.get(key);
      if (one === undefined) known.set(key, (one = { failure: 0, round: 0 }));
      return one;
    };

    return {
      observe(event) {
        const { kind } = event;
        if (kind === "applied") {
          const { n, viewsFailed } = event.change;
          for (const { id } of viewsFailed) Object.assign(of(event.node, id), { failure: n, round: 0 });
        } else if (kind === "visited") {
          const one = of(event.node, event.token.id);
          if (event.token.failure === one.failure) one.round = Math.max(one.round, event.token.round);
        } else if (kind === "token") {
          const { id, failure, round } = event.token;
          const one = of(event.node, id);
          const token = `a token of ${viewName(id)}, failure ${failure}, round ${round}`;
          const where = `${nodeName(history, event.node)} passes ${token} on, and`;
          if (failure !== one.failure) report(`${where} has applied failure ${one.failure}`, event.at);
          else if (round < one.round && !mayOverlap) report(`${where} has met round ${one.round}`, event.at);
          one.round = Math.max(one.round, round);
        }
      },
    };
  };
