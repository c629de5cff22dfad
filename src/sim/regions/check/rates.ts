import { type NodeId, regionViewKey } from "../../../base/ids.ts";
import type { RegionCheckerFactory } from "./checker.ts";
import { nodeName, viewName } from "./names.ts";

export type RateOptions = {
  /** Nobody is held below; packets/s. */
  readonly rateMin: number;
};

/** Grants are whole packets per second. */
const ROUNDING = 1;

/** A leader's round: who has sent it something new since it began, and what it has granted after it. */
type Round = {
  readonly number: string;
  active: Set<NodeId>;
  counted: ReadonlySet<NodeId>;
  granted: Map<NodeId, number>;
  at: number;
};

function newRound(number: string): Round {
  return { number, active: new Set(), counted: new Set(), granted: new Map(), at: -1 };
}

/**
 * K43: what a leader grants after a round to the senders whose new packets it has got meanwhile is together no more than the member can
 * take in that can take least. Senders that are silent do not count: what is theirs to begin with, the others use meanwhile.
 */
export function grants({ rateMin }: RateOptions): RegionCheckerFactory {
  return (history, report) => {
    /** By region view and leader: the round that is on its way, or has just come back. */
    const rounds = new Map<string, Round>();
    /** Greatest numbers that came from their senders, by region view, node and sender. */
    const come = new Map<string, number>();
    return {
      observe(event) {
        if (event.kind === "token") {
          const { id, failure, round } = event.token;
          const key = `${regionViewKey(id)} ${event.node}`;
          const number = `${failure} ${round}`;
          if (rounds.get(key)?.number !== number) rounds.set(key, newRound(number));
        } else if (event.kind === "taken") {
          const key = `${regionViewKey(event.id)} ${event.node}`;
          if (!event.isDirect || event.seq <= (come.get(`${key} ${event.sender}`) ?? 0)) return;
          come.set(`${key} ${event.sender}`, event.seq);
          rounds.get(key)?.active.add(event.sender);
        } else if (event.kind === "told" && event.message.kind === "ack") {
          const { id, grant, least } = event.message;
          const round = rounds.get(`${regionViewKey(id)} ${event.node}`);
          if (least === 0 || round === undefined) return;
          if (round.at !== event.at) {
            // All are told at once; and where there is no other member, the next round does not show.
            round.at = event.at;
            round.granted = new Map();
            round.counted = round.active;
            round.active = new Set();
          }
          if (!round.counted.has(event.to)) return;
          round.granted.set(event.to, grant);
          const sum = [...round.granted.values()].reduce((total, one) => total + one, 0);
          const { size } = round.granted;
          if (sum <= least + size * (rateMin + ROUNDING)) return;
          const what = `${sum} packets/s in ${viewName(id)} to ${size} senders`;
          report(`${nodeName(history, event.node)} grants ${what}, where a member takes ${least}`, event.at);
        }
      },
    };
  };
}
