import { assert } from "../base/assert.ts";
import type { Notice, SessionNumber } from "../groups/outbox.ts";
import { type Machine, NEVER } from "../machine/machine.ts";
import { TOKEN_BYTES } from "../wire/native/envelope.ts";
import { encodeNative } from "../wire/native/messages.ts";
import { Code } from "../wire/spread/codes.ts";
import { asciiText, isDaemonName, privateGroupName } from "../wire/spread/names.ts";
import { type Backlog, longestBacklogs } from "./backlog.ts";
import { Connection } from "./connection.ts";
import { Intake } from "./intake.ts";
import { DEFAULT_SESSION_OPTIONS, type SessionOptions } from "./options.ts";
import type { OrderedTransport } from "./ordered.ts";
import {
  type ConnectionNumber,
  type EndReason,
  isSamePlace,
  type Peer,
  type SessionsKnowledge,
  type SessionsOutbox,
  shownPeer,
} from "./outbox.ts";
import { Outflow } from "./outflow.ts";
import { Reception, type Resumption } from "./reception.ts";
import { NativeState, Session } from "./session.ts";
import { RetentionBudget } from "./retention-budget.ts";
import { UserNames } from "./user-names.ts";

/**
 * The clients of one daemon: connections in, ordered messages down, deliveries up and out. Speaks the Spread client protocol and
 * the native one on the same connections; the first byte tells which.
 *
 * The host reports what sockets do (`connected`, `received`, `writable`, `closed`), the groups layer what is to be delivered
 * (`deliver` … `unblock`, as in `GroupsOutbox`), and `endTurn` after each turn writes what the turn has brought. Of one
 * message of a native client `ordered` has to be called before `deliver`.
 */
export class Sessions implements Machine {
  readonly #options: SessionOptions;
  readonly #outbox: SessionsOutbox;
  readonly #knowledge: SessionsKnowledge;
  readonly #intake: Intake;
  readonly #budget: RetentionBudget;
  readonly #outflow: Outflow;
  readonly #names = new UserNames();
  readonly #connections = new Map<ConnectionNumber, Connection>();
  readonly #sessions = new Map<SessionNumber, Session>();
  readonly #byToken = new Map<string, Session>();
  readonly #reception: Reception;
  readonly #detached = new Set<Session>();
  #lastSession = 0;
  /** The configuration that clients know of. */
  #primary = false;
  #graceDeadline = NEVER;
  /** There is more to do than belongs into one turn. */
  #goesOn = false;

