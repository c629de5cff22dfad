import type { NodeId } from "../base/ids.ts";
import { type StateBody, type StateEntry, STATE_ENTRY_BYTES, STATE_HEAD_BYTES } from "../wire/plato/bodies.ts";
import { messageKey, OrderLog } from "./log.ts";
import type { Message } from "./message.ts";

/** What a member brings into a view, whole: first what is in the order, from behind `base` on. */
export type MemberState = Pick<StateBody, "opened" | "base" | "entries">;

/**
 * What a member brings that last took part in the order of view `opened`: what it knows of the order, and behind that the other messages that it has, by
 * their times.
 */
export function memberState(opened: number, log: OrderLog, messages: Iterable<Message>): MemberState {
  const held = new Map([...messages].map((message) => [message.key, message]));
  const ordered = log.entries.map(({ sender, seq, key, isVoid }) => ({
    sender,
    seq,
    isOrdered: true,
    isHeld: held.has(key),
    isVoid,
  }));
  const others = [...held.values()]
    .filter(({ key }) => log.positionOf(key) === undefined)
    .sort((a, b) => a.at - b.at)
    .map(({ sender, seq }) => ({ sender, seq, isOrdered: false, isHeld: true, isVoid: false }));
  return { opened, base: log.base, entries: [...ordered, ...others] };
}

/** How the views before a new one end, and who has the messages of which the order goes on. */
export type Closing = { readonly log: OrderLog; readonly holders: ReadonlyMap<string, NodeId> };

/**
 * Ends what came before a view, at all its members alike (protocols.md C7). The order is that of the member that took part in the latest view, and has
 * heard most of it; behind it come the messages that any member has and that have no place yet: first the sequencer's in the order in which
 * it has had them, then those of the others. A message that is in the order and that nobody has any more leaves its place empty.
 *
 * Whatever all members of an earlier view had is in the order of each of them, so what was committed as stable stays. `states`: of all members of the view,
 * the sequencer's first, then by id.
 */
export function closing(states: ReadonlyMap<NodeId, MemberState>): Closing {
  const holders = new Map<string, NodeId>();
  let best: MemberState | undefined;
  for (const [member, state] of states) {
    for (const entry of state.entries) {
      const key = messageKey(entry);
      if (entry.isHeld && !holders.has(key)) holders.set(key, member);
    }
    if (best === undefined || state.opened > best.opened || (state.opened === best.opened && end(state) > end(best))) {
      best = state;
    }
  }
  const log = new OrderLog(best?.base ?? 0);
  for (const entry of best?.entries ?? []) {
    if (entry.isOrdered) log.append(entry, entry.isVoid || !holders.has(messageKey(entry)));
  }
  for (const { base, entries } of states.values()) {
    entries.forEach((entry, i) => {
      // All members have it, in the order: the chosen one has forgotten it already.
      const isBehind = entry.isOrdered && base + i + 1 <= log.base;
      if (entry.isHeld && !isBehind && log.positionOf(messageKey(entry)) === undefined) log.append(entry);
    });
  }
  return { log, holders };
}

function end({ base, entries }: MemberState): number {
  return base + entries.filter(({ isOrdered }) => isOrdered).length;
}

/** A state in bodies that are no longer than allowed. */
export function stateParts(view: number, state: MemberState, bodyBytesMax: number): StateBody[] {
  const each = Math.floor((bodyBytesMax - STATE_HEAD_BYTES) / STATE_ENTRY_BYTES);
  const parts = Math.max(1, Math.ceil(state.entries.length / each));
  return Array.from({ length: parts }, (_, part) => ({
    kind: "state" as const,
    view,
    part,
    parts,
    opened: state.opened,
    base: state.base,
    entries: state.entries.slice(part * each, (part + 1) * each),
  }));
}

/** A member's state as its parts come in, in any order. */
export class StateAssembly {
  readonly #parts = new Map<number, readonly StateEntry[]>();

  /** The state, once all parts are there. */
  add({ part, parts, opened, base, entries }: StateBody): MemberState | undefined {
    this.#parts.set(part, entries);
    if (this.#parts.size < parts) return undefined;
    const inOrder = [...this.#parts].sort(([a], [b]) => a - b).flatMap(([, some]) => some);
    return { opened, base, entries: inOrder };
  }
}
