import { type Repairs, repairsOf } from "../../wire/timely/repairs.ts";
import type { OrderedTimelyJoinOptions, TimelyJoinOptions } from "../join-options.ts";

/** How the members of a timely group are to repair each other, if the join says so. Throws a `RangeError` that names what is wrong with its options. */
export function wantedRepairs(options: TimelyJoinOptions | OrderedTimelyJoinOptions): Repairs | undefined {
  const { repairs, slow, order } = options;
  if ((slow as string | undefined) === "wait") {
    throw new RangeError('slow: "wait" is not for timely groups, where nobody waits: "drop" or "expel"');
  }
  if (order !== undefined && order !== "total") {
    throw new RangeError(`order: ${JSON.stringify(order)} is not "total"; leave it out for a group without order`);
  }
  if (order !== undefined && (slow as string | undefined) === "drop") {
    throw new RangeError('slow: "drop" is not for totally ordered groups, where nothing is left out: "expel"');
  }
  if (order === undefined && "optimistic" in options && options.optimistic !== undefined) {
    throw new RangeError('optimistic is for totally ordered groups: { order: "total" }');
  }
  if (repairs === undefined) return undefined;
  const complete = repairsOf(repairs);
  if (typeof complete === "string") throw new RangeError(complete);
  return complete;
}
