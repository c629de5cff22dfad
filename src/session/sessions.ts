import { assert } from "../base/assert.ts";
import type { Notice, SessionNumber } from "../groups/outbox.ts";
import { type Machine, NEVER } from "../machine/machine.ts";
import { NATIVE_VERSION, PREFACE_FIRST, TOKEN_BYTES } from "../wire/native/envelope.ts";
import { encodeNative, type NativeHello } from "../wire/native/messages.ts";
import { Code } from "../wire/spread/codes.ts";
import { encodeAccept, encodeReject } from "../wire/spread/handshake.ts";
import { asciiText, isDaemonName, privateGroupName } from "../wire/spread/names.ts";
import { isAllowed } from "./access.ts";
import { Connection } from "./connection.ts";
import { Intake } from "./intake.ts";
import { judgeNativeHello, readNativeGreeting } from "./native-handshake.ts";
import { DEFAULT_SESSION_OPTIONS, type SessionOptions } from "./options.ts";
import type { OrderedTransport } from "./ordered.ts";
import type { ConnectionNumber, EndReason, Peer, SessionsKnowledge, SessionsOutbox } from "./outbox.ts";
import { Outflow } from "./outflow.ts";
import { NativeState, Session } from "./session.ts";
import { SpreadHandshake } from "./spread-handshake.ts";
import { UserNames } from "./user-names.ts";

