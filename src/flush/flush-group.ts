import { assert } from "../base/assert.ts";
import type { ViewCause, ViewId } from "../wire/spread/membership.ts";
import { type Membership, removedBy, sameViewId, viewKey } from "./membership.ts";
import { Votes } from "./votes.ts";

/** What the flush layer asks of its host, for one group. Called within the group's methods; must not call back. */
export interface FlushOutbox<Message, View extends Membership = Membership> {
  /** Multicasts FLUSH_OK or FLUSH_RECV with this view id to the group, FIFO. */
  vote(kind: "ok" | "recv", id: ViewId): void;
  /** The application is asked to finish with its view: nothing more arrives after `flush()` until the next view. */
  flushRequest(): void;
  /** Installs a view. `survivors` are those members of the previous view that came along with this process. */
  view(membership: View, cause: ViewCause, survivors: readonly string[]): void;
  /** A member of the current view is gone: what follows is promised for the survivors only. At most once a view. */
  transitional(): void;
  message(message: Message): void;
  /** Messages that could not be kept until their view was installed: more than `postponedMax`. */
  lost(count: number): void;
}

/** How a message may be sent now. */
export type SendMode =
  | { readonly kind: "plain" }
  /** It may overtake the votes of others: tell the receivers the view it is sent in. */
  | { readonly kind: "vulnerable"; readonly id: ViewId }
  /** Between `flush()` and the next view, or before the first one. */
  | { readonly kind: "blocked" };

export type FlushState = "steady" | "authorize" | "agree" | "verify";

type Pending<View> = {
  readonly membership: View;
  /** Members of the views before that are not in this one any more. */
  readonly removed: Set<string>;
  /** It stands for one or more views that were never installed. */
  collapsed: boolean;
};

/** Most weak messages that wait for their view to be installed here. */
const POSTPONED_MAX = 65_536;

/**
 * Virtual synchrony in one group: every message is delivered in the view it was sent in, and those who go on together
 * into the next view have delivered the same messages in this one. Wire-compatible with Spread's flush layer
 * (spread-client-protocol section 7): a new membership takes effect when all of its members have voted FLUSH_OK for
 * it, and messages that might overtake such votes are marked until all have voted FLUSH_RECV.
 *
 * Fed with what the daemon delivers, in order; a pure machine without timers, since the daemon's membership already
 * detects failures. A process that joins starts with a fresh object.
 */
export class FlushGroup<Message, View extends Membership = Membership> {
  readonly #outbox: FlushOutbox<Message, View>;
  readonly #automatic: boolean;
  readonly #votes = new Votes();
  /** A joiner has agreed to whatever its first view will be. */
  #state: FlushState = "agree";
  #view: View | undefined;
  /** Members of the current view that have not been removed by a later membership. */
  #live = new Set<string>();
  #pending: Pending<View>[] = [];
  #postponed: { readonly sender: string; readonly message: Message }[] = [];
  /** In `agree` and `verify`: the members whose vote is still missing. */
  #awaited = new Set<string>();
  #transitional = false;

  /** `automatic`: votes by itself as soon as it is asked, and never requests a flush of the application. */
  constructor(outbox: FlushOutbox<Message, View>, automatic: boolean) {
    this.#outbox = outbox;
    this.#automatic = automatic;
  }

  get state(): FlushState {
    return this.#state;
  }

