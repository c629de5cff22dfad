import type { GroupNumber, NodeId } from "../../base/ids.ts";
import type { SettledStream } from "../../cms/settled.ts";
import type { Change } from "../../cms/views.ts";
import type { TimelyGroupStatistics } from "../../ricochet/statistics.ts";
import type { NodeStatistics } from "../../wire/native/node-statistics.ts";
import type { GroupFacts, NodeSite } from "../../wire/native/node-facts.ts";
import type { Repairs } from "../../wire/timely/repairs.ts";
import { closedError, GroupError } from "../errors.ts";
import type { EventQueue } from "../event-queue.ts";
import type { ScalableEvent, NodeGroupEvent, View } from "../events.ts";
import type { OrderedTimelyJoinOptions, ScalableJoinOptions, TimelyJoinOptions } from "../join-options.ts";
import { onAbort } from "../on-abort.ts";
import type { Outgoing } from "../outgoing.ts";
import type { Payload, Receipt, SendOptions } from "../send.ts";
import { arrivals } from "./arrivals.ts";
import { checkSendOptions, ScalableGroup, type ScalableSendOptions } from "./group.ts";
import { GroupSends, type GroupSendsHost, type ScalableLimits } from "./group-sends.ts";
import { type Counted, Inbox } from "./inbox.ts";
import { Membership, type NodeGroup } from "./membership.ts";
import { NodeNames } from "./node-names.ts";
import { NodeSession, type WantedGroup } from "./node-session.ts";
import type { NodeApplication, NodeSeat, NodeWorld, RunningNode, SeatRequest } from "./node-world.ts";
import { type NodeSettings, nodeSetup } from "./options.ts";
import { type Difference, groupsTouched, isOnlyCarried, type Roster, Rosters } from "./rosters.ts";
import type { Destination } from "./send-window.ts";
import { TimelyGroup } from "./timely-group.ts";
import { wantedRepairs } from "./timely-options.ts";

/** How long a group is without word of the daemons before its members' programs are told that it is suspended (region-views.md, rule 12). */
const LEASE_MS = 3_000;

/** What scalable groups ask of their connection. */
export interface ScalableHost extends GroupSendsHost {
  /** To the daemon, behind all that was sent before. */
  submit(outgoing: Outgoing): void;
  /** For the connection's stream. */
  event(event: NodeGroupEvent): void;
  /** The daemon does not keep to the protocol: the connection ends. */
  broken(what: string): void;
  /** To the daemon, which shows it: what the node counts. */
  report(statistics: Uint8Array): void;
  /** Whether the program reads the connection's stream: then a group that it does not read keeps nothing. */
  isIterated(): boolean;
  /** Where the node may be reached, as far as the session tells. */
  place(): Pick<SeatRequest, "daemons" | "local">;
}

/**
 * The scalable and timely groups of a connection, and the node that carries them all: made at the first join, taken along to other daemons, made anew when
 * the daemons have declared it failed.
 */
export class ScalableGroups {
  readonly #settings: NodeSettings;
  readonly #world: NodeWorld;
  readonly #host: ScalableHost;
  readonly #session: NodeSession;
  readonly #sends: GroupSends;
  readonly #memberships = new Map<string, Membership>();
  #byNumber = new Map<GroupNumber, Membership>();
  #names = new NodeNames();
  #seat: Promise<NodeSeat> | undefined;
  /** The place of the node before, which is being given up. */
  #former: Promise<void> | undefined;
  #running: RunningNode | undefined;
  /** Changes that the node is about to apply. */
  #changes: Change[] = [];
  /** Groups whose senders are made to wait. */
  #holding = 0;
  #suspended: "minority" | "disconnected" | undefined;
  #cancelLease: (() => void) | undefined;
  /**
   * No session asks for the node's groups any more, all of which were being left when the last one was lost. It will be declared failed; until then others
   * see it in them, so that it would not be told of a group that it joins again.
   */
  #isDeserted = false;
  #error: GroupError | undefined;
  #isClosing = false;