/** Bytes that a client may send ahead while its password is checked. */
const EARLY_MAX = 256 * 1024;

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
  readonly #outflow: Outflow;
  readonly #names = new UserNames();
  readonly #connections = new Map<ConnectionNumber, Connection>();
  readonly #sessions = new Map<SessionNumber, Session>();
  readonly #byToken = new Map<string, Session>();
  readonly #handshaking = new Set<Connection>();
  readonly #detached = new Set<Session>();
  readonly #hellos = new Map<Connection, NativeHello>();
  #lastSession = 0;
  #deadline = NEVER;

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
    this.#outflow = new Outflow(outbox, knowledge, this.#options, (session, why) => this.#end(session, "slow", why));
    this.#intake = new Intake(this.#options, transport, knowledge, outbox, this.#outflow, (session, reason, why) => {
      this.#end(session, reason, why);
    });
  }

  get deadline(): number {
    return this.#deadline;
  }

  /** Sessions that exist, detached and ending ones included. */
  get sessionCount(): number {
    return this.#sessions.size;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  tick(now: number): void {
    if (now < this.#deadline) return;
    for (const connection of this.#handshaking) {
      if (connection.deadline <= now) this.#timeOut(connection);
    }
    for (const session of this.#detached) {
      if ((session.native?.graceEndsAt ?? NEVER) > now) continue;
      this.#detached.delete(session);
      this.#end(session, "grace", "it was not resumed in time");
    }
    this.#deadline = NEVER;
    for (const connection of this.#handshaking) this.#deadline = Math.min(this.#deadline, connection.deadline);
    for (const { native } of this.#detached) this.#deadline = Math.min(this.#deadline, native?.graceEndsAt ?? NEVER);
  }

  // What the host reports of connections.

  /** A connection has been accepted. The host has to go on reading from it until told otherwise. */
  connected(number: ConnectionNumber, peer: Peer, now: number): void {
    assert(!this.#connections.has(number), "a connection's number is used once at a time");
    const connection = new Connection(number, peer, now + this.#options.handshakeTimeoutMs);
    this.#connections.set(number, connection);
    if (this.#connections.size > this.#options.sessionsMax) {
      this.#reject(connection, Code.rejectQuota, `more than ${this.#options.sessionsMax} connections`);
      return;
    }
    this.#handshaking.add(connection);
    this.#deadline = Math.min(this.#deadline, connection.deadline);
  }

  /** Bytes have arrived; the chunk is given away, and messages are ordered out of it without a copy. */
  received(number: ConnectionNumber, bytes: Uint8Array, now: number): void {
    const connection = this.#connections.get(number);
    if (connection === undefined || connection.phase === "closing" || bytes.length === 0) return;
    if (connection.phase === "session") {
      connection.assembler?.push(bytes);
      this.#intake.run(connection);
    } else this.#greet(connection, bytes, now);
  }

  /** The connection takes more again. */
  writable(number: ConnectionNumber, _now: number): void {
    const connection = this.#connections.get(number);
    if (connection === undefined) return;
    connection.writable = true;
    if (connection.session === undefined) return;
    this.#outflow.flush(connection.session);
    if (connection.stalled) this.#intake.retry();
  }

  /** The connection is gone, whoever closed it. The host names it no more, and no verb will. */
  closed(number: ConnectionNumber, now: number): void {
    const connection = this.#connections.get(number);
    if (connection === undefined) return;
    connection.gone = true;
    this.#connections.delete(number);
    this.#handshaking.delete(connection);
    this.#hellos.delete(connection);
    const { session, phase } = connection;
    if (session === undefined) {
      if (phase === "handshake" && connection.user !== undefined) this.#names.release(connection.user);
      return;
    }
    if (session.connection !== connection || session.state !== "open") return;
    if (session.native === undefined) {
      // What came before the end counts: the session ends when it has been read.
      session.discard();
      this.#intake.run(connection);
    } else {
      // What had not been taken is sent again: it has not been accepted.
      connection.phase = "closing";
      this.#detach(session, session.native, now);
    }
  }

  /** The verdict on a password that `verifyPassword` asked for. */
  verified(number: ConnectionNumber, good: boolean, now: number): void {
    const connection = this.#connections.get(number);
    if (connection === undefined || connection.phase !== "handshake") return;
    const hello = this.#hellos.get(connection);
    if (hello === undefined) {
      connection.handshake?.verified(good);
      this.#greet(connection, new Uint8Array(0), now);
      return;
    }
    this.#hellos.delete(connection);
    if (good) this.#welcome(connection, hello);
    else this.#refuse(connection, Code.rejectAuth, "The user or the password is wrong.");
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
  endTurn(_now: number): void {
    this.#outflow.endTurn();
    // Who had to wait because too much was waiting for it may go on: nobody calls `writable` for a write that succeeded.
    this.#intake.retry();
    this.#outflow.endTurn();
  }

  /** The daemon is about to stop: native clients are told to go elsewhere. */
  goAway(text: string): void {
    const notice = encodeNative({ kind: "goAway", text });
    for (const session of this.#sessions.values()) {
      if (session.native !== undefined && session.state === "open") this.#outflow.control(session, notice);
    }
  }

  // What the groups layer delivers (GroupsOutbox).

  deliver(sessions: readonly SessionNumber[], frame: Uint8Array): void {
    for (let i = 0; i < sessions.length; i++) {
      const session = this.#sessions.get(sessions[i] as number);
      if (session?.state === "open") this.#outflow.deliver(session, frame);
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
    if (session.state === "open") this.#outflow.delivered(session, message);
  }

  refused(number: SessionNumber, message: number, group: string, why: string): void {
    const session = this.#sessions.get(number);
    if (session?.native === undefined || session.state !== "open") return;
    this.#outflow.control(session, encodeNative({ kind: "groupRefused", number: message, group, text: why }));
  }

  ended(number: SessionNumber): void {
    const session = this.#sessions.get(number);
    if (session === undefined) return;
    this.#leaveOpen(session);
    this.#sessions.delete(number);
    this.#names.release(session.user);
    this.#outbox.detach(number);
    if (session.connection !== undefined) this.#close(session.connection, "flush");
  }

  block(): void {
    this.#intake.block();
  }

  unblock(): void {
    this.#intake.unblock();
  }

  // Handshakes.

  #greet(connection: Connection, bytes: Uint8Array, now: number): void {
    connection.early = joined(connection.early, bytes);
    if (connection.protocol === "unknown" && connection.early.length > 0) {
      connection.protocol = connection.early[0] === PREFACE_FIRST ? "native" : "spread";
      if (connection.protocol === "spread") connection.handshake = this.#spreadHandshake(connection);
    }
    if (connection.protocol === "native") this.#greetNative(connection, now);
    else {
      for (let used = -1; used !== 0 && connection.early.length > 0 && connection.phase === "handshake"; ) {
        used = connection.handshake?.step(connection.early) ?? 0;
        connection.early = connection.early.subarray(used);
      }
    }
    if (connection.phase === "handshake" && connection.early.length > EARLY_MAX) {
      this.#reject(connection, Code.rejectAuth, "too much was sent before the handshake was complete");
    }
    this.#goOn(connection);
  }

  /** Bytes that came behind the handshake belong to the session. */
  #goOn(connection: Connection): void {
    if (connection.phase !== "session" || connection.early.length === 0) return;
    connection.assembler?.push(connection.early);
    connection.early = new Uint8Array(0);
    this.#intake.run(connection);
  }

  #spreadHandshake(connection: Connection): SpreadHandshake {
    const { allowedMethods, requiredMethods, access, daemon } = this.#options;
    return new SpreadHandshake(
      {
        reserve: (user) => {
          const name = this.#names.reserve(user, connection.number);
          if (name.kind === "ok") connection.user = name.user;
          else if (name.kind === "illegal") this.#reject(connection, Code.rejectIllegalName, `name "${user}"`);
          else this.#reject(connection, Code.rejectNotUnique, `name "${user}" is in use`);
          return name.kind === "ok";
        },
        reply: (bytes) => void this.#outbox.write(connection.number, [bytes]),
        reject: (code, why) => this.#reject(connection, code, why),
        admitsPeer: () => isAllowed(connection.peer, access),
        verify: (user, password) => this.#outbox.verifyPassword(connection.number, user, password),
        accept: (hello) => {
          const privateGroup = privateGroupName(connection.user as string, daemon);
          const { membership, priority } = hello;
          const session = this.#open(connection, privateGroup, membership, priority, undefined);
          connection.writable = this.#outbox.write(connection.number, [encodeAccept(hello.version, privateGroup)]);
          this.#report("accepted", connection, session);
        },
      },
      allowedMethods,
      requiredMethods,
    );
  }

  #greetNative(connection: Connection, now: number): void {
    while (connection.phase === "handshake" && !this.#hellos.has(connection)) {
      const greeting = readNativeGreeting(connection.early, connection.prefaced);
      if (greeting.kind === "more") return;
      if (greeting.kind === "malformed") {
        this.#refuse(connection, Code.protocolError, greeting.why);
        return;
      }
      connection.early = connection.early.subarray(greeting.bytes);
      connection.prefaced = true;
      if (greeting.kind === "status") {
        this.#outbox.write(connection.number, [encodeNative({ kind: "statusReport", json: this.#knowledge.status() })]);
        connection.deadline = now + this.#options.handshakeTimeoutMs;
      } else if (greeting.kind === "hello") this.#onNativeHello(connection, greeting.hello);
    }
  }

  #onNativeHello(connection: Connection, hello: NativeHello): void {
    const verdict = judgeNativeHello(hello, this.#options, () => isAllowed(connection.peer, this.#options.access));
    if (verdict.kind === "refused") this.#refuse(connection, verdict.code, verdict.text);
    else if (verdict.kind === "welcome") this.#welcome(connection, hello);
    else {
      this.#hellos.set(connection, hello);
      this.#outbox.verifyPassword(connection.number, verdict.user, verdict.password);
    }
  }

  /** The client has shown that it may: it gets its old session back, or a new one. */
  #welcome(connection: Connection, hello: NativeHello): void {
    const isNew = hello.token.every((byte) => byte === 0);
    const token = isNew ? this.#knowledge.newToken() : hello.token;
    const known = this.#byToken.get(asciiText(token, 0, TOKEN_BYTES));
    if (known?.native !== undefined) {
      this.#resume(connection, known, known.native, hello.lastDelivered);
      return;
    }
    const name = this.#names.reserve(hello.user, connection.number);
    if (name.kind !== "ok") {
      const code = name.kind === "taken" ? Code.rejectNotUnique : Code.rejectIllegalName;
      this.#refuse(connection, code, `The name "${hello.user}" is ${name.kind} at this daemon: choose another.`);
      return;
    }
    connection.user = name.user;
    const lastOrdered = isNew ? 0 : this.#knowledge.lastOrdered(token);
    const native = new NativeState(token, asciiText(token, 0, TOKEN_BYTES), lastOrdered);
    const privateGroup = privateGroupName(name.user, this.#options.daemon);
    const session = this.#open(connection, privateGroup, hello.membership, hello.priority, native);
    this.#byToken.set(native.tokenKey, session);
    this.#writeWelcome(connection, session, native, isNew ? "new" : "interrupted");
    this.#report("accepted", connection, session);
  }

  #resume(connection: Connection, session: Session, native: NativeState, lastDelivered: number): void {
    const old = session.connection;
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
    this.#writeWelcome(connection, session, native, missed === undefined ? "resumed" : "interrupted");
    if (missed !== undefined) {
      const { first, last } = missed;
      this.#outflow.control(
        session,
        encodeNative({ kind: "gap", group: "", reason: "window", count: last - first + 1, first, last }),
      );
    }
    session.queuedMessages = native.retention.unsentCount;
    session.queuedBytes = native.retention.unsentBytes;
    this.#outflow.touch(session);
    this.#report("resumed", connection, session);
  }

  #writeWelcome(
    connection: Connection,
    session: Session,
    native: NativeState,
    resumption: "new" | "resumed" | "interrupted",
  ): void {
    const welcome = encodeNative({
      kind: "welcome",
      version: NATIVE_VERSION,
      resumption,
      privateGroup: session.privateGroup,
      token: native.token,
      lastOrdered: native.ordered.upTo,
      payloadBytesMax: this.#options.payloadBytesMax,
      daemons: this.#knowledge.daemons(),
    });
    connection.writable = this.#outbox.write(connection.number, [welcome]);
  }

  #open(
    connection: Connection,
    privateGroup: string,
    membership: boolean,
    priority: number,
    native: NativeState | undefined,
  ): Session {
    const user = connection.user as string;
    const session = new Session(++this.#lastSession, user, privateGroup, membership, priority, native);
    this.#sessions.set(session.number, session);
    this.#bind(connection, session);
    const attached = { number: session.number, user, privateGroup, membership };
    this.#outbox.attach(native === undefined ? attached : { ...attached, token: native.token });
    return session;
  }

  #bind(connection: Connection, session: Session): void {
    connection.phase = "session";
    connection.handshake = undefined;
    connection.session = session;
    session.connection = connection;
    this.#handshaking.delete(connection);
    this.#intake.prepare(connection, session);
  }

  #report(kind: "accepted" | "resumed", connection: Connection, session: Session): void {
    const protocol = session.native === undefined ? "spread" : "native";
    const { number, privateGroup } = session;
    this.#outbox.report({ kind, connection: connection.number, session: number, privateGroup, protocol });
  }

  #reject(connection: Connection, code: number, why: string): void {
    this.#outbox.report({ kind: "rejected", connection: connection.number, code, why });
    this.#outbox.write(connection.number, [encodeReject(code)]);
    this.#abandon(connection, "flush");
  }

  #refuse(connection: Connection, code: number, text: string): void {
    this.#outbox.report({ kind: "rejected", connection: connection.number, code, why: text });
    this.#outbox.write(connection.number, [encodeNative({ kind: "refused", code, text })]);
    this.#abandon(connection, "flush");
  }

  #timeOut(connection: Connection): void {
    const { handshake, early, number } = connection;
    this.#outbox.report({ kind: "timedOut", connection: number });
    if (handshake?.awaitsChoice && early.length > 0) this.#outbox.write(number, [encodeReject(Code.rejectAuth)]);
    this.#abandon(connection, "flush");
  }

  /** Ends a handshake that leads to nothing. */
  #abandon(connection: Connection, how: "flush" | "drop"): void {
    if (connection.user !== undefined) this.#names.release(connection.user);
    connection.user = undefined;
    this.#hellos.delete(connection);
    this.#close(connection, how);
  }

  // Ends of sessions.

  #detach(session: Session, native: NativeState, now: number): void {
    session.connection = undefined;
    session.discard();
    this.#outflow.release(session);
    native.retention.rewind();
    native.retention.trim(this.#options.retentionBytesMax, true);
    native.graceEndsAt = now + this.#options.graceMs;
    this.#detached.add(session);
    this.#deadline = Math.min(this.#deadline, native.graceEndsAt);
    this.#outbox.report({ kind: "detached", session: session.number, privateGroup: session.privateGroup });
  }

  /** Begins the end of a session: its disconnect goes into the total order behind all that it sent. */
  #end(session: Session, reason: EndReason, why: string): void {
    if (session.state !== "open") return;
    const { connection, number, privateGroup } = session;
    this.#leaveOpen(session);
    this.#outbox.report({ kind: "ending", session: number, privateGroup, reason, why });
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
    session.discard();
    this.#outflow.release(session);
    this.#detached.delete(session);
    if (session.native !== undefined) this.#byToken.delete(session.native.tokenKey);
  }

  #close(connection: Connection, how: "flush" | "drop"): void {
    connection.phase = "closing";
    this.#handshaking.delete(connection);
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

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}
