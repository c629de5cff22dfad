import { decodeBody, SUBGROUP_CAST } from "../flush/body.ts";
import { FlushGroup, type SendMode } from "../flush/flush-group.ts";
import type { Membership } from "../flush/membership.ts";
import type { NativeGap } from "../wire/native/messages.ts";
import { classOfType, serviceOfType } from "../wire/spread/codes.ts";
import {
  dataBytesOf,
  frameBytes,
  groupCountOf,
  HEADER_BYTES,
  isLittleEndian,
  messageTypeOf,
  typeOf,
} from "../wire/spread/frame.ts";
import { decodeMembership, type MembershipMessage, type ViewCause, type ViewId } from "../wire/spread/membership.ts";
import { NAME_BYTES } from "../wire/spread/names.ts";
import type { Gap, GroupEvent, Message, View } from "./events.ts";
import { Names } from "./names.ts";

/** What the memberships ask of their host. */
export interface MembershipsHost {
  /** For the stream of one group. */
  groupEvent(group: string, event: GroupEvent): void;
  /** For the stream of the connection; also what belongs to no group. */
  event(event: GroupEvent): void;
  /** The first view of a group that was being joined has been told. */
  joined(group: string): void;
  /** The group was left, as asked for or not. Its last event has been told. */
  left(group: string): void;
  /** The group is to be left and joined again. */
  rejoin(group: string): void;
  /** Multicasts a vote of the flush layer. */
  vote(group: string, kind: "ok" | "recv", id: ViewId): void;
}

/** The flush layer's mode of a group: off, asking the program, or agreeing by itself. */
export type FlushMode = "off" | "ask" | "automatic";

type ViewMessage = Extract<MembershipMessage, { kind: "view" }>;
type FlushView = Membership & { readonly message: ViewMessage };

type Entry = {
  readonly name: string;
  readonly mode: FlushMode;
  flush: FlushGroup<Message, FlushView> | undefined;
  status: "joining" | "joined" | "leaving";
  view: View | undefined;
  /** As the daemon said last. */
  primary: boolean | undefined;
  /** Told before the next view. */
  gap: Gap | undefined;
  /** How many ends of former memberships come before that of this one, at most: they are not told. */
  rejoining: number;
};

/**
 * The groups that a connection is in: makes the events of frames, in order. Owns no promise and sends nothing but the
 * votes of the flush layer.
 */
export class Memberships {
  readonly #host: MembershipsHost;
  readonly #names = new Names();
  readonly #entries = new Map<string, Entry>();
  /** How many ends of memberships that were left before they came may still come, by group. */
  readonly #strays = new Map<string, number>();
  #self = "";
  #lastGroups: readonly string[] = [];

  constructor(host: MembershipsHost) {
    this.#host = host;
  }

  /** This connection's private group. */
  get self(): string {
    return this.#self;
  }

  has(group: string): boolean {
    return this.#entries.has(group);
  }

  view(group: string): View | undefined {
    return this.#entries.get(group)?.view;
  }

  /** Is a member, and has not asked to leave. */
  isJoined(group: string): boolean {
    return this.#entries.get(group)?.status === "joined";
  }

  /** Has asked to leave, and is still a member. */
  isLeaving(group: string): boolean {
    return this.#entries.get(group)?.status === "leaving";
  }

  /** A JOIN is about to be sent. */
  join(group: string, mode: FlushMode): void {
    const entry: Entry = {
      name: group,
      mode,
      flush: undefined,
      status: "joining",
      view: undefined,
      primary: undefined,
      gap: undefined,
      rejoining: this.#strays.get(group) ?? 0,
    };
    this.#strays.delete(group);
    entry.flush = this.#flushGroup(entry);
    this.#entries.set(group, entry);
  }

  /** A LEAVE is about to be sent. */
  leave(group: string): void {
    const entry = this.#entries.get(group);
    if (entry) entry.status = "leaving";
  }

  /** The join was refused, or the program does not want it any more: no event tells of it. */
  forget(group: string): void {
    this.#entries.delete(group);
  }

