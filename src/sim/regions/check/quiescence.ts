import { regionViewKey } from "../../../base/ids.ts";
import type { RegionCheckerFactory } from "./checker.ts";
import { viewName } from "./names.ts";

/** One that finds nothing and one that says so; before them those that were under way together, where rounds may overlap. */
const IDLE_ROUNDS_MAX = 20;

type Idle = { readonly rounds: number; readonly number: string };

/** K41: rounds of a view end soon when nothing happens there that they would be for. */
export const quiescence: RegionCheckerFactory = (_history, report) => {
  /** Rounds, one after the other, that have found nothing to do, by view. */
  const idle = new Map<string, Idle>();
  return {
    observe(event) {
      const { kind } = event;
      if (kind === "failed" || kind === "applied") idle.clear();
      else if (kind === "packet" || kind === "last" || kind === "final" || kind === "cleaned" || kind === "taken") {
        idle.delete(regionViewKey(event.id));
      } else if (kind === "told" && event.message.kind === "wake") idle.delete(regionViewKey(event.message.id));
      else if (kind === "heard" && (event.token.phase === "close" || event.token.phase === "complete")) {
        const key = regionViewKey(event.token.id);
        const { failure, round, quiesce, retire, id } = event.token;
        const number = `${failure} ${round}`;
        const before = idle.get(key);
        if (!quiesce || retire) idle.delete(key);
        else if (before?.number !== number) {
          const rounds = (before?.rounds ?? 0) + 1;
          idle.set(key, { rounds, number });
          if (rounds > IDLE_ROUNDS_MAX) report(`${viewName(id)} has had ${rounds} rounds for nothing`, event.at);
        }
      }
    },
  };
};
