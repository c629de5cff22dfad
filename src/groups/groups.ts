import { assert } from "../base/assert.ts";
import { coverIn } from "../base/coverage.ts";
import type { DaemonId } from "../base/ids.ts";
import { joined } from "../base/joined.ts";
import { Directory } from "../directory/directory.ts";
import type { Group } from "../directory/group.ts";
import type { Member } from "../directory/member.ts";
import { type JoinRequest, parseJoin } from "../directory/join-request.ts";
import { DEFAULT_OPTIONS, type GroupOptions } from "../directory/options.ts";
import { Content, NUMBER_HEAD_BYTES } from "../ordering/content.ts";
import type { Interest } from "../ordering/interest.ts";
import { serviceRank } from "../ordering/service.ts";
import {
  type Delivery,
  payloadOf,
  type RegularConfiguration,
  type TransitionalConfiguration,
  type Upcalls,
} from "../ordering/upcall.ts";
import { TypeBit } from "../wire/spread/codes.ts";
import { dataBytesOf, groupCountOf, HEADER_BYTES, typeOf } from "../wire/spread/frame.ts";
import { isGroupName, NAME_BYTES, parsePrivateGroup } from "../wire/spread/names.ts";
import type { GroupsEvent, GroupsStateName } from "./cells.ts";
import { type CompleteSet, Exchange } from "./exchange.ts";
import { GroupInterests, type SitesKnowledge } from "./group-interests.ts";
import { LocalMembers } from "./local-members.ts";
import { NameCache } from "./name-cache.ts";
import { lightNotice, networkNotices, selfLeaveNotice, transitionalNotice } from "./notices.ts";
import { Numbering } from "./numbering.ts";
import { hasFacts, isOrdered, NodeGroups } from "./node-groups.ts";
import type { GroupsOutbox, Notice, SessionNumber } from "./outbox.ts";
import { encodeState } from "./state.ts";
import { cutState } from "./state-piece.ts";

/** What the groups layer of a daemon has to know about it and the others. */
export type GroupsConfig = {
  readonly me: DaemonId;
  /** This daemon's name, as in its clients' private names. */
  readonly daemonName: string;
  /** The place of a daemon in the configuration file; unknown ones last. */
  positionOf(daemon: DaemonId): number;
  nameOf(daemon: DaemonId): string;
  /** The daemon of a name in a private name; undefined: there is none. */
  daemonNamed(name: string): DaemonId | undefined;
  /** How much state goes into one message of the exchange. */
  readonly statePieceBytes?: number;
  /** How many numbered sessions are remembered. */
  readonly sessionsMax?: number;
  /** Told when work of another kind begins, for benchmarks. */
  readonly onPhase?: (phase: GroupsPhase) => void;
};

/** Kinds of work after a change of daemons, as the paper divides it (H.5). */
export type GroupsPhase = "prune" | "build" | "process" | "notify" | "other";

type State =
  | { readonly name: "GOP" }
  /** Daemons have gone: `members` go on together. */
  | { readonly name: "GTRANS"; readonly members: ReadonlySet<DaemonId> }
  | { readonly name: "GGATHER"; readonly exchange: Exchange }
  /** Daemons have gone before the exchange was complete. */
  | { readonly name: "GGT"; readonly exchange: Exchange; readonly next: TransitionalConfiguration };

/**
 * Process groups over extended virtual synchrony (protocols.md H.2): applies the ordered stream of client requests and
 * configurations to the directory, tells local members of each change, exchanges state when daemons come together,
 * and finds the local sessions for each message.
 *
 * Daemons that are known to hold equal directories form a synchronised set; its first member in configured order, its
 * representative, speaks for it in an exchange (H3).
 */
export class Groups implements Upcalls {
  readonly #config: GroupsConfig;
  readonly #outbox: GroupsOutbox;
  readonly #directory: Directory;
  readonly #local = new LocalMembers();
  readonly #names = new NameCache();
  /** A daemon that starts behaves as if all others had just gone: it waits for its first regular configuration. */
  #state: State;
  #isNew = true;
  /** The synchronised set, in configured order. */
  #synchronised: readonly DaemonId[];
  #primary = false;
  /** What this daemon has told in the exchange as its set's representative. */
  #told: Uint8Array | undefined;
  /** Messages weaker than agreed of daemons that completed the exchange earlier than this one. */
  #held: Delivery[] = [];
  readonly #nodeGroups: NodeGroups;
  readonly #numbering: Numbering;
  #malformed = 0;
  readonly #interests: GroupInterests;