  /** How a message may be sent to the group: blocked or marked only in flush mode. */
  sendMode(group: string, weak: boolean): SendMode {
    return this.#entries.get(group)?.flush?.sendMode(weak) ?? { kind: "plain" };
  }

  isFlushed(group: string): boolean {
    return this.#entries.get(group)?.flush !== undefined;
  }

  /** The program has finished with the view; false if it was not asked. */
  flush(group: string): boolean {
    return this.#entries.get(group)?.flush?.flush() ?? false;
  }

  /** The first session. */
  begin(self: string): void {
    this.#self = self;
  }

  /**
   * A session that is not the continuation of the one before: every group shows a gap, then its new first view.
   * Returns the groups to join again. Those that were being left are left.
   */
  restart(self: string): readonly string[] {
    this.#self = self;
    this.#strays.clear();
    const again: string[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.status === "leaving") {
        this.#leave(entry, 0);
        continue;
      }
      const event: Gap = { kind: "gap", group: entry.name, reason: "reconnected", count: undefined };
      this.#restart(entry, entry.status === "joined" ? (entry.gap ?? event) : undefined);
      entry.rejoining = 0;
      again.push(entry.name);
    }
    return again;
  }

  /**
   * The same session, where some deliveries are gone; a gap that follows says which. Returns the groups to leave and join
   * again, since their views may be among what is gone. Those that were being left are left.
   */
  interrupt(): readonly string[] {
    const again: string[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.status === "leaving") {
        // Its end may be among what is gone, or come after all.
        this.#leave(entry, entry.rejoining + 1);
        continue;
      }
      // What comes before the new view still counts, but for the flush layer: it begins again when it is told of the gap.
      if (entry.flush !== undefined && entry.status === "joined") continue;
      if (entry.flush !== undefined) this.#restart(entry, undefined);
      entry.rejoining++;
      again.push(entry.name);
    }
    return again;
  }

  /** Told by the daemon. */
  gap(gap: NativeGap): void {
    const reason = gap.reason === "elsewhere" ? "reconnected" : gap.reason;
    const count = gap.count > 0 ? gap.count : undefined;
    // Without a name it may concern any of them.
    const names = gap.group === "" ? [...this.#entries.keys()] : [gap.group];
    for (const name of names) {
      const event: Gap = { kind: "gap", group: name, reason, count };
      const entry = this.#entries.get(name);
      if (entry === undefined) this.#host.event(event);
      // Unless its leave is on the way already and this one is of before; what concerns any group may have been the new view.
      else if (entry.flush && (gap.group === "" || entry.rejoining === 0)) this.#beginAgain(entry, event);
      else if (entry.gap) entry.gap = event;
      else if (entry.view) this.#tell(entry, event);
    }
  }

  /** The daemon's configuration is primary, or is not: groups whose views say otherwise are told. */
  configured(primary: boolean): void {
    for (const entry of this.#entries.values()) {
      entry.primary = primary;
      if (entry.view === undefined || entry.view.primary === primary) continue;
      entry.view = { ...entry.view, primary };
      this.#host.groupEvent(entry.name, { kind: "primary", primary });
    }
  }

  /** A frame of the daemon, at an offset of memory that never changes. `own`: it is this connection's own message. */
  frame(
    bytes: Uint8Array,
    at: number,
    length: number,
    primary: boolean | undefined,
    own: boolean,
  ): Message | undefined {
    const type = typeOf(bytes, at);
    switch (classOfType(type)) {
      case "data":
        return frameBytes(bytes, at, length) === length ? this.#onData(bytes, at, length, type, own) : undefined;
      case "regular":
      case "transitional":
      case "selfLeave": {
        const message = decodeMembership(bytes.subarray(at, at + length));
        if (message) this.#onMembership(message, primary);
        return undefined;
      }
      case "reject":
      case "request":
      case "other":
        return undefined;
    }
  }

  #onData(bytes: Uint8Array, at: number, length: number, type: number, own: boolean): Message | undefined {
    const service = serviceOfType(type);
    if (service === undefined) return undefined;
    const count = groupCountOf(bytes, at);
    const groups = this.#groupsOf(bytes, at, count);
    const sender = this.#names.read(bytes, at + 4);
    const message: Message = {
      kind: "message",
      sender,
      groups,
      service,
      type: messageTypeOf(bytes, at),
      payload: bytes.subarray(at + length - dataBytesOf(bytes, at), at + length),
      own: own || sender === this.#self,
      bigEndian: !isLittleEndian(bytes, at + 40),
    };
    let plain = true;
    if (type & SUBGROUP_CAST) plain = !this.#onSubgroupCast(message);
    else if (count === 1) plain = this.#toGroup(groups[0] as string, message);
    else if (count > 1) {
      plain = false;
      for (const group of new Set(groups)) plain = this.#toGroup(group, message) || plain;
    }
    if (plain) this.#host.event(message);
    return message;
  }

  /** The destinations of a frame. Most messages have the one that the message before them had: they share the array. */
  #groupsOf(bytes: Uint8Array, at: number, count: number): readonly string[] {
    if (count === 1) {
      const group = this.#names.read(bytes, at + HEADER_BYTES);
      if (this.#lastGroups[0] !== group) this.#lastGroups = Object.freeze([group]);
      return this.#lastGroups;
    }
    const groups: string[] = [];
    for (let i = 0; i < count; i++) groups.push(this.#names.read(bytes, at + HEADER_BYTES + i * NAME_BYTES));
    return groups;
  }

  /** True if the message goes to the connection's stream as it is. */
  #toGroup(group: string, message: Message): boolean {
    const entry = this.#entries.get(group);
    if (entry === undefined) return true;
    if (entry.flush === undefined) {
      this.#host.groupEvent(group, message);
      return true;
    }
    this.#toFlush(entry.flush, message, false);
    return false;
  }

  #onSubgroupCast(message: Message): boolean {
    const body = decodeBody(message.type, true, !message.bigEndian, message.payload);
    if (body?.kind !== "data" || body.subgroup === undefined) return false;
    const flush = this.#entries.get(body.subgroup)?.flush;
    if (flush === undefined) return false;
    this.#toFlush(flush, { ...message, groups: [...message.groups, body.subgroup] }, true);
    return true;
  }

  #toFlush(flush: FlushGroup<Message, FlushView>, message: Message, subgroupCast: boolean): void {
    const body = decodeBody(message.type, subgroupCast, !message.bigEndian, message.payload);
    if (body === undefined) return;
    if (body.kind !== "data") return flush.vote(body.kind, message.sender, body.id);
    const user = { ...message, type: body.type, payload: body.payload };
    flush.message(message.sender, user, body.vulnerableIn);
  }

  #onMembership(message: MembershipMessage, primary: boolean | undefined): void {
    const entry = this.#entries.get(message.group);
    if (entry === undefined) {
      if (message.kind === "selfLeave") this.#expect(message.group, (this.#strays.get(message.group) ?? 0) - 1);
      return;
    }
    switch (message.kind) {
      case "transitional":
        if (entry.flush) return entry.flush.transitional();
        return this.#tell(entry, { kind: "transitional", group: entry.name });
      case "selfLeave":
        // Who leaves while the group is being left and joined again is told at the first end: more come.
        if (entry.rejoining === 0 || entry.status === "leaving") return this.#leave(entry, entry.rejoining);
        entry.rejoining--;
        entry.flush = this.#flushGroup(entry);
        // What is sent until the new view is missed.
        if (entry.view) entry.gap ??= { kind: "gap", group: entry.name, reason: "window", count: undefined };
        return;
      case "view":
        if (!message.members.includes(this.#self)) return;
        entry.primary = primary;
        if (entry.flush === undefined) return this.#show(entry, message, message.cause, undefined);
        return entry.flush.membership({
          id: message.id,
          cause: message.cause,
          members: message.members,
          changed: message.cause === "network" ? undefined : message.sets[0]?.[0],
          ownSet: message.sets.find((set) => set.includes(this.#self)) ?? [this.#self],
          message,
        });
    }
  }

  /** Virtual synchrony cannot go on with something missed, perhaps a vote: the member leaves and joins anew. */
  #beginAgain(entry: Entry, gap: Gap): void {
    if (entry.status !== "joined") return;
    this.#restart(entry, gap);
    entry.rejoining++;
    this.#host.rejoin(entry.name);
  }

  #restart(entry: Entry, gap: Gap | undefined): void {
    entry.flush = this.#flushGroup(entry);
    entry.gap = gap;
  }

  /** `strays`: so many ends of its memberships may still come. */
  #leave(entry: Entry, strays: number): void {
    this.#entries.delete(entry.name);
    this.#expect(entry.name, strays);
    const event: GroupEvent = { kind: "left", group: entry.name };
    this.#host.groupEvent(entry.name, event);
    this.#host.event(event);
    this.#host.left(entry.name);
  }

  #expect(group: string, strays: number): void {
    if (strays > 0) this.#strays.set(group, strays);
    else this.#strays.delete(group);
  }

  #show(entry: Entry, message: ViewMessage, cause: ViewCause, survivors: readonly string[] | undefined): void {
    // A view of the flush layer is shown later than it came.
    const view = viewOf(message, cause, survivors, this.#self, entry.gap ? undefined : entry.view, entry.primary);
    if (entry.gap) this.#tell(entry, entry.gap);
    entry.gap = undefined;
    entry.view = view;
    this.#tell(entry, view);
    if (entry.status !== "joining") return;
    entry.status = "joined";
    this.#host.joined(entry.name);
  }

  #tell(entry: Entry, event: GroupEvent): void {
    this.#host.groupEvent(entry.name, event);
    this.#host.event(event);
  }

  #flushGroup(entry: Entry): FlushGroup<Message, FlushView> | undefined {
    if (entry.mode === "off") return undefined;
    return new FlushGroup<Message, FlushView>(
      {
        vote: (kind, id) => this.#host.vote(entry.name, kind, id),
        flushRequest: () => this.#tell(entry, { kind: "flushRequest", group: entry.name }),
        view: (view, cause, survivors) => {
          const own = survivors.length > 0 ? survivors : [this.#self];
          this.#show(entry, view.message, cause, own);
        },
        transitional: () => this.#tell(entry, { kind: "transitional", group: entry.name }),
        message: (message) => this.#tell(entry, message),
        lost: (count) => this.#tell(entry, { kind: "gap", group: entry.name, reason: "slow", count }),
      },
      entry.mode === "automatic",
    );
  }
}

/** Makes a view of what the daemon says and of the view before it. */
function viewOf(
  message: ViewMessage,
  cause: ViewCause,
  survivors: readonly string[] | undefined,
  self: string,
  previous: View | undefined,
  primary: boolean | undefined,
): View {
  const { members } = message;
  const before = new Set(previous?.members);
  const now = new Set(members);
  const sets = setsOf(message);
  return {
    kind: "view",
    group: message.group,
    id: message.id,
    members,
    index: members.indexOf(self),
    cause,
    joined: members.filter((member) => !before.has(member)),
    left: (previous?.members ?? []).filter((member) => !now.has(member)),
    sets,
    ownSet: survivors ?? sets.find((set) => set.includes(self)) ?? [self],
    primary,
  };
}

/** The daemon names only who changed where one member came or went; all others were together before. */
function setsOf(message: ViewMessage): readonly (readonly string[])[] {
  const { cause, members } = message;
  if (cause === "network") return message.sets;
  if (cause !== "join") return [members];
  const joiner = message.sets[0]?.[0];
  const others = members.filter((member) => member !== joiner);
  const joiners = members.filter((member) => member === joiner);
  return [others, joiners].filter((set) => set.length > 0);
}