  constructor(
    options: Partial<SessionOptions> & { readonly daemon: string },
    transport: OrderedTransport,
    knowledge: SessionsKnowledge,
    outbox: SessionsOutbox,
  ) {
    assert(isDaemonName(options.daemon), "a daemon's name has 1 to 19 characters from $ to ~");
    this.#options = { ...DEFAULT_SESSION_OPTIONS, ...options };
    this.#outbox = outbox;
    this.#knowledge = knowledge;
    this.#budget = new RetentionBudget(this.#options.retentionTotalBytesMax, this.#detached);
    this.#outflow = new Outflow(outbox, knowledge, this.#options, this.#budget, (session, why) => {
      this.#end(session, "slow", why);
    });
    this.#intake = new Intake(this.#options, transport, knowledge, outbox, this.#outflow, (session, reason, why) => {
      this.#end(session, reason, why);
    });
    this.#reception = new Reception(this.#options, knowledge, outbox, this.#names, {
      isPrimary: () => this.#primary,
      isFull: () => this.#sessions.size >= this.#options.sessionsMax,
      open: (connection, membership, priority, ticket) => this.#open(connection, membership, priority, ticket),
      resume: (connection, ticket, lastDelivered) => this.#resume(connection, ticket, lastDelivered),
      vacate: (user, peer) => this.#vacate(user, peer),
      write: (connection, bytes) => {
        connection.writable = outbox.write(connection.number, [bytes]);
      },
      close: (connection) => this.#close(connection, "flush"),
    });
  }

  get deadline(): number {
    if (this.#goesOn) return 0;
    return Math.min(this.#graceDeadline, this.#reception.deadline, this.#outflow.deadline);
  }

  /** Sessions that exist, detached and ending ones included. */
  get sessionCount(): number {
    return this.#sessions.size;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Sessions for which something waits or was dropped, longest queues first. */
  longestBacklogs(max: number): Backlog[] {
    return longestBacklogs(this.#sessions.values(), max);
  }

  tick(now: number): void {
    this.#goesOn = false;
    this.#reception.tick(now);
    this.#outflow.tick(now);
    if (now < this.#graceDeadline) return;
    this.#graceDeadline = NEVER;
    for (const session of this.#detached) {
      const endsAt = session.native?.graceEndsAt ?? NEVER;
      if (endsAt <= now) this.#end(session, "grace", "it was not resumed in time");
      else this.#graceDeadline = Math.min(this.#graceDeadline, endsAt);
    }
  }

  // What the host reports of connections.

  /** A connection has been accepted. The host has to go on reading from it until told otherwise. */
  connected(number: ConnectionNumber, peer: Peer, now: number): void {
    assert(!this.#connections.has(number), "a connection's number is used once at a time");
    const connection = new Connection(number, peer, now + this.#options.handshakeTimeoutMs);
    this.#connections.set(number, connection);
    this.#reception.begin(connection, this.#connections.size > this.#options.sessionsMax);
  }

  /** Bytes have arrived; the chunk is given away, and messages are ordered out of it without a copy. */
  received(number: ConnectionNumber, bytes: Uint8Array, now: number): void {
    const connection = this.#connections.get(number);
    if (connection === undefined || connection.phase === "closing" || bytes.length === 0) return;
    if (connection.phase === "session") {
      connection.assembler?.push(bytes);
      this.#intake.run(connection);
    } else {
      this.#reception.greet(connection, bytes, now);
      this.#goOn(connection);
    }
  }

  /** The connection takes more again. */
  writable(number: ConnectionNumber, now: number): void {
    const connection = this.#connections.get(number);
    if (connection === undefined) return;
    connection.writable = true;
    if (connection.phase === "handshake") {
      this.#reception.greet(connection, NOTHING, now);
      this.#goOn(connection);
    }
    if (connection.session === undefined) return;
    this.#outflow.flush(connection.session);
    if (connection.stalled) this.#intake.retry();
  }

  /**
   * The connection is gone, whoever closed it. The host names it no more, and no verb will. `byPeer`: the client's system said so, so
   * its process has ended or has turned away; else it may live and be cut off.
   */
  closed(number: ConnectionNumber, now: number, byPeer = false): void {
    const connection = this.#connections.get(number);
    if (connection === undefined) return;
    connection.gone = true;
    this.#connections.delete(number);
    const { session } = connection;
    if (session === undefined) {
      this.#reception.forget(connection);
      return;
    }
    if (session.connection !== connection || session.state !== "open") return;
    if (session.native === undefined) {
      // What came before the end counts: the session ends when it has been read.
      session.discard();
      this.#outflow.release(session);
      this.#intake.run(connection);
    } else {
      this.#detach(session, session.native, byPeer, now);
      // What came before the end is read, now or when it may be: a good-bye may be in it, after which nobody comes back. Whoever
      // does come back sends again what has not been taken by then.
      this.#intake.run(connection);
    }
  }

  /** The verdict on a password that `verifyPassword` asked for. */
  verified(number: ConnectionNumber, good: boolean, now: number): void {
    const connection = this.#connections.get(number);
    if (connection === undefined || connection.phase !== "handshake") return;
    this.#reception.verified(connection, good, now);
    this.#goOn(connection);
  }

  /** The ordered transport takes more again. */
  uncongested(_now: number): void {
    this.#intake.retry();
  }

  /** These groups are held, here or elsewhere: nothing is read of sessions that send to them. */
  heldGroups(groups: ReadonlySet<string>, _now: number): void {
    this.#intake.hold(groups);
  }

  /** Writes what the turn has brought to each connection. To be called after every turn of work. */
  endTurn(now: number): void {
    this.#outflow.endTurn(now);
    // Who had to wait because too much was waiting for it may go on: nobody calls `writable` for a write that succeeded.
    this.#intake.retry();
    this.#outflow.endTurn(now);
    this.#goesOn = this.#intake.mayGoOn;
  }

  /** The daemon is about to stop: native clients are told to go elsewhere. */
  goAway(text: string): void {
    const notice = encodeNative({ kind: "goAway", text });
    for (const session of this.#sessions.values()) {
      if (session.native !== undefined && session.state === "open") this.#outflow.control(session, notice);
    }
  }

  // What the groups layer delivers (GroupsOutbox).

  deliver(sessions: readonly SessionNumber[], frame: Uint8Array, tail: Uint8Array | undefined): void {
    for (let i = 0; i < sessions.length; i++) {
      const session = this.#sessions.get(sessions[i] as number);
      if (session?.state === "open") this.#outflow.deliver(session, frame, tail);
    }
  }

  notify(number: SessionNumber, notice: Notice): void {
    const session = this.#sessions.get(number);
    if (session?.state === "open" && session.membership) this.#outflow.notify(session, notice);
  }

  ordered(number: SessionNumber, message: number, duplicate: boolean): void {
    const session = this.#sessions.get(number);
    if (session?.native === undefined) return;
    session.native.ordered.add(message);
    session.native.ownNumber = duplicate ? 0 : message;
    const { killNumber } = session.native;
    if (session.state === "open" || killNumber > 0) this.#outflow.delivered(session, message);
    // A number that has been used ends nothing: the session would stay for ever, and keep its name.
    if (duplicate && message === killNumber) this.#intake.submitKill(session, "agreed");
  }

  refused(number: SessionNumber, message: number, group: string, why: string): void {
    const session = this.#sessions.get(number);
    if (session?.native === undefined || session.state !== "open") return;
    this.#outflow.refuse(session, session.native, { number: message, group, text: why, toldBefore: undefined });
  }

  /** A message of the daemon itself, to no group, for a native session. */
  tell(number: SessionNumber, frame: Uint8Array): void {
    const session = this.#sessions.get(number);
    if (session?.native !== undefined && session.state === "open") this.#outflow.tell(session, session.native, frame);
  }

  ended(number: SessionNumber): void {
    const session = this.#sessions.get(number);
    if (session === undefined) return;
    const { connection } = session;
    if (connection !== undefined) this.#outflow.answer(session, connection);
    this.#leaveOpen(session);
    this.#sessions.delete(number);
    this.#names.release(session.user);
    this.#outbox.detach(number);
    if (connection !== undefined) this.#close(connection, "flush");
    const successor = this.#reception.freed(session.user);
    if (successor !== undefined) this.#goOn(successor);
  }

  block(): void {
    this.#intake.block();
  }

  unblock(): void {
    this.#intake.unblock();
  }

  configured(primary: boolean, daemons: number): void {
    this.#primary = primary;
    for (const session of this.#sessions.values()) {
      if (session.native !== undefined && session.state === "open") {
        this.#outflow.configured(session, session.native, primary, daemons);
      }
    }
  }

  // Beginnings of sessions.

  /** Bytes that came behind the handshake belong to the session. */
  #goOn(connection: Connection): void {
    if (connection.phase !== "session" || connection.early.length === 0) return;
    connection.assembler?.push(connection.early);
    connection.early = NOTHING;
    this.#intake.run(connection);
  }

  #open(connection: Connection, membership: boolean, priority: number, ticket: Uint8Array | undefined): Session {
    const user = connection.user as string;
    const privateGroup = privateGroupName(user, this.#options.daemon);
    const native = ticket === undefined ? undefined : this.#nativeState(ticket);
    const session = new Session(++this.#lastSession, user, privateGroup, membership, priority, native);
    this.#sessions.set(session.number, session);
    if (native !== undefined) this.#byToken.set(native.tokenKey, session);
    this.#bind(connection, session);
    const attached = { number: session.number, user, privateGroup, membership };
    this.#outbox.attach(native === undefined ? attached : { ...attached, token: native.token });
    this.#report("accepted", connection, session);
    return session;
  }

  #nativeState(ticket: Uint8Array): NativeState {
    return new NativeState(ticket, tokenKey(ticket), this.#knowledge.lastOrdered(ticket.subarray(0, TOKEN_BYTES)));
  }

  /**
   * Gives the open session of this ticket a new connection, and says what its client has missed. A client that has had a
   * session elsewhere since then counts other deliveries, and is in other groups: it cannot go on here where it once was.
   */
  #resume(connection: Connection, ticket: Uint8Array, lastDelivered: number): Resumption {
    const session = this.#byToken.get(tokenKey(ticket));
    if (session?.native === undefined) return { kind: "none" };
    const { connection: old, native } = session;
    if (!ticket.every((byte, i) => byte === native.ticket[i])) {
      this.#end(session, "superseded", "its client has had another session since");
      return { kind: "superseded" };
    }
    this.#detached.delete(session);
    native.graceEndsAt = NEVER;
    native.acceptedSent = 0;
    session.discard();
    if (old !== undefined) {
      session.connection = undefined;
      this.#close(old, "drop");
    }
    const missed = native.retention.resume(Math.min(lastDelivered, native.lastDelivery));
    this.#bind(connection, session);
    if (missed !== undefined) {
      const { first, last } = missed;
      const count = last - first + 1;
      this.#outflow.control(session, encodeNative({ kind: "gap", group: "", reason: "window", count, first, last }));
    }
    for (const refusal of native.refusals.all()) this.#outflow.tellRefusal(session, native, refusal);
    this.#budget.update(session, native);
    session.queuedMessages = native.retention.unsentCount;
    session.queuedBytes = native.retention.unsentBytes;
    this.#outflow.touch(session);
    this.#report("resumed", connection, session);
    return { kind: "resumed", session, isComplete: missed === undefined };
  }

  /**
   * Who asks for a name from the place of a client that has lost its connection is most often that program, started again:
   * its former session is ended for it. Sessions that end anyway leave their names as soon.
   */
  #vacate(user: string, peer: Peer): boolean {
    for (const session of this.#detached) {
      const former = session.native?.peer;
      if (session.user !== user || former === undefined || !isSamePlace(former, peer)) continue;
      this.#end(session, "superseded", "its name was asked for again from the same place");
      return true;
    }
    for (const session of this.#sessions.values()) if (session.user === user) return session.state === "ending";
    return false;
  }

  #bind(connection: Connection, session: Session): void {
    if (session.native !== undefined) {
      session.native.peer = connection.peer;
      if (connection.peer.kind === "process") session.native.retention.isLent = true;
    }
    connection.phase = "session";
    connection.handshake = undefined;
    connection.session = session;
    session.connection = connection;
    this.#intake.prepare(connection, session);
  }

  #report(kind: "accepted" | "resumed", connection: Connection, session: Session): void {
    const protocol = session.native === undefined ? "spread" : "native";
    const { number, privateGroup } = session;
    const from = shownPeer(connection.peer);
    this.#outbox.report({ kind, connection: connection.number, from, session: number, privateGroup, protocol });
  }

  // Ends of sessions.

  #detach(session: Session, native: NativeState, byPeer: boolean, now: number): void {
    session.connection = undefined;
    session.discard();
    this.#outflow.release(session);
    native.retention.rewind();
    native.retention.trim(this.#options.retentionBytesMax, true);
    native.graceEndsAt = now + this.#options.graceMs;
    this.#detached.add(session);
    this.#budget.update(session, native);
    this.#graceDeadline = Math.min(this.#graceDeadline, native.graceEndsAt);
    this.#outbox.interrupted(session.number, byPeer);
    this.#outbox.report({ kind: "detached", session: session.number, privateGroup: session.privateGroup });
  }

  /** Begins the end of a session: its disconnect goes into the total order behind all that it sent. */
  #end(session: Session, reason: EndReason, why: string): void {
    if (session.state !== "open") return;
    const { connection, number, privateGroup } = session;
    const wasDetached = this.#detached.has(session);
    this.#leaveOpen(session);
    this.#outbox.report({ kind: "ending", session: number, privateGroup, reason, why, wasDetached });
    if (reason !== "kill") this.#intake.submitKill(session, "safe");
    if (connection === undefined) return;
    if (reason === "kill") {
      connection.phase = "closing";
      this.#pause(connection);
      return;
    }
    if (reason === "protocol" && session.native !== undefined && !connection.gone) {
      this.#outbox.write(connection.number, [encodeNative({ kind: "refused", code: Code.protocolError, text: why })]);
    }
    session.connection = undefined;
    this.#close(connection, reason === "protocol" ? "flush" : "drop");
  }

  #leaveOpen(session: Session): void {
    session.state = "ending";
    // What waits for a native client besides deliveries goes before the answer to its good-bye.
    if (session.native === undefined || session.native.killNumber === 0) session.discard();
    this.#outflow.release(session);
    this.#detached.delete(session);
    if (session.native === undefined) return;
    // Its client may have another session by now.
    const { tokenKey } = session.native;
    if (this.#byToken.get(tokenKey) === session) this.#byToken.delete(tokenKey);
    this.#budget.forget(session.native);
  }

  #close(connection: Connection, how: "flush" | "drop"): void {
    connection.phase = "closing";
    if (connection.gone) return;
    connection.gone = true;
    this.#outbox.close(connection.number, how);
  }

  #pause(connection: Connection): void {
    if (connection.paused || connection.gone) return;
    connection.paused = true;
    this.#outbox.pauseReading(connection.number);
  }
}

const NOTHING = new Uint8Array(0);

/** Of a token, or of a ticket with it. */
function tokenKey(token: Uint8Array): string {
  return asciiText(token, 0, TOKEN_BYTES);
}