  constructor(config: GroupsConfig, outbox: GroupsOutbox) {
    this.#config = config;
    this.#outbox = outbox;
    this.#directory = new Directory(config, config.sessionsMax);
    this.#numbering = new Numbering(this.#directory.sessions, this.#names);
    this.#nodeGroups = new NodeGroups(config.me, this.#directory, this.#local, outbox);
    this.#state = { name: "GTRANS", members: new Set([config.me]) };
    this.#synchronised = [config.me];
    this.#interests = new GroupInterests(config, this.#directory, this.#names, outbox);
  }

  /** To be read only: the groups, their members and options, and the table of numbered sessions. */
  get directory(): Directory {
    return this.#directory;
  }

  get state(): GroupsStateName {
    return this.#state.name;
  }

  /** The daemons known to hold an equal directory, this one included, in configured order. */
  get synchronised(): readonly DaemonId[] {
    return this.#synchronised;
  }

  /** Whether views are primary now. */
  get primary(): boolean {
    return this.#primary;
  }

  /** Payloads dropped because they were not well formed. */
  get malformed(): number {
    return this.#malformed;
  }

  /** A local client may now be delivered to. Its user name must be free: see `GroupsOutbox.ended`. */
  attach(user: string, session: SessionNumber): void {
    this.#local.attach(user, session);
    for (const group of this.#groupsOf(user)) if (isOrdered(group)) this.#local.join(group.name, session);
  }

  /** Nothing more is to be handed to this client, though it stays a member until its kill is ordered. */
  detach(user: string): void {
    const session = this.#local.sessionOf(user);
    if (session === undefined) return;
    for (const group of this.#groupsOf(user)) this.#local.leave(group.name, session);
    this.#local.detach(user);
  }

  /** The local sessions that are told what happens in an ordered group, in the order in which they came. The list is never changed. */
  localMembers(group: string): readonly SessionNumber[] {
    return this.#local.of(group);
  }

  /** Those groups whose members are nodes; to be asked only. */
  get nodeGroups(): NodeGroups {
    return this.#nodeGroups;
  }

  optionsOf(group: string): GroupOptions | undefined {
    return this.#directory.get(group)?.options;
  }

  /** The number up to which all messages of a numbered session (16 bytes) have been ordered. */
  lastOrdered(token: Uint8Array): number {
    return this.#numbering.lastOrdered(token);
  }

  /**
   * Forgets a numbered session. To be called by all daemons at the same position of the agreed order. In an exchange, in
   * which the session may just have been told to others, it is done when the states are merged.
   */
  forget(token: Uint8Array): void {
    this.#numbering.forget(token);
    if (this.#state.name === "GOP" || this.#state.name === "GTRANS") this.#numbering.forgetNow();
  }

  /** `GroupInterests.of`. */
  interest(frame: Uint8Array, message: object, sites: SitesKnowledge): Interest {
    return this.#interests.of(frame, message, sites, this.#state.name === "GOP");
  }

  message(delivery: Delivery): void {
    switch (delivery.content) {
      case Content.frame:
      case Content.numberedFrame:
        if (this.#state.name === "GOP" || this.#state.name === "GTRANS") this.#onClientMessage(delivery);
        else this.#hold(delivery);
        break;
      case Content.groupState:
        this.#onState(delivery);
        break;
      case Content.numbers:
        this.#malformed += this.#numbering.pass(payloadOf(delivery));
        break;
      case Content.interest:
        if (!this.#interests.announced(delivery, this.#state.name === "GOP")) this.#malformed++;
        break;
      default: // What else daemons tell each other is not for this layer.
    }
  }

  transitional(configuration: TransitionalConfiguration): void {
    const state = this.#state;
    if (this.#isNew) {
      assert(configuration.members.length === 1, "a new daemon comes alone");
      return;
    }
    this.#cover("transitional");
    switch (state.name) {
      case "GOP":
        this.#split(configuration);
        break;
      case "GGATHER":
        this.#state = { name: "GGT", exchange: state.exchange, next: configuration };
        break;
      case "GTRANS":
      case "GGT":
        assert(false, "between two transitional configurations there is a regular one");
    }
  }

  regular(configuration: RegularConfiguration): void {
    const state = this.#state;
    this.#cover("regular");
    this.#isNew = false;
    this.#interests.restart();
    switch (state.name) {
      case "GTRANS":
        assert(
          isSubset(state.members, configuration.members),
          "the transitional members are in the next configuration",
        );
        this.#phase("prune");
        this.#directory.prune(state.members);
        this.#nodeGroups.dropEnded();
        this.#phase("other");
        this.#primary = configuration.primary;
        if (configuration.members.length === state.members.size) this.#settle(configuration);
        else {
          this.#outbox.block();
          this.#told = undefined;
          this.#gather(configuration);
        }
        break;
      case "GGT":
        assert(isSubset(new Set(state.next.members), configuration.members), "the transitional members go on");
        this.#restart(state.exchange, state.next);
        this.#primary = configuration.primary;
        this.#gather(configuration);
        break;
      case "GOP":
      case "GGATHER":
        assert(false, "between two regular configurations there is a transitional one");
    }
  }

  // ---- changes of daemons -------------------------------------------------------------------------------------

  /** H.2, transitional configuration in GOP. */
  #split(configuration: TransitionalConfiguration): void {
    const members = new Set(configuration.members);
    assert(members.has(this.#config.me), "a configuration includes this daemon");
    this.#phase("prune");
    const affected = this.#directory.partition(configuration.id, members);
    this.#phase("notify");
    for (const { group, idBefore } of affected) {
      const sessions = this.#local.of(group.name);
      if (sessions.length > 0) this.#notify(sessions, transitionalNotice(group.name, idBefore, this.#primary));
    }
    this.#phase("other");
    this.#synchronised = this.#synchronised.filter((daemon) => members.has(daemon));
    this.#state = { name: "GTRANS", members };
  }

  /** All members of the configuration know the same: changed groups get their views (H4). */
  #settle(configuration: RegularConfiguration): void {
    this.#phase("notify");
    this.#directory.settle(configuration.id, (group) => {
      const sessions = this.#local.of(group.name);
      if (sessions.length > 0) this.#notify(sessions, networkNotices(group, this.#config.me, this.#primary).shared);
    });
    this.#outbox.configured(this.#primary, configuration.members.length);
    this.#phase("other");
    this.#state = { name: "GOP" };
  }

  #gather(configuration: RegularConfiguration): void {
    const representative = this.#synchronised[0];
    assert(representative !== undefined, "a synchronised set has a member");
    this.#state = { name: "GGATHER", exchange: new Exchange(configuration, representative) };
    if (representative !== this.#config.me) {
      this.#told = undefined;
      return;
    }
    this.#phase("build");
    this.#told ??= encodeState(this.#directory.export());
    const pieces = cutState(
      this.#told,
      configuration.id,
      this.#synchronised,
      this.#config.statePieceBytes ?? STATE_PIECE_BYTES,
    );
    for (let i = 0; i < pieces.length; i++) {
      const service = i === pieces.length - 1 ? "agreed" : "reliable";
      this.#outbox.multicast(service, Content.groupState, pieces[i] as Uint8Array);
    }
    this.#phase("other");
  }

  /**
   * The exchange was cut short. Sets whose states came in whole have become one with ours, provided that ours did too:
   * only then do their members know it. Daemons that did not come along are removed (H.2, GGT).
   */
  #restart(exchange: Exchange, next: TransitionalConfiguration): void {
    let unchanged = true;
    if (exchange.isOwnComplete) {
      for (const other of exchange.others()) {
        this.#merge(other);
        unchanged = false;
      }
    }
    if (this.#numbering.forgetNow()) unchanged = false;
    const members = new Set(next.members);
    if (this.#directory.prune(members)) unchanged = false;
    this.#nodeGroups.dropEnded();
    this.#synchronised = this.#synchronised.filter((daemon) => members.has(daemon));
    this.#held = [];
    if (!unchanged) this.#told = undefined;
  }

  #onState(delivery: Delivery): void {
    const state = this.#state;
    this.#cover("state");
    if (state.name !== "GGATHER" && state.name !== "GGT") {
      // Correct daemons tell their state only in an exchange.
      this.#malformed++;
      return;
    }
    this.#phase("process");
    if (state.exchange.receive(delivery.sender, payloadOf(delivery)) === "malformed") this.#malformed++;
    if (!state.exchange.isComplete) {
      this.#phase("other");
      return;
    }

    const { configuration } = state.exchange;
    for (const other of state.exchange.others()) this.#merge(other);
    this.#numbering.forgetNow();
    this.#synchronised = configuration.members;
    this.#told = undefined;
    this.#settle(configuration);
    this.#outbox.unblock();
    const held = this.#held;
    this.#held = [];
    for (const delivery of held) this.#onClientMessage(delivery);
    if (state.name === "GGT") this.#split(state.next);
  }

  #merge(other: CompleteSet): void {
    assert(other.state !== undefined, "another set's state is kept");
    const { state } = other;
    this.#nodeGroups.merge(state.groups, () => this.#directory.merge(state));
    const place = (daemon: DaemonId) => this.#config.positionOf(daemon);
    this.#synchronised = [...this.#synchronised, ...other.set].sort((a, b) => place(a) - place(b) || a - b);
  }

  /**
   * A client message between a regular configuration and the end of the exchange. Agreed ones cannot be: their sender
   * was blocked until the last state message, which goes before them in the total order. Weaker ones may have
   * overtaken that message here (K31).
   */
  #hold(delivery: Delivery): void {
    if (serviceRank(delivery.service) >= AGREED_RANK) {
      const head = delivery.content === Content.frame ? 0 : NUMBER_HEAD_BYTES;
      const type = delivery.head.length < head + HEADER_BYTES ? 0 : typeOf(delivery.head, head);
      if ((type & REQUESTS) !== 0) this.#cover(requestOf(type));
      // No correct daemon stamps such a message now.
      this.#malformed++;
      return;
    }
    assert(this.#held.length < HELD_MAX, "flow control bounds what can overtake the state exchange");
    this.#held.push(delivery);
  }

  // ---- clients ------------------------------------------------------------------------------------------------

  #onClientMessage(delivery: Delivery): void {
    const frameAt = delivery.content === Content.frame ? 0 : NUMBER_HEAD_BYTES;
    const isApart = delivery.tail !== undefined && isHeadWhole(delivery.head, frameAt);
    const payload = isApart ? delivery.head : payloadOf(delivery);
    const tail = isApart ? delivery.tail : undefined;
    if (frameAt === 0) this.#onFrame(delivery, payload, tail, 0);
    else this.#onNumbered(delivery, payload, tail);
    if (delivery.sender !== this.#config.me) return;
    this.#interests.delivered(payload, frameAt);
  }

  #onNumbered(delivery: Delivery, payload: Uint8Array, tail: Uint8Array | undefined): void {
    const { service } = delivery;
    const number = this.#numbering.numberOf(payload);
    if (number === undefined) {
      this.#malformed++;
      return;
    }
    const fresh = this.#numbering.accept(payload, number, serviceRank(service) >= AGREED_RANK);
    if (this.#isOwn(delivery)) this.#outbox.ordered(delivery.session, number, !fresh);
    if (fresh) this.#onFrame(delivery, payload.subarray(NUMBER_HEAD_BYTES), tail, number);
  }

  /** `tail`: the last part of the frame's data, if that is apart. */
  #onFrame(delivery: Delivery, frame: Uint8Array, tail: Uint8Array | undefined, number: number): void {
    const groups = frame.length < HEADER_BYTES ? -1 : groupCountOf(frame, 0);
    const body = HEADER_BYTES + groups * NAME_BYTES;
    if (groups < 0 || body + dataBytesOf(frame, 0) !== frame.length + (tail?.length ?? 0)) {
      this.#malformed++;
      return;
    }
    const type = typeOf(frame, 0);
    if ((type & REQUESTS) === 0) {
      this.#deliver(delivery, frame, tail, type, groups);
      return;
    }
    const user = parsePrivateGroup(this.#names.name(frame, SENDER, NAME_BYTES - 1))?.user;
    const request = requestOf(type);
    const isComplete = user !== undefined && (groups > 0 || request === "kill");
    // Requests are ordered with everything else, or daemons would not agree.
    if (!isComplete || serviceRank(delivery.service) < AGREED_RANK) {
      this.#malformed++;
      return;
    }
    this.#cover(request);
    if (request === "kill") {
      this.#onKill(delivery, user);
      return;
    }
    const name = this.#groupName(frame, 0);
    if (request === "leave") this.#onLeave(delivery, user, name);
    else this.#onJoin(delivery, user, name, joined(frame.subarray(body), tail), number);
    this.#interests.membersChanged(delivery.sender, name);
  }

  #onJoin(delivery: Delivery, user: string, name: string, data: Uint8Array, number: number): void {
    if (!isGroupName(name)) return;
    // Only native sessions, which number their messages, know of options.
    const request = number === 0 ? SPREAD_JOIN : parseJoin(data);
    const before = this.#directory.get(name)?.options;
    const outcome =
      typeof request === "string"
        ? ({ kind: "refused", why: request } as const)
        : this.#directory.join(name, delivery.sender, user, request.options);
    if (outcome.kind === "refused") {
      if (this.#isOwn(delivery)) this.#refuse(delivery.session, number, name, outcome.why);
      return;
    }
    const session = delivery.sender === this.#config.me ? this.#local.sessionOf(user) : undefined;
    const node = typeof request === "string" ? undefined : request.node;
    if (session !== undefined && node !== undefined) {
      this.#outbox.nodeJoins(session, node);
      if (before !== undefined && hasFacts(before)) this.#outbox.optionsFixed(session, name, before);
    }
    if (outcome.kind !== "joined") return;

    const { group, member } = outcome;
    if (!isOrdered(group)) {
      this.#nodeGroups.joined(group, before);
      this.#outbox.scalableChanged(delivery.sender, user, name, true);
      return;
    }
    if (session !== undefined) this.#local.join(name, session);
    if (group.changed) this.#heavyChange(group, member, session);
    else this.#lightChange("join", group, member);
  }

  /** A Spread client knows no refusals: it is told that it is not in the group, as if it had left. */
  #refuse(session: SessionNumber, number: number, group: string, why: string): void {
    if (number === 0) this.#outbox.notify(session, selfLeaveNotice(group, this.#primary));
    else this.#outbox.refused(session, number, group, why);
  }

