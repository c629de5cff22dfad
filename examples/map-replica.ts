import type { GroupEvent, View } from "../src/index.ts";

/** What members of the group say to each other; as JSON. */
type Note =
  /** Changes the map. `id` tells its writer that it took effect. */
  | { readonly kind: "write"; readonly id: string; readonly key: string; readonly value: string | undefined }
  /** What this member could give to the others of the view. Everybody says it once per view that needs it. */
  | {
      readonly kind: "offer";
      readonly view: string;
      readonly complete: boolean;
      /** Complete copies of the same history are the same. */
      readonly history: string;
      readonly primary: boolean;
      readonly writes: number;
    }
  /** The map as it was when the last offer was delivered. */
  | { readonly kind: "state"; readonly view: string; readonly writes: number; readonly entries: [string, string][] };

type Offer = Extract<Note, { kind: "offer" }>;

/** What a replica asks for. */
export interface ReplicaOutbox {
  /** Multicasts to the group with service `agreed` or stronger. */
  send(note: string): void;
  /** A write was delivered: it took effect, or not since this side of a split may not write. */
  written(id: string, effective: boolean): void;
}

/**
 * One copy of a replicated map, fed with the events of its group. It shows how state is transferred to a joiner, and
 * which state survives a merge:
 *
 * - All members see the same views and writes in the same order, so copies that began alike stay alike.
 * - A view's *sets* tell who came along with whom: members of one set have delivered the same and need nothing of each
 *   other. When a view has several sets (a join, a merge), everybody offers what it has. Once all offers of the view are in,
 *   all know the same winner: of complete copies, those that were in a primary view, then those with most writes.
 * - The first member with the winning state sends its map as it is at that point of the order. The others take it
 *   and apply what was delivered behind that point, which they have kept meanwhile.
 * - If a view changes before that is done, the next view does it again. Two members may then be in one set although they
 *   never agreed on a state; so each remembers its history: the last view in which all agreed, and the sets that it has
 *   been in since.
 * - Only a primary view writes, so that two sides of a split never diverge.
 */
export class MapReplica {
  readonly #outbox: ReplicaOutbox;
  readonly entries = new Map<string, string>();
  #view: View | undefined;
  /** Whether this copy has the group's state. */
  #complete = false;
  #history = "";
  /** The last view before this one was primary. */
  #wasPrimary = false;
  /** Offers of the current view by member, until all are in. */
  #offers: Map<string, Offer> | undefined;
  /** Someone of this view still waits for the state: true at the same places of the order at all members of a set. */
  #transferring = false;
  /** Writes behind the point that the awaited state was taken at; `undefined` when nothing is awaited. */
  #kept: Extract<Note, { kind: "write" }>[] | undefined;
  #writes = 0;

  constructor(outbox: ReplicaOutbox) {
    this.#outbox = outbox;
  }

  get isComplete(): boolean {
    return this.#complete;
  }

  /** Whether writes take effect in the present view. */
  get isWritable(): boolean {
    return this.#view !== undefined && this.#view.primary !== false;
  }

  /** What to multicast for a write. */
  static write(id: string, key: string, value: string | undefined): string {
    return JSON.stringify({ kind: "write", id, key, value } satisfies Note);
  }

  receive(event: GroupEvent): void {
    switch (event.kind) {
      case "view":
        return this.#onView(event);
      case "gap":
        // Something was missed: this copy may still be the best there is, but it is not complete.
        this.#complete = false;
        return;
      case "message":
        return this.#onNote(event.sender, JSON.parse(new TextDecoder().decode(event.payload)) as Note);
      case "primary":
        if (this.#view !== undefined) this.#view = { ...this.#view, primary: event.primary };
        return;
      case "transitional":
      case "flushRequest":
      case "left":
        return;
    }
  }

  #onView(view: View): void {
    const isFirst = this.#view === undefined;
    const wasPrimary = this.#view?.primary !== false;
    if (!isFirst) this.#wasPrimary = wasPrimary;
    this.#view = view;
    this.#kept = undefined;
    this.#offers = undefined;
    // Alone: whatever this copy holds is the state.
    if (view.members.length === 1) this.#complete = true;
    if (view.members.length === 1 || (view.sets.length === 1 && !this.#transferring)) {
      this.#transferring = false;
      this.#history = keyOf(view);
      return;
    }
    this.#transferring = true;
    this.#history += ` ${keyOf(view)}:${view.sets.findIndex((set) => set.includes(view.members[view.index] as string))}`;
    this.#offers = new Map();
    this.#send({
      kind: "offer",
      view: keyOf(view),
      complete: this.#complete,
      history: this.#history,
      primary: this.#wasPrimary,
      writes: this.#writes,
    });
  }

  #onNote(sender: string, note: Note): void {
    switch (note.kind) {
      case "write":
        return this.#onWrite(note);
      case "offer":
        return this.#onOffer(sender, note);
      case "state":
        return this.#onState(note);
    }
  }

  #onWrite(note: Extract<Note, { kind: "write" }>): void {
    const effective = this.isWritable;
    if (effective) {
      if (this.#kept) this.#kept.push(note);
      else this.#apply(note);
    }
    this.#outbox.written(note.id, effective);
  }

  #onOffer(sender: string, offer: Offer): void {
    const view = this.#view;
    if (!view || !this.#offers || offer.view !== keyOf(view) || !view.members.includes(sender)) return;
    this.#offers.set(sender, offer);
    if (this.#offers.size < view.members.length) return;
    const offers = this.#offers;
    this.#offers = undefined;

    const donor = view.members.reduce((best, member) =>
      compare(offers.get(member) as Offer, offers.get(best) as Offer) > 0 ? member : best,
    );
    const self = view.members[view.index] as string;
    const [best, own] = [offers.get(donor) as Offer, offers.get(self) as Offer];
    const isDonor = self === donor || (own.complete && best.complete && own.history === best.history);
    // Everybody else waits for the state, whatever it had.
    this.#complete = isDonor;
    if (!isDonor) this.#kept = [];
    if (self !== donor) return;
    this.#send({ kind: "state", view: keyOf(view), writes: this.#writes, entries: [...this.entries] });
  }

  #onState(note: Extract<Note, { kind: "state" }>): void {
    if (!this.#view || note.view !== keyOf(this.#view)) return;
    this.#transferring = false;
    this.#complete = true;
    this.#history = note.view;
    const kept = this.#kept;
    this.#kept = undefined;
    if (!kept) return;
    this.entries.clear();
    for (const [key, value] of note.entries) this.entries.set(key, value);
    this.#writes = note.writes;
    for (const write of kept) this.#apply(write);
  }

  #apply({ key, value }: Extract<Note, { kind: "write" }>): void {
    this.#writes++;
    if (value === undefined) this.entries.delete(key);
    else this.entries.set(key, value);
  }

  #send(note: Note): void {
    this.#outbox.send(JSON.stringify(note));
  }
}

/** Greater is the better state to go on with; 0 for those between which the order of members decides. */
function compare(a: Offer, b: Offer): number {
  return Number(a.complete) - Number(b.complete) || Number(a.primary) - Number(b.primary) || a.writes - b.writes;
}

function keyOf({ id }: View): string {
  return `${id.leader}.${id.time}.${id.index}`;
}
