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
    leftOut: [],
    records: [],
    done: [],
    pending: [creator, ...others],
    representatives: [...representatives],
  };
}

/** The second form, made by the last daemon on the first. */
export function form2Of(form: Form1, layout: Layout): Form2 {
  const { creator, attempt, maxTime, version, epochs, leftOut, records } = form;
  const members = layout.sorted(form.done);
  const configuration = { leader: 0, time: 0 };
  return { creator, attempt, maxTime, version, epochs, leftOut, records, members, position: 0, configuration };
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

/**
 * Takes out of the form whom I would have to pass the new ring's token to, or am the last to pass the form to, and do
 * not reach. Others may still reach those that I only need not call myself: they go to the end.
 */
export function avoidUnreachable(
  form: Form1,
  me: DaemonId,
  layout: Layout,
  isLeftOut: (daemon: DaemonId) => boolean,
): void {
  const leaveOut = (daemon: DaemonId): void => {
    form.pending = form.pending.filter((other) => other !== daemon);
    form.representatives = form.representatives.filter((other) => other.daemon !== daemon);
    form.leftOut.push(daemon);
  };
  for (;;) {
    const ring = layout.sorted([...form.done, ...form.pending]);
    const successor = ring[(ring.indexOf(me) + 1) % ring.length] as DaemonId;
    if (!form.pending.includes(successor) || !isLeftOut(successor)) break;
    leaveOut(successor);
  }
  const reached = form.pending.filter((daemon) => !isLeftOut(daemon));
  if (reached.length > 0) {
    form.pending = [...reached, ...form.pending.filter((daemon) => isLeftOut(daemon))];
    return;
  }
  for (let next = nextOfForm1(form); next !== undefined && isLeftOut(next); next = nextOfForm1(form)) leaveOut(next);
}
