import { type NodeId, regionViewKey } from "../../../base/ids.ts";
import type { RegionCheckerFactory } from "./checker.ts";
import type { RegionToken } from "../../../wire/region/token.ts";
import { nodeName, viewName } from "./names.ts";

/** One that finds nothing and one that says so; before them those that were under way together, where rounds may overlap. */
const IDLE_ROUNDS_MAX = 20;

/** So many rounds in a row, and the last of them. */
type Idle = { readonly rounds: number; readonly failure: number; readonly round: number };

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
        const last = idle.get(key) ?? { rounds: 0, failure: 0, round: 0 };
        if (!quiesce || retire) idle.delete(key);
        // In a tree the tokens of a round that is over, or was given up, may come after those of the next one.
        else if (failure > last.failure || (failure === last.failure && round > last.round)) {
          const rounds = last.rounds + 1;
          idle.set(key, { rounds, failure, round });
          if (rounds > IDLE_ROUNDS_MAX) report(`${viewName(id)} has had ${rounds} rounds for nothing`, event.at);
        }
      }
    },
  };
};

/** A token as it left the member that it had visited; `seen`: what that one had seen of each sender before. */
type Left = {
  readonly at: number;
  readonly round: string;
  readonly quiesce: boolean;
  readonly quiesceCommit: boolean;
  readonly seen: ReadonlyMap<NodeId, number>;
};

const roundOf = ({ failure, round, partition }: RegionToken): string => `${failure} ${round} ${partition}`;

/** K41: no round ends with the word that nothing is under way, if it has visited a member that knew of something. */
export const truthfulQuiet: RegionCheckerFactory = (history, report) => {
  const left = new Map<string, Left>();
  return {
    observe(event) {
      if (event.kind !== "token" && event.kind !== "visited") return;
      const { node, token, at } = event;
      const key = `${node} ${regionViewKey(token.id)}`;
      if (event.kind === "token") {
        if (token.phase === "visit" || token.phase === "close") {
          const { quiesce, quiesceCommit } = token;
          left.set(key, { at, round: roundOf(token), quiesce, quiesceCommit, seen: event.seen });
        }
        return;
      }
      const one = left.get(key);
      // What has waited for its link may know less than the member does by now.
      if (one === undefined || token.phase !== "visit" || one.round !== roundOf(token) || one.at !== at) return;
      if (!one.quiesce && !one.quiesceCommit) return;
      for (const [sender, seen] of one.seen) {
        const clean = event.streams.get(sender)?.clean ?? 0;
        if (seen <= clean) continue;
        const what = `${seen} packets of ${nodeName(history, sender)}, of which ${clean} are known to be stable`;
        report(`${nodeName(history, node)} has seen ${what}, and passes the word on that it is quiet`, at);
      }
    },
  };
};

/** A member that has met something new may wait two periods, for another one's WAKE or a token. */
const WAKE_PERIODS_MAX = 2.1;
/** It has run so often since, at times that are so far apart, and its timers have had a turn: neither a freeze nor a queue of packets has kept it from them. */
const RUNS = 10;
const RUN_MS = 20;

/** What a member that is quiet has to wake its leader for. */
type Owed = { readonly id: RegionToken["id"]; readonly since: number; runs: number; ranAt: number; hasTicked: boolean };

/** K41: a member of a view that is quiet, and not its leader, tells the leader soon of what is new. */
export const waking =
  ({ tokenRate }: { readonly tokenRate: number }): RegionCheckerFactory =>
  (history, report) => {
    const waitMs = (WAKE_PERIODS_MAX * 1_000) / tokenRate;
    /** By member and view: whether a round has ended there with the word that rounds end. Until the first one they are quiet, too. */
    const ends = new Map<string, { readonly round: string; readonly isEnd: boolean }>();
    const busy = new Set<string>();
    const woken = new Set<string>();
    const owed = new Map<NodeId, Map<string, Owed>>();

    const settle = (node: NodeId, view: string): void => void owed.get(node)?.delete(view);

    const isLed = (node: NodeId, view: string): boolean =>
      history.views.get(view)?.view.members.some(({ id }) => id < node && history.nodes.get(id)?.hasFailed === false) ??
      false;

    const run = (node: NodeId, at: number, isTick: boolean): void => {
      for (const [view, one] of owed.get(node) ?? []) {
        if (at < one.since + waitMs) continue;
        one.hasTicked ||= isTick;
        if (at < one.ranAt + RUN_MS) continue;
        one.ranAt = at;
        if (++one.runs < RUNS || !one.hasTicked || !isLed(node, view)) continue;
        settle(node, view);
        report(`${nodeName(history, node)} has met something new in ${viewName(one.id)}, and wakes nobody`, at);
      }
    };

    return {
      observe(event) {
        const { kind, at } = event;
        if (kind === "end" || kind === "failed") {
          owed.delete(kind === "end" ? event.node : event.failed);
          return;
        }
        if (kind === "applied") {
          // Of a failure the ring begins anew.
          for (const { id } of event.change.viewsFailed) {
            busy.add(`${event.node} ${regionViewKey(id)}`);
            settle(event.node, regionViewKey(id));
          }
        } else if (kind === "untold") owed.delete(event.node);
        else if (kind === "retired") settle(event.node, regionViewKey(event.id));
        else if (kind === "told" && event.message.kind === "wake") {
          const view = regionViewKey(event.message.id);
          woken.add(`${event.node} ${view}`);
          settle(event.node, view);
        } else if (kind === "heard" || kind === "token" || kind === "visited") {
          const view = regionViewKey(event.token.id);
          const key = `${event.node} ${view}`;
          settle(event.node, view);
          woken.delete(key);
          if (kind === "token") ends.set(key, { round: roundOf(event.token), isEnd: event.token.quiesceCommit });
          else if (kind === "visited") {
            const end = ends.get(key);
            if (end?.isEnd === true && end.round === roundOf(event.token)) busy.delete(key);
            else busy.add(key);
          }
        } else if (kind === "round") {
          // Of a token that came before the view was known here, nothing else tells.
          const view = regionViewKey(event.id);
          const key = `${event.node} ${view}`;
          const end = ends.get(key);
          if (end?.isEnd === true && end.round.startsWith(`${event.failure} ${event.round} `)) return;
          settle(event.node, view);
          busy.add(key);
        } else if (kind === "taken") {
          const view = regionViewKey(event.id);
          const key = `${event.node} ${view}`;
          if (!busy.has(key) && !woken.has(key) && isLed(event.node, view)) {
            let all = owed.get(event.node);
            if (all === undefined) owed.set(event.node, (all = new Map()));
            if (!all.has(view)) all.set(view, { id: event.id, since: at, runs: 0, ranAt: at, hasTicked: false });
          }
        }
        if (kind === "sent" || kind === "taken" || kind === "heard" || kind === "deliver" || kind === "ticked") {
          run(event.node, at, kind === "ticked");
        }
      },
    };
  };
