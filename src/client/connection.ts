import { encodeViewId, FlushType, SUBGROUP_CAST } from "../flush/body.ts";
import type { ViewId } from "../wire/spread/membership.ts";
import type { NodeStatistics } from "../wire/native/node-statistics.ts";
import { encodeUtf8 } from "../wire/native/fields.ts";
import { TypeBit } from "../wire/spread/codes.ts";
import { type Address, parseAddress } from "./address.ts";
import type { ByteStream, Transport } from "./byte-stream.ts";
import { type ClientConfig, clientConfig, type ConnectOptions } from "./config.ts";
import { Echoes } from "./echoes.ts";
import { Engine } from "./engine.ts";
import { EngineDriver } from "./engine-driver.ts";
import type { EngineHost, SessionUp } from "./engine-host.ts";
import { closedError, GroupError } from "./errors.ts";
import { type EventQueue, NO_DELIVERY } from "./event-queue.ts";
import type { ConnectionEvent, GroupEvent, OrderedTimelyEvent } from "./events.ts";
import type { CloseOptions, ClosingReport } from "./farewell.ts";
import { Group, type GroupOwner } from "./group.ts";
import {
  type AnyJoinOptions,
  checkJoinOptions,
  type Joining,
  type JoinOptions,
  type OrderedTimelyJoinOptions,
  type ScalableJoinOptions,
  type TimelyJoinOptions,
} from "./join-options.ts";
import { type FlushMode, Memberships } from "./memberships.ts";
import { onAbort } from "./on-abort.ts";
import { Outgoing } from "./outgoing.ts";
import { ReadGate } from "./read-gate.ts";
import type { ScalableGroup } from "./scalable/group.ts";
import { ScalableGroups } from "./scalable/groups.ts";
import { isCounted } from "./scalable/inbox.ts";
import type { TimelyGroup } from "./scalable/timely-group.ts";
import { unlessAborted } from "./unless-aborted.ts";
import {
  checkDestinations,
  checkGroup,
  type Payload,
  type PostOptions,
  type Receipt,
  type SendOptions,
} from "./send.ts";
import { Sending } from "./sending.ts";

/** A group of any quality, as its options have it. */
export type AnyGroup = Group | ScalableGroup | TimelyGroup | TimelyGroup<OrderedTimelyEvent>;

/** How long `close` waits for what was sent to be accepted, and then gives it up; once the good-bye is said others bound the wait. */
const CLOSE_MS = 5_000;

/**
 * A session with a daemon. Iterating over it gives everything in one order: the events of all groups, private messages
 * and the state of the session. Iterating over a group gives that group's events.
 *
 * Events wait for their reader. A native daemon sends no more than a window (4 MiB by default) ahead of what is read; from a
 * Spread daemon the client stops reading at the bounds of the options, until half of them are read. A group that nobody has begun to iterate over keeps its events from its join on, unless the
 * connection itself is iterated over.
 */
export class Connection implements AsyncIterable<ConnectionEvent>, AsyncDisposable {
  readonly #transport: Transport;
  readonly #engine: Engine;
  readonly #driver: EngineDriver;
  readonly #config: ClientConfig;
  /** From the first join of one on. */
  #scalable: ScalableGroups | undefined;
  readonly #memberships: Memberships;
  readonly #echoes = new Echoes();
  readonly #groups = new Map<string, Group>();
  readonly #joining = new Map<string, Joining>();
  readonly #optionsOf = new Map<string, JoinOptions>();
  /** The last JOIN of each group, to which a refusal has to belong. */
  readonly #joinNumbers = new Map<string, number>();
  readonly #gate: ReadGate;
  readonly #sending: Sending;
  #stream: ByteStream | undefined;
  #events: EventQueue<ConnectionEvent> | undefined;
  #session: SessionUp | undefined;
  #primary: boolean | undefined;
  #delivery = 0;
  #lastDelivery = 0;
  /** Who waits for the session to be restored. */
  #whenBack: (() => void)[] = [];
  #whenUp: ((error: GroupError | undefined) => void) | undefined;
  #whenEnded: (error: GroupError | undefined) => void = () => {};
  #error: GroupError | undefined;

  /** Resolves when the connection has ended: with the reason, or `undefined` after `close`. Never rejects. */
  readonly closed: Promise<GroupError | undefined>;