  #onLeave(delivery: Delivery, user: string, name: string): void {
    const group = this.#directory.get(name);
    const member = this.#directory.member(delivery.sender, user);
    if (group === undefined || member === undefined || !group.has(member)) return;
    if (!isOrdered(group)) {
      this.#directory.leave(group, member);
      this.#nodeGroups.dropEnded([name]);
      this.#outbox.scalableChanged(delivery.sender, user, name, false);
      return;
    }
    const session = delivery.sender === this.#config.me ? this.#local.sessionOf(user) : undefined;
    if (session !== undefined) {
      this.#outbox.notify(session, selfLeaveNotice(name, this.#primary));
      this.#local.leave(name, session);
    }
    this.#remove("leave", group, member);
  }

  /** The end of a client: it is out of all its groups, by name. */
  #onKill(delivery: Delivery, user: string): void {
    const member = this.#directory.member(delivery.sender, user);
    const isLocal = delivery.sender === this.#config.me;
    const session = isLocal ? this.#local.sessionOf(user) : undefined;
    if (isLocal) this.detach(user);
    if (member !== undefined) {
      const groups = member.groups.slice().sort((a, b) => (a.name < b.name ? -1 : 1));
      for (const group of groups) this.#remove("disconnect", group, member);
      this.#nodeGroups.dropEnded(groups.map(({ name }) => name));
      for (const { name } of groups) this.#interests.membersChanged(delivery.sender, name);
    }
    this.#outbox.clientEnded(delivery.sender, user);
    if (!isLocal) return;
    if (session !== undefined) this.#outbox.ended(session);
    else if (this.#isOwn(delivery)) this.#outbox.ended(delivery.session);
  }

  #remove(kind: "leave" | "disconnect", group: Group, member: Member): void {
    this.#directory.leave(group, member);
    if (group.changed) this.#heavyChange(group, undefined, undefined);
    else this.#lightChange(kind, group, member);
  }

  #lightChange(kind: "join" | "leave" | "disconnect", group: Group, who: Member): void {
    const sessions = this.#local.of(group.name);
    if (sessions.length > 0) this.#notify(sessions, lightNotice(kind, group, who.name, this.#primary));
  }

  /**
   * A client came or went while daemons of its group are partitioned: a view with all that may still be members, and
   * at once the signal that this view is ending too (H.2, GTRANS).
   */
  #heavyChange(group: Group, joiner: Member | undefined, session: SessionNumber | undefined): void {
    const sessions = this.#local.of(group.name);
    if (sessions.length === 0) return;
    const notices = networkNotices(group, this.#config.me, this.#primary, joiner);
    for (const to of sessions) {
      this.#outbox.notify(to, to === session && notices.joiner !== undefined ? notices.joiner : notices.shared);
    }
    this.#notify(sessions, transitionalNotice(group.name, group.id, this.#primary));
  }

  // ---- delivery -----------------------------------------------------------------------------------------------

  #deliver(delivery: Delivery, frame: Uint8Array, tail: Uint8Array | undefined, type: number, groups: number): void {
    let to: readonly SessionNumber[];
    if (groups === 0) {
      if (this.#isOwn(delivery)) this.#outbox.toldDaemon(delivery.session, joined(frame, tail));
      return;
    }
    if (groups === 1) to = this.#destination(this.#groupName(frame, 0));
    else {
      const union = new Set<SessionNumber>();
      for (let i = 0; i < groups; i++)
        for (const session of this.#destination(this.#groupName(frame, i))) union.add(session);
      to = [...union];
    }
    if ((type & TypeBit.selfDiscard) !== 0 && delivery.sender === this.#config.me && to.includes(delivery.session)) {
      to = to.filter((session) => session !== delivery.session);
    }
    if (to.length > 0) this.#outbox.deliver(to, frame, tail);
  }

  /** The local sessions behind a name: a group's members, or the one of a private name. */
  #destination(name: string): readonly SessionNumber[] {
    if (name.charCodeAt(0) !== HASH) return this.#local.of(name);
    const parts = parsePrivateGroup(name);
    if (parts === undefined || parts.daemon !== this.#config.daemonName) return NOBODY;
    const session = this.#local.sessionOf(parts.user);
    return session === undefined ? NOBODY : [session];
  }

  #groupName(frame: Uint8Array, n: number): string {
    return this.#names.name(frame, HEADER_BYTES + n * NAME_BYTES, NAME_BYTES - 1);
  }

  #groupsOf(user: string): readonly Group[] {
    return this.#directory.member(this.#config.me, user)?.groups ?? [];
  }

  /** Whether a session of this daemon has sent it; 0 is the daemon itself. */
  #isOwn(delivery: Delivery): boolean {
    return delivery.sender === this.#config.me && delivery.session !== 0;
  }

  #notify(sessions: readonly SessionNumber[], notice: Notice): void {
    for (const session of sessions) this.#outbox.notify(session, notice);
  }

  #phase(phase: GroupsPhase): void {
    this.#config.onPhase?.(phase);
  }

  #cover(event: GroupsEvent): void {
    coverIn("groups", this.#state.name, event);
  }
}

/** Stays below the size at which a message takes more than a few dozen packets (H6). */
const STATE_PIECE_BYTES = 100_000;
const HELD_MAX = 1 << 20;
const AGREED_RANK = serviceRank("agreed");
const SENDER = 4;
const HASH = 0x23;
const REQUESTS = TypeBit.join | TypeBit.leave | TypeBit.kill;
const NOBODY: readonly SessionNumber[] = [];
const SPREAD_JOIN: JoinRequest = { options: DEFAULT_OPTIONS, node: undefined };

function requestOf(type: number): "join" | "leave" | "kill" {
  if ((type & TypeBit.join) !== 0) return "join";
  return (type & TypeBit.leave) !== 0 ? "leave" : "kill";
}

function isSubset(some: ReadonlySet<DaemonId>, all: readonly DaemonId[]): boolean {
  const set = new Set(all);
  for (const one of some) if (!set.has(one)) return false;
  return true;
}

/** Whether what stands before a frame's data is all there. */
function isHeadWhole(bytes: Uint8Array, frameAt: number): boolean {
  if (bytes.length < frameAt + HEADER_BYTES) return false;
  return bytes.length >= frameAt + HEADER_BYTES + groupCountOf(bytes, frameAt) * NAME_BYTES;
}
