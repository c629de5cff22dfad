import { serviceRank } from "../../ordering/service.ts";
import { type MessageNumber, messageName } from "../trace.ts";
import type { CheckerFactory } from "./checker.ts";
import { Memberships } from "./memberships.ts";

type Member = { id: string; delivered: Set<MessageNumber> };
type Arrival = { readonly member: string; readonly from: string; readonly delivered: ReadonlySet<MessageNumber> };

/**
 * K28: members that come into a view in one set, or by a join or leave, and both came from one view, delivered the same agreed and safe messages
 * of the group between the two; weaker ones may come on either side of a view. Who never gets to the new view is not compared.
 */
export const virtualSynchrony: CheckerFactory = (history, report) => {
  const weakest = serviceRank("agreed");
  const members = new Memberships<Member>();
  const arrivals = new Map<string, Arrival[]>();
  return {
    kinds: ["groupDeliver", "view"],
    observe(event) {
      if (event.kind === "groupDeliver") {
        members.get(event.member, event.group)?.delivered.add(event.message);
        return;
      }
      if (event.kind !== "view") return;
      const before = members.get(event.member, event.group);
      members.set(event.member, event.group, { id: event.id, delivered: new Set() });
      if (before === undefined) return;
      const mine: Arrival = { member: event.member, from: before.id, delivered: before.delivered };
      const view = `${event.group} ${event.id}`;
      const others = arrivals.get(view);
      // When clients come and go all members stay together.
      const set = event.sets?.find((candidates) => candidates.includes(event.member)) ?? event.members;
      for (const other of others ?? []) {
        if (other.from !== mine.from || !set.includes(other.member)) continue;
        compare(view, mine, other, event.at);
        compare(view, other, mine, event.at);
      }
      if (others === undefined) arrivals.set(view, [mine]);
      else others.push(mine);
    },
  };

  function compare(view: string, has: Arrival, lacks: Arrival, at: number): void {
    for (const message of has.delivered) {
      if (lacks.delivered.has(message) || history.rank(message) < weakest) continue;
      report(
        `${has.member} and ${lacks.member} come together from ${has.from} into ${view}, and only the first ` +
          `delivered ${messageName(message)}`,
        at,
      );
      return;
    }
  }
};