  private constructor(transport: Transport, addresses: readonly Address[], config: ClientConfig) {
    this.#transport = transport;
    this.#config = config;
    this.closed = new Promise((resolve) => {
      this.#whenEnded = resolve;
    });
    this.#memberships = new Memberships({
      groupEvent: (group, event) => {
        this.#groups.get(group)?.events.push(event, this.#delivery);
        if (event.kind === "view") this.#sending.release(group);
      },
      event: (event) => this.#events?.push(event, this.#delivery),
      joined: (group) => this.#onJoined(group),
      left: (group) => this.#onLeft(group),
      rejoin: (group) => this.#rejoin(group),
      vote: (group, kind, id) => this.#vote(group, kind, id),
    });
    this.#gate = new ReadGate(config, {
      pause: () => this.#stream?.pause(),
      resume: () => {
        this.#engine.resumedReading(transport.now());
        this.#stream?.resume();
      },
      consumed: (bytes) => this.#driver.consumed(bytes),
      awaited: () => this.#driver.enter(() => this.#engine.awaited(this.#transport.now())),
      mayStop: () => this.protocol === "spread",
    });
    this.#engine = new Engine(config, addresses, this.#engineHost());
    this.#driver = new EngineDriver(transport, this.#engine, () => this.#sending.accepting());
    this.#sending = new Sending({
      engine: this.#engine,
      driver: this.#driver,
      gate: this.#gate,
      memberships: this.#memberships,
      limits: config,
      payloadBytesMax: () => this.#payloadBytesMax(),
      isAutoFlush: (group) => this.#optionsOf.get(group)?.autoFlush === true,
      ended: () => this.#ended(),
    });
  }

  /**
   * Opens a connection over any transport; `connect` does it over sockets. Resolves when the first daemon that
   * answers has accepted the session. Rejects with a `GroupError`, or with the signal's reason.
   */
  static async open(
    transport: Transport,
    addresses: string | readonly string[],
    options: ConnectOptions = {},
  ): Promise<Connection> {
    const list = typeof addresses === "string" ? [addresses] : addresses;
    if (!Array.isArray(list) || list.length === 0) {
      throw new RangeError('addresses: at least one is needed, such as "4803@localhost"');
    }
    const config = clientConfig(options);
    const connection = new Connection(transport, list.map(parseAddress), config);
    const { signal } = options;
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => {
        reject(signal?.reason as Error);
        connection.#abort(new GroupError("CLOSED", "the signal ended the connection"), true);
      };
      void connection.closed.then(onAbort(signal, abort));
      connection.#whenUp = (error) => {
        connection.#whenUp = undefined;
        if (error) reject(error);
        else resolve();
      };
      connection.#driver.enter(() => connection.#engine.start(transport.now()));
    });
    return connection;
  }

  /** This connection's own name, to which private messages are sent: `#user#daemon`. Changes with the daemon. */
  get privateGroup(): string {
    return this.#memberships.self;
  }

  /** The daemon, as it was dialled. */
  get address(): string {
    return this.#session?.address ?? "";
  }

  /** The protocol that is spoken with it. */
  get protocol(): "native" | "spread" {
    return this.#session?.protocol ?? "native";
  }

  /**
   * Whether the daemon's configuration is the one that may decide for all; `undefined` with a stock Spread daemon. While there is no
   * session it is what was told last.
   */
  get primary(): boolean | undefined {
    return this.#primary;
  }

  /** Whether there is a session right now; what is sent meanwhile waits for the next one. */
  get connected(): boolean {
    return this.#engine.isUp;
  }

  /**
   * Joins a scalable group, whose members multicast straight to each other. The first of them makes this connection a node, with UDP sockets of
   * its own. Resolves and rejects in the same way; where no node can be made, with what is in the way. While the daemons have no primary
   * configuration it waits.
   */
  join(group: string, options: ScalableJoinOptions): Promise<ScalableGroup>;
  /**
   * Joins a timely group, whose members deliver at once and repair each other. The connection becomes a node, as for a scalable group, and so it
   * resolves and rejects.
   */
  join(group: string, options: TimelyJoinOptions): Promise<TimelyGroup>;
  /** Joins a timely group whose members get the messages in one order: its messages have a `position`, and it tells `commit` and `rollback`. */
  join(group: string, options: OrderedTimelyJoinOptions): Promise<TimelyGroup<OrderedTimelyEvent>>;
  /**
   * Joins a group. Resolves when its first view has arrived, which is also the first event of the group's stream.
   * Rejects with a `GroupError` (`ILLEGAL_NAME`, `ALREADY_JOINED`, `GROUP_REFUSED`, `CLOSED`, `DISCONNECTED`) or with the
   * signal's reason.
   */
  join(group: string, options?: JoinOptions): Promise<Group>;
  /** The same where only at run time it is known which quality the group has. */
  join(group: string, options: AnyJoinOptions): Promise<AnyGroup>;
  async join(group: string, options: AnyJoinOptions = {}): Promise<AnyGroup> {
    const unfit = checkGroup(group) ?? this.#ended();
    if (unfit) throw unfit;
    checkJoinOptions(options);
    while (this.#memberships.isLeaving(group) || this.#scalable?.leaving(group)) {
      await this.#untilLeft(group, options.signal);
      const ended = this.#ended();
      if (ended) throw ended;
    }
    if (this.#memberships.has(group) || this.#scalable?.has(group)) {
      throw new GroupError("ALREADY_JOINED", `this connection is in ${group}: use the group that join() returned`);
    }
    if (options.quality === "scalable" || options.quality === "timely") {
      // The group that it makes fits its options.
      return this.#nodeFor(group, options.quality).join(group, options) as Promise<AnyGroup>;
    }
    if (options.autoFlush === true && options.flush !== true) {
      throw new RangeError("autoFlush: only in flush mode: join with { flush: true, autoFlush: true }");
    }
    if (options.slow !== undefined && this.protocol === "spread") {
      throw new GroupError(
        "GROUP_REFUSED",
        "a stock Spread daemon has one policy for slow receivers: leave `slow` out",
      );
    }
    options.signal?.throwIfAborted();
    return new Promise<Group>((resolve, reject) => {
      const queue = this.#gate.queue<GroupEvent>();
      if (this.#events) queue.mute();
      const isCurrent = (): boolean => this.#groups.get(group) === joined;
      const joined: Group = new Group(group, this.#owner(isCurrent), queue);
      this.#groups.set(group, joined);
      this.#optionsOf.set(group, options);
      const over = onAbort(options.signal, () => this.#abandon(group, options.signal?.reason));
      const settling =
        <T>(then: (value: T) => void) =>
        (value: T): void => {
          this.#gate.finishDelivery();
          over();
          then(value);
        };
      this.#joining.set(group, { group: joined, resolve: settling(resolve), reject: settling(reject) });
      this.#gate.beginDelivery();
      const mode: FlushMode = options.flush ? (options.autoFlush ? "automatic" : "ask") : "off";
      this.#memberships.join(group, mode);
      this.#driver.enter(() => this.#submitJoin(group));
    });
  }

  /**
   * Sends to groups of which this connection need not be a member, and to private groups. Resolves when the daemon has
   * accepted the message. Rejects with a `GroupError` (`ILLEGAL_NAME`, `TOO_LARGE`, `BUSY`, `CLOSED`, `DISCONNECTED`) or the signal's reason. To a group that this
   * connection is in, in flush mode, it is as `Group.send`: such a group has to be alone.
   */
  async send(groups: string | readonly string[], payload: Payload, options: SendOptions = {}): Promise<Receipt> {
    const list = typeof groups === "string" ? [groups] : [...groups];
    const error = checkDestinations(list);
    if (error) throw error;
    return this.#scalable?.sendAmong(list, payload, options) ?? this.#sending.send(list, payload, options);
  }

  /**
   * Sends as `send` does, without a promise for each message: for programs that send as much as they can. False: so much
   * waits to be accepted that this message was not taken; `room` resolves when there is room again. What becomes of a message is not told: a
   * later one, such as the last, may be sent with `send` for that. Throws a `GroupError` where `send` would reject with another one
   * than `BUSY`, and a `RangeError` for a group that is not an ordered one or in flush mode.
   */
  post(groups: string | readonly string[], payload: Payload, options: PostOptions = {}): boolean {
    const list = typeof groups === "string" ? [groups] : [...groups];
    const error = checkDestinations(list);
    if (error) throw error;
    for (const group of list) {
      if (this.#scalable?.has(group)) throw new RangeError(`post: ${group} is no ordered group: use send`);
    }
    return this.#sending.post(list, payload, options);
  }

  /**
   * Resolves when half of what may wait to be accepted (`unacceptedMax`, `unacceptedBytesMax`) is free, and there is room for the
   * message that was not taken last; or when the connection has ended: then the next `post` throws.
   */
  room(): Promise<void> {
    return this.#sending.room();
  }

  /** Everything of this connection, several events at a time, as in `Group.batches`. */
  batches(): AsyncIterableIterator<readonly ConnectionEvent[]> {
    return this.#everything().batches();
  }

  /** Everything of this connection, from the first call on. */
  [Symbol.asyncIterator](): AsyncIterableIterator<ConnectionEvent> {
    return this.#everything();
  }

  #everything(): EventQueue<ConnectionEvent> {
    if (this.#events === undefined) {
      this.#events = this.#gate.queue<ConnectionEvent>((event, by) => {
        if (isCounted(event)) this.#scalable?.counted(event, by);
      });
      // Whoever reads everything here will not read the groups one by one as well.
      for (const group of this.#groups.values()) if (!group.events.isIterated) group.events.mute();
      this.#scalable?.mute();
      if (this.#engine.isEnded) this.#events.end(this.#error);
    }
    return this.#events;
  }

  /**
   * Ends the session: what was sent before is still delivered, then all groups are left. Resolves when the daemon has closed the
   * connection, because all that has been ordered: `delivered` of what was sent has resolved, and the name may be used again. If the daemon
   * is lost before, what it did not confirm is sent again to the next one, as after any loss. A daemon that takes too long is waited for
   * 6 s, and another one in its place for as long. Sends that no daemon accepts for 5 s (a group may be held for a slow member, or the
   * connection is lost and not restored) are given up: they reject with `CLOSED`; those that had been written may still be delivered. Does
   * not wait for a lost connection to be restored if all that was sent has been ordered: then the session ends when its daemon gives up
   * waiting for it.
   *
   * Never rejects: what is not known to have been delivered is counted in the report, and `delivered` of it rejects with `DISCONNECTED` or
   * `CLOSED`. Of scalable and timely groups the receipts alone tell.
   */
  async close({ signal }: CloseOptions = {}): Promise<ClosingReport> {
    this.#gate.open();
    // Nobody is going to read what the daemon still has.
    this.#gate.beginDelivery();
    if (this.#scalable !== undefined) await unlessAborted(this.#scalable.drain(), signal).catch(ignore);
    // What no daemon accepts must not be waited for behind a good-bye.
    const giveUpAt = this.#transport.now() + CLOSE_MS;
    const inTime = (callback: () => void): (() => void) => this.#bounded(giveUpAt, signal, callback);
    if (this.#sending.isUnsettled) await this.#untilBack(inTime);
    const isAccepted = !this.#engine.isUp || (await this.#sending.accepted(inTime));
    const patient = isAccepted && signal?.aborted !== true;
    this.#driver.enter(() => this.#engine.close(patient, this.#transport.now()));
    await unlessAborted(
      this.closed.then(() => {}),
      signal,
    ).catch(ignore);
    this.#driver.enter(() => this.#engine.giveUp(this.#transport.now()));
    return { unconfirmed: this.#engine.unconfirmed };
  }

  /** The same as `close`, but rejects with a `GroupError` if messages are not known to have been delivered. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { unconfirmed = 0 } = await this.close();
    if (unconfirmed === 0) return;
    const what = unconfirmed === 1 ? "a message is" : `${unconfirmed} messages are`;
    throw new GroupError("DISCONNECTED", `${what} not known to have been delivered before the connection was closed`);
  }

  /** Calls back at a time, or when the signal says so, but not after what it returns has been called. */
  #bounded(at: number, signal: AbortSignal | undefined, callback: () => void): () => void {
    if (signal?.aborted === true) callback();
    const over = onAbort(signal, callback);
    const cancel = this.#transport.alarm(at, callback);
    return () => {
      over();
      cancel();
    };
  }

  /** What the node of this connection counts and how it stands, while there is one. */
  get nodeStatistics(): NodeStatistics | undefined {
    return this.#scalable?.statistics;
  }

  /** Resolves when there is a session, or will never be one; at the latest when `alarm` calls back. */
  async #untilBack(alarm: (callback: () => void) => () => void): Promise<void> {
    if (this.#engine.isUp || this.#engine.isEnded) return;
    let cancel = (): void => {};
    await new Promise<void>((resolve) => {
      cancel = alarm(resolve);
      this.#whenBack.push(resolve);
    });
    cancel();
  }

  /** What carries scalable groups; throws if that is not possible for this connection. */
  #nodeFor(group: string, quality: string): ScalableGroups {
    if (this.#scalable !== undefined) return this.#scalable;
    const { nodes } = this.#transport;
    if (this.protocol === "spread" || nodes === undefined) {
      const who = nodes === undefined ? "this transport has no datagrams" : "a stock Spread daemon has none";
      throw new GroupError("GROUP_REFUSED", `${group} cannot be joined as a ${quality} group: ${who}`);
    }
    this.#scalable = new ScalableGroups(this.#config.node, this.#config, nodes, {
      submit: (outgoing) => {
        this.#engine.submit(outgoing, false);
        if (outgoing.kind === "join") this.#joinNumbers.set(outgoing.groups[0] as string, outgoing.number);
        this.#driver.schedulePump();
      },
      event: (event) => this.#events?.push(event, NO_DELIVERY),
      report: (statistics) => this.#engine.report(statistics),
      broken: (what) => {
        this.#abort(new GroupError("DISCONNECTED", `the daemon does not keep to the native protocol: ${what}`));
      },
      isIterated: () => this.#events !== undefined,
      place: () => ({ daemons: this.#session?.daemons ?? [], local: this.#stream?.localAddress }),
      payloadBytesMax: () => this.#payloadBytesMax(),
      now: () => this.#transport.now(),
      alarm: (at, callback) => this.#transport.alarm(at, callback),
    });
    return this.#scalable;
  }

  /** `isCurrent`: it is the group's present membership that asks, not one that was left and joined again. */
  #owner(isCurrent: () => boolean): GroupOwner {
    return {
      view: (group) => (isCurrent() ? this.#memberships.view(group) : undefined),
      send: (group, payload, options) =>
        isCurrent()
          ? this.#sending.sendToGroup(group, payload, options)
          : Promise.reject(this.#sending.notMember(group)),
      flush: (group) => {
        if (isCurrent() && this.#memberships.flush(group)) this.#driver.enter(() => {});
        else throw new GroupError("FLUSHING", `no flush of ${group} is asked for: wait for a flushRequest`);
      },
      leave: (group) => (isCurrent() ? this.#leave(group) : Promise.resolve()),
    };
  }

  #submitJoin(group: string): void {
    const { slow } = this.#optionsOf.get(group) ?? {};
    const data = slow === undefined ? [] : [encodeUtf8(JSON.stringify({ slow }))];
    const join = new Outgoing("join", TypeBit.join, [group], 0, data);
    this.#engine.submit(join, false);
    this.#joinNumbers.set(group, join.number);
    this.#driver.schedulePump();
  }

  #rejoin(group: string): void {
    this.#engine.submit(new Outgoing("leave", TypeBit.leave, [group]), false);
    this.#submitJoin(group);
  }

  async #leave(group: string): Promise<void> {
    const left = this.#groups.get(group)?.left;
    if (!left || !this.#memberships.has(group)) return;
    if (this.#memberships.isJoined(group)) {
      this.#memberships.leave(group);
      this.#engine.submit(new Outgoing("leave", TypeBit.leave, [group]), false);
      this.#driver.schedulePump();
      this.#sending.release(group);
    }
    this.#gate.beginDelivery();
    await left;
    this.#gate.finishDelivery();
  }

  /** A group that is being left, or was abandoned, can be joined again when that is over. */
  async #untilLeft(group: string, signal: AbortSignal | undefined): Promise<void> {
    const left = this.#scalable?.leaving(group) ?? this.#groups.get(group)?.left;
    if (!left) return;
    this.#gate.beginDelivery();
    await unlessAborted(left, signal).finally(() => this.#gate.finishDelivery());
  }

  /** The program does not want the group that it is joining any more. */
  #abandon(group: string, reason: unknown): void {
    const joining = this.#joining.get(group);
    if (!joining) return;
    this.#joining.delete(group);
    this.#memberships.leave(group);
    joining.group.events.mute();
    this.#engine.submit(new Outgoing("leave", TypeBit.leave, [group]), false);
    this.#driver.schedulePump();
    joining.reject(reason);
  }

  #vote(group: string, kind: "ok" | "recv", id: ViewId): void {
    const fifo = new Outgoing("data", TypeBit.fifo, [group], FlushType[kind], [encodeViewId(id)]);
    this.#engine.submit(fifo, false);
    this.#driver.schedulePump();
  }

  #onJoined(group: string): void {
    const joining = this.#joining.get(group);
    this.#joining.delete(group);
    joining?.resolve(joining.group);
  }

  #onLeft(group: string): void {
    const joining = this.#joining.get(group);
    this.#joining.delete(group);
    this.#echoes.left(group);
    this.#groups.get(group)?.end(undefined);
    this.#groups.delete(group);
    this.#optionsOf.delete(group);
    this.#joinNumbers.delete(group);
    this.#sending.release(group);
    // So the daemon answers a Spread client's join of a group that has no ordered messages; natively it would refuse it.
    const text = `${group} cannot be joined: it is a scalable or timely group, which Spread's protocol does not have`;
    joining?.reject(new GroupError("GROUP_REFUSED", text));
  }

  #engineHost(): EngineHost {
    return {
      open: (address) => this.#openStream(address),
      write: (bytes) => this.#stream?.write(bytes) ?? false,
      end: () => this.#stream?.end(),
      destroy: () => {
        const stream = this.#stream;
        this.#stream = undefined;
        stream?.destroy();
      },
      up: (session) => this.#onUp(session),
      down: (reason) => {
        this.#scalable?.disconnected();
        this.#events?.push({ kind: "disconnected", reason }, this.#lastDelivery);
      },
      frame: (bytes, at, length, delivery, own, primary) => {
        if (delivery > 0) this.#delivery = this.#lastDelivery = delivery;
        if (this.#scalable?.frame(bytes, at)) return;
        const message = this.#memberships.frame(bytes, at, length, primary, own > 0);
        if (message?.own && this.protocol === "spread") this.#echoes.delivered(message);
      },
      gap: (gap) => {
        this.#delivery = this.#lastDelivery = Math.max(this.#lastDelivery, gap.last);
        this.#memberships.gap(gap);
      },
      configuration: ({ deliveryNumber, primary }) => {
        this.#delivery = this.#lastDelivery = deliveryNumber;
        this.#memberships.configured(primary);
        this.#setPrimary(primary);
      },
      groupRefused: (number, group, text) => {
        if (this.#joinNumbers.get(group) === number) this.#onGroupRefused(group, text);
      },
      sentWithoutReport: (outgoing) => this.#onSentWithoutReport(outgoing),
      isReading: () => !this.#gate.isPaused,
      consumedUpTo: () => this.#consumedUpTo(),
      awaitsDelivery: () => this.#gate.awaitsDelivery,
      ended: (error) => this.#onEnded(error),
      random: () => this.#transport.random(),
    };
  }

  #openStream(address: Address): void {
    this.#gate.reset();
    const current = (): boolean => this.#stream === stream;
    const stream: ByteStream = this.#transport.open(address, {
      opened: () => current() && this.#driver.enter(() => this.#engine.opened(this.#transport.now())),
      data: (bytes) => {
        if (!current()) return;
        this.#driver.enter(() => this.#engine.receive(bytes, this.#transport.now()));
        this.#gate.check();
      },
      drained: () => current() && this.#driver.enter(() => this.#engine.drained(this.#transport.now())),
      closed: (reason) => {
        if (!current()) return;
        this.#stream = undefined;
        this.#driver.enter(() => this.#engine.closed(reason, this.#transport.now()));
      },
    });
    this.#stream = stream;
  }

  #onUp(session: SessionUp): void {
    this.#session = session;
    if (session.first) {
      this.#primary = session.primary;
      this.#memberships.begin(session.privateGroup);
      this.#whenUp?.(undefined);
      return;
    }
    this.#tellBack();
    const { address, privateGroup, resumption } = session;
    const resumed = resumption === "resumed";
    const goesOn = resumed || resumption === "interrupted";
    if (!goesOn) {
      this.#delivery = this.#lastDelivery = 0;
      for (const queue of this.#queues()) queue.forgetDeliveries();
    }
    this.#events?.push({ kind: "reconnected", address, privateGroup, resumed }, this.#lastDelivery);
    if (resumed) return;
    if (session.primary !== undefined) this.#setPrimary(session.primary);
    if (goesOn) {
      this.#scalable?.reconnected(true);
      for (const group of this.#memberships.interrupt()) this.#rejoin(group);
      return;
    }
    for (const outgoing of this.#engine.outstanding()) {
      if (outgoing.kind !== "data") {
        // Its last event is told below: in between the daemon must not take this session for a member again.
        outgoing.isVoid ||= outgoing.groups.some((group) => this.#memberships.isLeaving(group));
      } else if (outgoing.type & SUBGROUP_CAST || outgoing.groups.some((group) => this.#memberships.isFlushed(group))) {
        // What was sent in a view of the flush layer must not be delivered outside of it.
        outgoing.isVoid = true;
        outgoing.finished(new GroupError("VIEW_ENDED", "the view ended before the message was ordered: send it again"));
      }
    }
    // A join that is sent again may have been ordered for the member that this session was, and then says nothing: so
    // there is another one after it, which changes nothing if the first one counts.
    for (const group of this.#memberships.restart(session.privateGroup)) this.#submitJoin(group);
    this.#scalable?.reconnected(false);
  }

  #tellBack(): void {
    for (const resolve of this.#whenBack.splice(0)) resolve();
  }

  #setPrimary(primary: boolean): void {
    if (this.#primary === primary) return;
    this.#primary = primary;
    this.#events?.push({ kind: "primary", primary }, this.#lastDelivery);
  }

  #onGroupRefused(group: string, text: string): void {
    const joining = this.#joining.get(group);
    this.#joining.delete(group);
    const error = new GroupError("GROUP_REFUSED", `${group} cannot be joined: ${text}`);
    this.#joinNumbers.delete(group);
    if (this.#scalable?.has(group)) return this.#scalable.refused(group, error);
    this.#memberships.forget(group);
    if (joining === undefined) {
      // It was in the group, at another daemon: who reads the connection's stream has to hear of it, too.
      const left: GroupEvent = { kind: "left", group };
      this.#groups.get(group)?.events.push(left, this.#lastDelivery);
      this.#events?.push(left, this.#lastDelivery);
    }
    this.#groups.get(group)?.end(joining ? undefined : error);
    this.#groups.delete(group);
    this.#optionsOf.delete(group);
    this.#sending.release(group);
    joining?.reject(error);
  }

  #onSentWithoutReport(outgoing: Outgoing): void {
    const isReceiver = (group: string): boolean => group === this.privateGroup || this.#memberships.isJoined(group);
    this.#echoes.sent(outgoing, outgoing.groups.some(isReceiver));
  }

  #onEnded(error: GroupError | undefined): void {
    this.#error = error;
    const why = error ?? closedError();
    this.#driver.stop();
    this.#echoes.fail(why);
    for (const joining of this.#joining.values()) joining.reject(why);
    this.#joining.clear();
    for (const group of this.#groups.values()) group.end(error);
    this.#scalable?.end(error, why);
    this.#sending.end();
    this.#events?.end(error);
    this.#tellBack();
    this.#whenUp?.(why);
    this.#whenEnded(error);
  }

  #abort(error: GroupError, withGoodBye = false): void {
    this.#driver.enter(() => this.#engine.abort(error, withGoodBye));
  }

  #ended(): GroupError | undefined {
    return this.#engine.isEnded ? (this.#error ?? closedError()) : undefined;
  }

  #payloadBytesMax(): number {
    return this.#session?.payloadBytesMax ?? Number.POSITIVE_INFINITY;
  }

  #consumedUpTo(): number {
    let upTo = this.#lastDelivery;
    for (const queue of this.#queues()) {
      const oldest = queue.oldestDelivery;
      if (oldest !== undefined && oldest <= upTo) upTo = oldest - 1;
    }
    return upTo;
  }

  *#queues(): Generator<EventQueue<GroupEvent> | EventQueue<ConnectionEvent>> {
    if (this.#events) yield this.#events;
    for (const group of this.#groups.values()) yield group.events;
  }
}

function ignore(): void {
  /* whoever has asked for the end does not wait for it any more */
}
