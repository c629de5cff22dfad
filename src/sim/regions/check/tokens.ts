import { regionViewKey } from "../../../base/ids.ts";
import type { RegionCheckerFactory } from "./checker.ts";
import { nodeName, viewName } from "./names.ts";

/** K40 and region-views.md: a view's token of one failure and round is passed on once at each step of its way. */
export const oneToken: RegionCheckerFactory = (history, report) => {
  const steps = new Map<string, string>();
  return {
    observe(event) {
      if (event.kind !== "token") return;
      const { id, failure, round, phase, level, partition } = event.token;
      const step = `${regionViewKey(id)} ${failure} ${round} ${level} ${partition} ${phase} ${phase === "visit" ? event.to : ""}`;
      const before = steps.get(step);
      const who = nodeName(history, event.node);
      steps.set(step, who);
      if (before === undefined) return;
      const what = `the token of ${viewName(id)}, failure ${failure}, round ${round}, phase ${phase}`;
      report(`${who} passes ${what} on to ${nodeName(history, event.to)}, and ${before} has done so`, event.at);
    },
  };
};

/** K44: what a token says of the member that it has just visited is what holds there when it leaves. */
export const freshToken: RegionCheckerFactory = (history, report) => ({
  observe(event) {
    if (event.kind !== "token" || event.token.phase === "open" || event.token.phase === "complete") return;
    for (const { sender, maximumSeen } of event.token.records) {
      const seen = event.seen.get(sender) ?? 0;
      if (maximumSeen >= seen) continue;
      const what = `${maximumSeen} of ${nodeName(history, sender)}, and it has seen ${seen}`;
      report(`the token of ${viewName(event.token.id)} leaves ${nodeName(history, event.node)} with ${what}`, event.at);
    }
  },
});

/** What is younger than `transitMs` may still be under way (`NodeConfig`). */
export type TransitOptions = { readonly transitMs: number };

/**
 * K38: nobody is asked for a packet that may still be under way. What a token lists, somebody had seen before the last round but one
 * began, or who lists it has had later packets from the sender for so long; unless its sender has failed: then nothing of it is under way directly.
 */
export const noPrematureNak =
  ({ transitMs }: TransitOptions): RegionCheckerFactory =>
  (history, report) => {
    /** When a sender's number was first seen by anybody: at the sender, as packet or end. */
    const assigned = new Map<string, { readonly seqs: number[]; readonly times: number[] }>();
    /** When the rounds of a view began, by view: as far as they show on the wire. */
    const rounds = new Map<string, { readonly failure: number; readonly round: number; readonly at: number }[]>();

    /** When a member first had a packet from its sender with a number so great, by member, view and sender. */
    const come = new Map<string, { readonly seqs: number[]; readonly times: number[] }>();

    const firstAt = (sightings: typeof assigned, key: string, seq: number): number => {
      const { seqs, times } = sightings.get(key) ?? NEVER_SEEN;
      const index = seqs.findIndex((known) => known >= seq);
      return index < 0 ? Number.POSITIVE_INFINITY : (times[index] as number);
    };

    const see = (sightings: typeof assigned, key: string, seq: number, at: number): void => {
      let known = sightings.get(key);
      if (known === undefined) sightings.set(key, (known = { seqs: [], times: [] }));
      if (seq <= (known.seqs.at(-1) ?? 0)) return;
      known.seqs.push(seq);
      known.times.push(at);
    };

    return {
      observe(event) {
        if (event.kind === "packet" || event.kind === "last") {
          see(assigned, `${regionViewKey(event.id)} ${event.node}`, event.seq, event.at);
        }
        if ((event.kind === "taken" && event.isDirect) || event.kind === "awaited") {
          see(come, `${event.node} ${regionViewKey(event.id)} ${event.sender}`, event.seq, event.at);
        }
        // Members hear from the service how far a sender has got.
        if (event.kind === "final") {
          for (const { sender, seq } of event.last)
            see(assigned, `${regionViewKey(event.id)} ${sender}`, seq, event.at);
        }
        if (event.kind !== "token") return;
        const { id, phase, failure, round, partition, partitions, records } = event.token;
        const view = regionViewKey(id);
        let begun = rounds.get(view);
        if (begun === undefined) rounds.set(view, (begun = []));
        const isThis = (other: { readonly failure: number; readonly round: number }): boolean =>
          other.failure === failure && other.round === round;
        if (!begun.some(isThis)) begun.push({ failure, round, at: event.at });
        const before = begun[begun.findIndex(isThis) - 1];
        // Of the round before no token has left its leader.
        if (round > 1 && (before?.failure !== failure || before.round < round - 1)) return;
        // On others it is still the list of who was visited last.
        if (phase !== "visit" && phase !== "close") return;
        for (const { sender, naks, settle } of records) {
          if (naks.isEmpty || settle !== undefined) continue;
          const [, greatest] = [...naks.ranges()].at(-1) as readonly [number, number];
          const seq = (greatest - 1) * partitions + partition + 1;
          if (before !== undefined && firstAt(assigned, `${view} ${sender}`, seq) <= before.at) continue;
          if (firstAt(come, `${event.node} ${view} ${sender}`, seq) <= event.at - transitMs) continue;
          const what = `packet ${seq} of ${nodeName(history, sender)} in ${viewName(id)}`;
          report(
            `${nodeName(history, event.node)} lists ${what}, which is younger than the round before and not overtaken long ago`,
            event.at,
          );
        }
      },
    };
  };

const NEVER_SEEN = { seqs: [], times: [] };
