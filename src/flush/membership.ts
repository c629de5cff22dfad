import type { ViewCause, ViewId } from "../wire/spread/membership.ts";

/** What a membership message of the daemon says, as far as the flush layer needs to know. */
export type Membership = {
  readonly id: ViewId;
  readonly cause: ViewCause;
  readonly members: readonly string[];
  /** Who joined, left or was disconnected; `undefined` for a network change. */
  readonly changed: string | undefined;
  /** For a network change: the members that came along with this one from its previous view. */
  readonly ownSet: readonly string[];
};

export function sameViewId(a: ViewId, b: ViewId): boolean {
  return a.index === b.index && a.time === b.time && a.leader === b.leader;
}

/** A key for maps; equal exactly for equal ids. */
export function viewKey(id: ViewId): string {
  return `${id.leader}.${id.time}.${id.index}`;
}

/** Members of `previous` that did not come along into `next` together with this process. */
export function removedBy(previous: readonly string[], next: Membership): readonly string[] {
  if (next.cause === "join") return [];
  if (next.cause !== "network") return previous.filter((member) => member === next.changed);
  const stayed = new Set(next.ownSet);
  return previous.filter((member) => !stayed.has(member));
}