  constructor(settings: NodeSettings, limits: ScalableLimits, world: NodeWorld, host: ScalableHost) {
    this.#settings = settings;
    this.#world = world;
    this.#host = host;
    this.#sends = new GroupSends(settings, limits, host);
    this.#session = new NodeSession({
      submit: (outgoing) => host.submit(outgoing),
      registered: (node, site) => void this.#begin(node, site),
      siteChanged: (site) => void this.#seat?.then((seat) => seat.disseminate(this.#dissemination(site))),
      change: (change) => this.#onChange(change),
      suspended: (suspended) => this.#suspend(suspended ? "minority" : undefined),
      expelled: (settled) => void this.#onExpelled(settled),
      facts: (facts) => this.#onFacts(facts),
    });
  }

  /** What the node counts, once there is one. */
  get statistics(): NodeStatistics | undefined {
    return this.#running?.statistics();
  }

  has(group: string): boolean {
    return this.#memberships.has(group);
  }

  /** Resolves when a group that is being left can be joined again; `undefined`: it is not being left. */
  leaving(group: string): Promise<void> | undefined {
    const membership = this.#memberships.get(group);
    return membership?.isLeaving === true || membership?.isParting === true ? membership.gone : undefined;
  }

  async join(
    name: string,
    options: ScalableJoinOptions | TimelyJoinOptions | OrderedTimelyJoinOptions,
  ): Promise<NodeGroup> {
    const { quality, slow, signal, sendOnly } = options;
    const timely = options.quality === "timely" ? options : undefined;
    const repairs = timely && wantedRepairs(timely);
    const order = timely?.order;
    signal?.throwIfAborted();
    if (this.#isDeserted) {
      this.#session.forsake();
      this.#giveUp();
    }
    const membership = this.#add(name, quality, order);
    membership.isSendOnly = sendOnly === true;
    membership.isOptimistic = timely?.order === undefined || (timely.optimistic ?? true);
    const joined = new Promise<NodeGroup>((resolve, reject) => membership.awaited(resolve, reject));
    const over = onAbort(signal, () => this.#abandon(membership, signal?.reason));
    joined.then(over, over);
    void this.#ask(membership, { quality, slow, repairs, order });
    return joined;
  }

  /** Asks for the group, once there is a place for the node. */
  async #ask(membership: Membership, wanted: WantedGroup): Promise<void> {
    const { name } = membership;
    try {
      await this.#seated();
      // Given up before anything was asked for: there is nothing to leave.
      if (membership.status === "abandoned") this.#remove(membership, undefined, undefined);
      else if (this.#memberships.get(name) === membership) this.#session.join(name, wanted);
    } catch (error) {
      membership.fail(error);
      this.#remove(membership, undefined, undefined);
    }
  }

  async #send(membership: Membership, payload: Payload, options: ScalableSendOptions): Promise<Receipt> {
    if (this.#error !== undefined) throw this.#error;
    if (this.#isClosing) throw closedError();
    checkSendOptions(membership.name, options);
    return this.#sends.send(membership, payload, options);
  }

  /** Sends to the one of these groups that is of nodes, if any is: it has to be alone, and without what it cannot have. */
  sendAmong(list: readonly string[], payload: Payload, options: SendOptions): Promise<Receipt> | undefined {
    const group = list.find((name) => this.has(name));
    const membership = group === undefined ? undefined : this.#memberships.get(group);
    if (membership === undefined) return undefined;
    if (list.length > 1) {
      const text = `${group} is a ${membership.quality} group: what is sent to it goes to no other group`;
      return Promise.reject(new GroupError("GROUP_REFUSED", text));
    }
    return this.#send(membership, payload, options as ScalableSendOptions);
  }

  /** A frame of the daemon; false if it is not for a node. */
  frame(bytes: Uint8Array, at: number): boolean {
    return this.#session.frame(bytes, at);
  }

  /** The join of a group was refused. */
  refused(name: string, error: GroupError): void {
    const membership = this.#memberships.get(name);
    if (membership === undefined) return;
    this.#session.refused(name);
    this.#exclude(membership, error);
  }

  /** An event of a group begins to wait in the connection's stream, or does not any more. */
  counted(event: Counted, by: 1 | -1): void {
    const [group, ...others] = event.kind === "message" ? event.groups : [event.group];
    if (group !== undefined && others.length === 0) this.#memberships.get(group)?.inbox.counted(event, by);
  }

  /** Forgets what waits in groups that nobody reads: the program reads the connection. */
  mute(): void {
    for (const { inbox } of this.#memberships.values()) if (!inbox.events.isIterated) inbox.events.mute();
  }

  /** There is no connection to a daemon. */
  disconnected(): void {
    if (this.#memberships.size === 0) return;
    this.#cancelLease ??= this.#host.alarm(this.#host.now() + LEASE_MS, () => this.#suspend("disconnected"));
  }

  /** There is one again; `isMember`: its session is the one that was in the groups. */
  reconnected(isMember: boolean): void {
    this.#running?.reportAgain();
    if (this.#memberships.size === 0) return;
    // Of groups that were being left, the node is taken out because its new session does not ask for them.
    this.#session.reconnected(isMember);
    this.#isDeserted = !isMember && [...this.#memberships.values()].every(({ isLeaving }) => isLeaving);
    if (!this.#isDeserted) return;
    for (const membership of this.#memberships.values()) this.#leave(membership);
  }

  /** The connection is being closed: nothing more is taken. Resolves when what was sent is everywhere, or that takes too long. */
  drain(): Promise<void> {
    this.#isClosing = true;
    return this.#sends.drain();
  }

  /** The connection has ended; `error`: not because it was closed. */
  end(error: GroupError | undefined, why: GroupError): void {
    this.#error = why;
    this.#cancelLease?.();
    this.#sends.end(why);
    for (const membership of this.#memberships.values()) {
      membership.fail(why);
      membership.end(undefined, error, () => {});
      membership.remove();
    }
    this.#memberships.clear();
    this.#byNumber.clear();
    this.#running = undefined;
    void this.#seat?.then((seat) => seat.close()).catch(() => {});
    this.#seat = undefined;
  }

  // ---- memberships ------------------------------------------------------------------------------------------------

  #add(name: string, quality: Membership["quality"], order: "total" | undefined): Membership {
    let whenLeft = (): void => {};
    const left = new Promise<void>((resolve) => {
      whenLeft = resolve;
    });
    // What is late is of little use in a timely group; but an order with holes is none.
    const policy = quality === "timely" && order === undefined ? "drop" : "expel";
    const inbox: Inbox = new Inbox(name, policy, this.#settings, {
      tell: (event) => this.#tell(membership, event),
      hold: (isHeld) => this.#hold(isHeld),
      expel: () => this.#leaveSlow(membership),
    });
    const statistics = (): TimelyGroupStatistics | undefined =>
      membership.number === undefined ? undefined : this.#running?.timelyStatistics(membership.number);
    const owner = {
      get view(): View | undefined {
        return membership.view;
      },
      get repairs(): Repairs {
        return membership.repairs;
      },
      order,
      get statistics(): TimelyGroupStatistics | undefined {
        return statistics();
      },
      send: (payload: Payload, options: ScalableSendOptions) => this.#send(membership, payload, options),
      leave: () => this.#askToLeave(membership),
    };
    const group =
      quality === "timely"
        ? new TimelyGroup<NodeGroupEvent>(name, owner, inbox.events, left)
        : new ScalableGroup(name, owner, inbox.events as EventQueue<ScalableEvent>, left);
    const membership: Membership = new Membership(name, group, inbox, whenLeft);
    membership.order = order;
    if (this.#host.isIterated()) inbox.events.mute();
    this.#memberships.set(name, membership);
    return membership;
  }

  #tell(membership: Membership, event: NodeGroupEvent): void {
    membership.inbox.events.push(event, 0);
    this.#host.event(event);
  }

  #abandon(membership: Membership, reason: unknown): void {
    membership.fail(reason);
    if (membership.status !== "joining") return;
    membership.inbox.events.mute();
    if (membership.number === undefined) membership.status = "abandoned";
  }

  async #askToLeave(membership: Membership): Promise<void> {
    if (this.#memberships.get(membership.name) !== membership) return;
    membership.isParting = true;
    if (membership.status === "joined") await this.#sends.drainGroup(membership);
    this.#startLeaving(membership);
    await membership.group.left;
  }

  #startLeaving(membership: Membership): void {
    if (this.#memberships.get(membership.name) !== membership || membership.isLeaving) return;
    if (membership.number === undefined) membership.status = "abandoned";
    else {
      membership.status = "leaving";
      this.#session.leave(membership.name);
    }
    this.#sends.changed(membership);
    if (this.#suspended !== undefined) this.#endLeft(membership);
  }

  /** The program hears that it has left, before the daemons know: nothing comes any more, and while memberships are suspended it might wait for ever. */
  #endLeft(membership: Membership): void {
    const left: NodeGroupEvent = { kind: "left", group: membership.name };
    membership.end(left, undefined, (event) => this.#tell(membership, event));
  }

  /** The program does not read, and the group's policy is to leave then. */
  #leaveSlow(membership: Membership): void {
    const { name } = membership;
    const text = `${name} was left, since too much waited to be read: read faster, or join with another policy`;
    const error = new GroupError("EXPELLED", text);
    membership.leftBecause = error;
    this.#startLeaving(membership);
    membership.end({ kind: "left", group: name, reason: "slow" }, error, (event) => this.#tell(membership, event));
  }

  #leave(membership: Membership): void {
    this.#remove(membership, { kind: "left", group: membership.name }, undefined);
  }

  /** The join cannot be; or the program, which was in the group before, is told that it is left, and why. */
  #exclude(membership: Membership, error: GroupError): void {
    membership.fail(error);
    if (membership.view === undefined) this.#remove(membership, undefined, undefined);
    else this.#remove(membership, { kind: "left", group: membership.name }, error);
  }

  #remove(membership: Membership, event: NodeGroupEvent | undefined, error: GroupError | undefined): void {
    if (this.#memberships.get(membership.name) === membership) this.#memberships.delete(membership.name);
    if (membership.number !== undefined) this.#byNumber.delete(membership.number);
    membership.end(event, error, (last) => this.#tell(membership, last));
    membership.remove();
    this.#sends.changed(membership);
  }

  #onFacts({ group, policy, repairs }: GroupFacts): void {
    const membership = this.#memberships.get(group);
    if (membership === undefined) return;
    if (policy !== undefined) membership.inbox.policy = policy;
    if (repairs === undefined || membership.quality !== "timely") return;
    membership.repairs = repairs;
    if (this.#running !== undefined) this.#setTimely(membership, this.#running);
  }

  /** The node is told what it does not know from its views. */
  #setTimely({ quality, number, repairs, order, isOptimistic }: Membership, running: RunningNode): void {
    if (quality !== "timely" || number === undefined) return;
    if (order === undefined) running.setTimely(number, repairs);
    else running.setOrdered(number, repairs, isOptimistic);
  }

  #hold(isHeld: boolean): void {
    this.#holding += isHeld ? 1 : -1;
    if (this.#holding === (isHeld ? 1 : 0)) this.#running?.hold(isHeld);
  }

  #suspend(reason: "minority" | "disconnected" | undefined): void {
    if (reason !== "disconnected") {
      this.#cancelLease?.();
      this.#cancelLease = undefined;
    }
    if (this.#suspended === reason) return;
    const event: NodeGroupEvent = reason === undefined ? { kind: "resumed" } : { kind: "suspended", reason };
    this.#suspended = reason;
    // Once for all groups, in the connection's stream.
    for (const membership of this.#memberships.values()) {
      if (membership.isLeaving && reason !== undefined) this.#endLeft(membership);
      if (membership.view === undefined) continue;
      membership.view = { ...membership.view, primary: reason === undefined };
      if (membership.isLeaving) continue;
      // Of whole days without daemons a program that does not read is told the end.
      membership.inbox.events.forgetLast(isOfSuspension);
      membership.inbox.events.push(event, 0);
    }
    this.#host.event(event);
  }

  // ---- the node ---------------------------------------------------------------------------------------------------

  /** Resolves when there is a place for the node, and the session knows it; or the connection has ended. */
  async #seated(): Promise<void> {
    while (this.#error === undefined) {
      const seat = this.#seat ?? this.#open();
      this.#seat = seat;
      try {
        const { address } = await seat;
        // Otherwise its node has been expelled meanwhile.
        if (this.#seat === seat) return this.#session.locate(address);
      } catch (error) {
        // The next join tries again.
        if (this.#seat === seat) this.#seat = undefined;
        throw error;
      }
    }
  }

  async #open(): Promise<NodeSeat> {
    const { host, port } = this.#settings;
    // Its ports may be the same.
    await this.#former;
    return this.#world.seat({ host, port, ...this.#host.place() });
  }

  async #begin(me: NodeId, site: NodeSite): Promise<void> {
    const seat = await this.#seat;
    if (seat === undefined || this.#error !== undefined || this.#session.node !== me) return;
    if (this.#settings.dissemination === "multicast" && site.pool === undefined) this.#refuseMulticast();
    const running = seat.begin(
      nodeSetup(this.#settings, me, site.cluster),
      this.#dissemination(site),
      this.#application(me, () => running),
    );
    this.#running = running;
    running.hold(this.#holding > 0);
    for (const change of this.#changes) running.apply(change);
    this.#sends.begin(running);
  }

  #refuseMulticast(): void {
    const text =
      'node.dissemination: "multicast", and the daemons of this site have no multicast address: leave it out';
    for (const membership of this.#memberships.values()) {
      const error = new GroupError("GROUP_REFUSED", text);
      this.#session.leave(membership.name);
      this.#exclude(membership, error);
    }
  }

  #dissemination({ pool, usesMulticast }: NodeSite) {
    const { dissemination } = this.#settings;
    return { pool, usesMulticast: dissemination === "auto" ? usesMulticast : dissemination === "multicast" };
  }

  #application(me: NodeId, running: () => RunningNode): NodeApplication {
    const isCurrent = (): boolean => this.#session.node === me;
    return {
      ...arrivals(me, this.#settings.delivery === "fifo", {
        membership: (group) => {
          const membership = isCurrent() ? this.#byNumber.get(group) : undefined;
          return membership?.isLeaving === true ? undefined : membership;
        },
        nameOf: (node) => this.#names.of(node),
        tell: (membership, event) => this.#tell(membership, event),
      }),
      // What the application is told of views follows from the changes: a group's view does not name what happens in a region.
      view: () => {},
      left: () => {},
      stable: (number) => this.#sends.stable(number),
      writable: () => this.#sends.writable(),
      installed: (n, sealed) => {
        if (!isCurrent()) return;
        this.#session.installed(n, sealed);
        this.#onInstalled(running());
      },
      retired: (id) => isCurrent() && this.#session.retired(id),
      inquire: (nodes) => isCurrent() && this.#session.inquire(nodes),
      report: (statistics) => isCurrent() && this.#host.report(statistics),
      fault: (error) =>
        isCurrent() && this.#host.broken(`a change that does not follow from the one before: ${error.message}`),
      settled: (stream) => isCurrent() && this.#session.settled(stream),
    };
  }

  #onChange(change: Change): void {
    this.#names.learn(change);
    this.#changes.push(change);
    this.#running?.apply(change);
  }

  /** The node has applied the next change: tells of groups that have come, changed and gone. */
  #onInstalled(running: RunningNode): void {
    const { node } = running;
    const change = this.#changes.shift();
    if (change === undefined) return;
    const { views } = node;
    for (const number of change.groupsDeleted) {
      const membership = this.#byNumber.get(number);
      if (membership !== undefined) this.#leave(membership);
    }
    const rosters = new Rosters(views);
    for (const number of groupsTouched(change, views)) {
      const group = views.groups.get(number);
      if (group === undefined) continue;
      if (isOnlyCarried(group, views, this.#session.node)) {
        // Its region has the group, it has not, or not any more.
        const left = this.#byNumber.get(number);
        if (left !== undefined) this.#leave(left);
        continue;
      }
      const membership = this.#memberships.get(group.name);
      if (membership === undefined) {
        // Given up while it was under way.
        if (change.groupsCreated.some((one) => one.group === number)) this.#session.leave(group.name);
        continue;
      }
      if (membership.number !== number) {
        membership.number = number;
        this.#byNumber.set(number, membership);
        this.#setTimely(membership, running);
      }
      if (membership.status === "abandoned") {
        membership.status = "leaving";
        this.#session.leave(membership.name);
        continue;
      }
      if (membership.status === "leaving") continue;
      const roster = rosters.of(group);
      const difference = rosters.difference(roster, membership.roster);
      if (difference !== undefined) this.#show(membership, roster, difference, change, views.n);
      if (membership.status === "joining") membership.joined();
      this.#sends.changed(membership);
    }
    this.#names.prune(node);
  }

  #show(
    membership: Membership,
    roster: Roster,
    { joined, left, gone }: Difference,
    { failed }: Change,
    n: number,
  ): void {
    membership.roster = roster;
    // Who only sends need not read: then nothing piles up, and the first view that is read is that of now.
    const { events } = membership.inbox;
    const isUnread = membership.isSendOnly && !events.isIterated && !this.#host.isIterated();
    if (isUnread) events.forget();
    membership.view = {
      kind: "view",
      group: membership.name,
      id: { leader: 0, time: 0, index: n },
      members: roster.names,
      index: roster.ids.indexOf(this.#session.node as NodeId),
      cause: gone.length === 0 || isUnread ? "join" : gone.some((id) => failed.includes(id)) ? "disconnect" : "leave",
      joined: isUnread ? roster.names : joined,
      left: isUnread ? [] : left,
      sets: [],
      ownSet: [],
      primary: this.#suspended === undefined,
    };
    membership.inbox.view(membership.view);
  }

  /** The node is over, and there will be another. Returns how many messages of each group are not known to be everywhere. */
  #giveUp(): ReadonlyMap<Destination, number> {
    this.#isDeserted = false;
    this.#former = this.#seat?.then((seat) => seat.close());
    this.#seat = undefined;
    this.#running = undefined;
    this.#changes = [];
    this.#byNumber = new Map();
    this.#names = new NodeNames();
    return this.#sends.expel();
  }

  /** The daemons have declared the node failed: all groups are told, and a new node joins them again. */
  async #onExpelled(settled: readonly SettledStream[]): Promise<void> {
    // What the others have accepted is delivered after all.
    this.#running?.node.expelled(settled);
    const counts = this.#giveUp();
    for (const membership of this.#memberships.values()) {
      membership.number = undefined;
      if (membership.isLeaving) {
        if (membership.status === "abandoned") this.#session.leave(membership.name);
        this.#leave(membership);
        continue;
      }
      const isFirst = membership.roster === undefined;
      membership.roster = undefined;
      membership.status = "joining";
      membership.inbox.tellMissed();
      const unconfirmed = counts.get(membership) ?? 0;
      if (!isFirst) this.#tell(membership, { kind: "expelled", group: membership.name, unconfirmed });
    }
    if (this.#memberships.size === 0) return;
    try {
      await this.#seated();
      if (this.#error === undefined) this.#session.register();
    } catch (cause) {
      const text = `the node was declared failed, and there can be no other: ${cause instanceof Error ? cause.message : String(cause)}`;
      const error = new GroupError("EXPELLED", text, { cause });
      for (const membership of this.#memberships.values()) this.#exclude(membership, error);
    }
  }
}

function isOfSuspension({ kind }: NodeGroupEvent): boolean {
  return kind === "suspended" || kind === "resumed";
}