  /** How a message may be sent; `weak` are the services below causal. */
  sendMode(weak: boolean): SendMode {
    if (this.#view === undefined || this.#state === "agree") return { kind: "blocked" };
    if (this.#state === "steady" || !weak) return { kind: "plain" };
    return { kind: "vulnerable", id: this.#view.id };
  }

  /** The application has sent all it wants to send in this view. False if it was not asked. */
  flush(): boolean {
    if (this.#state !== "authorize") return false;
    this.#becomeAgree();
    return true;
  }

  /** A regular membership of the daemon. */
  membership(membership: View): void {
    const previous = this.#pending.at(-1)?.membership ?? this.#view;
    const removed = removedBy(previous?.members ?? [], membership);
    const head = this.#pending[0];
    this.#pending.push({ membership, removed: new Set(removed), collapsed: false });
    this.#votes.age();
    this.#collapse(removed);
    this.#bury(removed);

    if (this.#state === "agree") {
      // What the application finished with is its current view, so its consent also holds for the view that takes
      // the place of the one that it was asked for.
      if (this.#pending[0] !== head) this.#becomeAgree();
    } else if (this.#state !== "authorize") {
      this.#becomeAuthorize();
    }
  }

  /** The daemon's transitional signal. */
  transitional(): void {
    if (this.#view !== undefined) this.#signal();
  }

  /** FLUSH_OK or FLUSH_RECV of a member, possibly for a view that has not been announced here yet. */
  vote(kind: "ok" | "recv", sender: string, id: ViewId): void {
    if (!this.#votes.add(kind, viewKey(id), sender)) return;
    if (this.#state === "agree" && kind === "ok") {
      const next = this.#pending[0]?.membership;
      if (next === undefined || !sameViewId(next.id, id)) return;
      this.#awaited.delete(sender);
      if (this.#awaited.size === 0) this.#install();
    } else if (this.#state === "verify" && kind === "recv") {
      if (this.#view === undefined || !sameViewId(this.#view.id, id)) return;
      this.#awaited.delete(sender);
      if (this.#awaited.size === 0) this.#state = "steady";
    }
  }

  /** A user's message; `vulnerableIn` is the view that a vulnerable one names. */
  message(sender: string, message: Message, vulnerableIn: ViewId | undefined): void {
    const next = this.#pending[0]?.membership;
    if (vulnerableIn !== undefined && this.#state === "agree" && next && sameViewId(next.id, vulnerableIn)) {
      if (this.#postponed.length >= POSTPONED_MAX) return this.#outbox.lost(1);
      this.#postponed.push({ sender, message });
    } else if (this.#live.has(sender)) {
      this.#outbox.message(message);
    }
  }

  #becomeAuthorize(): void {
    if (this.#automatic) return this.#becomeAgree();
    this.#state = "authorize";
    this.#outbox.flushRequest();
  }

  #becomeAgree(): void {
    const next = this.#pending[0]?.membership;
    assert(next !== undefined, "only a pending view is agreed to");
    this.#state = "agree";
    this.#await("ok", next);
    // Our own vote comes back like those of the others, behind everything that we have sent before.
    this.#outbox.vote("ok", next.id);
    if (this.#awaited.size === 0) this.#install();
  }

  #install(): void {
    const next = this.#pending.shift();
    assert(next !== undefined, "only a pending view is installed");
    const survivors = (this.#view?.members ?? []).filter((member) => !next.removed.has(member));
    this.#view = next.membership;
    this.#live = new Set(next.membership.members);
    this.#transitional = false;
    this.#outbox.view(next.membership, next.collapsed ? "network" : next.membership.cause, survivors);
    this.#deliverPostponed();
    for (const later of this.#pending) this.#bury(later.removed);

    if (this.#pending.length > 0) this.#becomeAuthorize();
    else this.#becomeVerify(next.membership);
  }

  #becomeVerify(view: Membership): void {
    this.#state = "verify";
    this.#await("recv", view);
    this.#outbox.vote("recv", view.id);
    if (this.#awaited.size === 0) this.#state = "steady";
  }

  /** Others, faster than us, sent these in the view that is installed now. */
  #deliverPostponed(): void {
    const postponed = this.#postponed;
    this.#postponed = [];
    for (const { sender, message } of postponed) if (this.#live.has(sender)) this.#outbox.message(message);
  }

  /**
   * A pending view cannot be agreed any more if one of its members went before it voted: its changes become part of
   * the next one. All who moved together decide the same, since a member's vote is ordered before its end.
   */
  #collapse(removed: readonly string[]): void {
    for (let i = 0; i < this.#pending.length - 1; ) {
      const pending = this.#pending[i] as Pending<View>;
      const key = viewKey(pending.membership.id);
      const members = pending.membership.members;
      const broken = removed.some((member) => members.includes(member) && !this.#votes.has("ok", key, member));
      if (!broken) {
        i++;
        continue;
      }
      const next = this.#pending[i + 1] as Pending<View>;
      for (const member of pending.removed) next.removed.add(member);
      next.collapsed = true;
      this.#pending.splice(i, 1);
      // Nobody can have sent in a view that is never installed.
      if (i === 0) this.#postponed = [];
    }
  }

  /** Takes members out of the live ones and tells it once. */
  #bury(removed: Iterable<string>): void {
    let any = false;
    for (const member of removed) any = this.#live.delete(member) || any;
    if (any) this.#signal();
  }

  #signal(): void {
    if (this.#transitional) return;
    this.#transitional = true;
    this.#outbox.transitional();
  }

  #await(kind: "ok" | "recv", membership: Membership): void {
    const key = viewKey(membership.id);
    this.#awaited = new Set(membership.members.filter((member) => !this.#votes.has(kind, key, member)));
  }
}
