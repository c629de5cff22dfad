import type { DaemonId } from "../base/ids.ts";
import type { Representative } from "../wire/announce.ts";
import type { Form1, Form2 } from "../wire/form.ts";
import type { Layout } from "./layout.ts";

/** Who has to see the form next: a member, else a representative; `undefined` when all have. */
export function nextOfForm1(form: Form1): DaemonId | undefined {
  return form.pending[0] ?? form.representatives[0]?.daemon;
}

/** A new form that visits its creator first, then the creator's members, then the other representatives. */
export function newForm1(
  creator: DaemonId,
  attempt: number,
  members: Iterable<DaemonId>,
  representatives: readonly Representative[],
  layout: Layout,
): Form1 {
  const others = layout.sorted(members).filter((member) => member !== creator);
  return {
    creator,
    attempt,
    maxTime: 0,
    version: 0xff,
    epochs: [],
    records: [],
    done: [],
    pending: [creator, ...others],
    representatives: [...representatives],
  };
}

/** The second form, made by the last daemon on the first. */
export function form2Of(form: Form1, layout: Layout): Form2 {
  const { creator, attempt, maxTime, version, epochs, records } = form;
  const members = layout.sorted(form.done);
  const configuration = { leader: 0, time: 0 };
  return { creator, attempt, maxTime, version, epochs, records, members, position: 0, configuration };
}

/** Takes me off the list of those to be visited, and brings those for whom I speak. */
export function checkIn(form: Form1, me: DaemonId, myMembers: Iterable<DaemonId>, layout: Layout): void {
  if (form.pending[0] === me) form.pending.shift();
  else form.representatives.shift();
  const listed = new Set([...form.done, ...form.pending, me]);
  form.pending.push(...layout.sorted(myMembers).filter((member) => !listed.has(member)));
  form.done.push(me);
  form.representatives = form.representatives.filter(
    ({ daemon }) => !form.done.includes(daemon) && !form.pending.includes(daemon),
  );
}
