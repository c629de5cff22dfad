import { joined } from "../base/joined.ts";
import { NEVER } from "../machine/machine.ts";
import { NATIVE_VERSION, PREFACE_FIRST, TICKET_BYTES, TOKEN_BYTES } from "../wire/native/envelope.ts";
import { encodeNative, type NativeHello, type NativeWelcome } from "../wire/native/messages.ts";
import { Code } from "../wire/spread/codes.ts";
import { encodeAccept, encodeReject, type Hello } from "../wire/spread/handshake.ts";
import { isAllowed } from "./access.ts";
import type { Connection } from "./connection.ts";
import { judgeNativeHello, readNativeGreeting } from "./native-handshake.ts";
import type { SessionOptions } from "./options.ts";
import { type Peer, type SessionsKnowledge, type SessionsOutbox, shownPeer } from "./outbox.ts";
import type { Session } from "./session.ts";
import { SpreadHandshake } from "./spread-handshake.ts";
import type { UserNames } from "./user-names.ts";

/** Bytes that a client may send ahead while its password is checked. */
const EARLY_MAX = 256 * 1024;

/** What a ticket leads to. */
export type Resumption =
  /** No session of its client is here. */
  | { readonly kind: "none" }
  /** There was one, and its client has had another since: it is being ended. */
  | { readonly kind: "superseded" }
  /** It goes on; `isComplete`: its client misses nothing. */
  | { readonly kind: "resumed"; readonly session: Session; readonly isComplete: boolean };

/** What the reception asks of the sessions. */
export interface ReceptionHost {
  /** Whether there are as many sessions as there may be. */
  isFull(): boolean;
  /** Whether the daemon's configuration is primary. */
  isPrimary(): boolean;
  /** Makes a session of the connection and the name it has reserved; with a ticket a native one. */
  open(connection: Connection, membership: boolean, priority: number, ticket: Uint8Array | undefined): Session;
  resume(connection: Connection, ticket: Uint8Array, lastDelivered: number): Resumption;
  /** Whether a name that is taken will be free in a moment, for somebody who comes from there; ends its session if it may. */
  vacate(user: string, peer: Peer): boolean;
  /** Writes bytes of the handshake, as one write of their own. */
  write(connection: Connection, bytes: Uint8Array): void;
  /** Closes when what was written has left. */
  close(connection: Connection): void;
}

/** Connections on their way into a session: which protocol, who, may they, and not too late. */
export class Reception {
  readonly #options: SessionOptions;
  readonly #knowledge: SessionsKnowledge;
  readonly #outbox: SessionsOutbox;
  readonly #names: UserNames;
  readonly #host: ReceptionHost;
  readonly #waiting = new Set<Connection>();
  /** Native clients whose password is being checked. */
  readonly #hellos = new Map<Connection, NativeHello>();
  /** Native clients whose name is about to be free, by that name. */
  readonly #successors = new Map<string, { readonly connection: Connection; readonly hello: NativeHello }>();
  #deadline = NEVER;

  constructor(
    options: SessionOptions,
    knowledge: SessionsKnowledge,
    outbox: SessionsOutbox,
    names: UserNames,
    host: ReceptionHost,
  ) {
    this.#options = options;
    this.#knowledge = knowledge;
    this.#outbox = outbox;
    this.#names = names;
    this.#host = host;
  }

  /** When the first handshake is too late; it may lie in the past of one that has been completed. */
  get deadline(): number {
    return this.#deadline;
  }

  /** A new connection; one too many is told so before anything is read. */
  begin(connection: Connection, isOneTooMany: boolean): void {
    this.#waiting.add(connection);
    this.#deadline = Math.min(this.#deadline, connection.deadline);
    if (isOneTooMany) this.#reject(connection, Code.rejectQuota, `more than ${this.#options.sessionsMax} connections`);
  }

  /** Ends the handshakes whose time is over. */
  tick(now: number): void {
    if (now < this.#deadline) return;
    this.#deadline = NEVER;
    for (const connection of this.#waiting) {
      if (connection.phase !== "handshake") this.#waiting.delete(connection);
      else if (connection.deadline <= now) this.#timeOut(connection);
      else this.#deadline = Math.min(this.#deadline, connection.deadline);
    }
  }

  /** Bytes of the handshake, or of what comes behind it: that is left in `connection.early` once it is in session. */
  greet(connection: Connection, bytes: Uint8Array, now: number): void {
    connection.early = joined(connection.early, bytes);
    if (connection.paused && connection.writable) {
      connection.paused = false;
      this.#outbox.resumeReading(connection.number);
    }
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
    if (connection.phase === "session") this.#waiting.delete(connection);
    else if (connection.phase === "handshake" && connection.early.length > EARLY_MAX) {
      this.#reject(connection, Code.rejectAuth, "too much was sent before the handshake was complete");
    }
  }

  /** The verdict on a password that was to be checked. */
  verified(connection: Connection, good: boolean, now: number): void {
    const hello = this.#hellos.get(connection);
    if (hello === undefined) connection.handshake?.verified(good);
    else {
      this.#hellos.delete(connection);
      if (good) this.#welcome(connection, hello);
      else this.#refuse(connection, Code.rejectAuth, "The user or the password is wrong.");
    }
    if (connection.phase === "session") this.#waiting.delete(connection);
    else if (connection.phase === "handshake") this.greet(connection, NOTHING, now);
  }

  /** This name is free again: the connection that has waited for it goes on, and is returned. */
  freed(user: string): Connection | undefined {
    const successor = this.#successors.get(user);
    if (successor === undefined) return undefined;
    const { connection, hello } = successor;
    this.#successors.delete(user);
    connection.awaitsName = false;
    this.#welcome(connection, hello);
    if (connection.phase === "session") this.#waiting.delete(connection);
    return connection;
  }

  /** The connection is gone, or leads to nothing: its name is free again. */
  forget(connection: Connection): void {
    if (connection.awaitsName) {
      for (const [user, successor] of this.#successors) {
        if (successor.connection === connection) this.#successors.delete(user);
      }
      connection.awaitsName = false;
    }
    if (connection.user !== undefined) this.#names.release(connection.user);
    connection.user = undefined;
    this.#waiting.delete(connection);
    this.#hellos.delete(connection);
  }

  #spreadHandshake(connection: Connection): SpreadHandshake {
    const { allowedMethods, requiredMethods, access } = this.#options;
    return new SpreadHandshake(
      {
        reserve: (user) => {
          const name = this.#names.reserve(user, connection.number);
          if (name.kind === "ok") connection.user = name.user;
          else if (name.kind === "illegal") this.#reject(connection, Code.rejectIllegalName, `name "${user}"`);
          else this.#reject(connection, Code.rejectNotUnique, `name "${user}" is in use`);
          return name.kind === "ok";
        },
        reply: (bytes) => this.#host.write(connection, bytes),
        reject: (code, why) => this.#reject(connection, code, why),
        admitsPeer: () => isAllowed(connection.peer, access),
        verify: (user, password) => this.#outbox.verifyPassword(connection.number, user, password),
        accept: (hello) => this.#accept(connection, hello),
      },
      allowedMethods,
      requiredMethods,
    );
  }

  #accept(connection: Connection, hello: Hello): void {
    if (this.#host.isFull()) {
      this.#reject(connection, Code.rejectQuota, `more than ${this.#options.sessionsMax} sessions`);
      return;
    }
    const { privateGroup } = this.#host.open(connection, hello.membership, hello.priority, undefined);
    this.#host.write(connection, encodeAccept(hello.version, privateGroup));
  }

  #greetNative(connection: Connection, now: number): void {
    while (connection.phase === "handshake" && !this.#hellos.has(connection) && !connection.awaitsName) {
      if (!connection.writable) return this.#pause(connection);
      const greeting = readNativeGreeting(connection.early, connection.prefaced);
      if (greeting.kind === "more") return;
      if (greeting.kind === "malformed") {
        this.#refuse(connection, Code.protocolError, greeting.why);
        return;
      }
      connection.early = connection.early.subarray(greeting.bytes);
      connection.prefaced = true;
      if (greeting.kind === "status") {
        const json = this.#knowledge.status(greeting.whole);
        this.#host.write(connection, encodeNative({ kind: "statusReport", json }));
        connection.deadline = now + this.#options.handshakeTimeoutMs;
      } else if (greeting.kind === "hello") this.#onNativeHello(connection, greeting.hello);
    }
  }

  /** Who asks without reading the answers is asked nothing more, until it does: what it asks for is much longer than the question. */
  #pause(connection: Connection): void {
    if (connection.paused) return;
    connection.paused = true;
    this.#outbox.pauseReading(connection.number);
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
    const { ticket, user, membership, priority, lastDelivered } = hello;
    const isNew = ticket.every((byte) => byte === 0);
    const former = isNew ? NONE : this.#host.resume(connection, ticket, lastDelivered);
    if (former.kind === "resumed") {
      this.#writeWelcome(connection, former.session, former.isComplete ? "resumed" : "interrupted");
      this.#outbox.resumed(former.session.number, former.isComplete);
      return;
    }
    if (former.kind === "superseded") {
      const text = "A former session of yours is still here, and is being ended: come back in a moment.";
      this.#refuse(connection, Code.rejectNotUnique, text);
      return;
    }
    if (this.#host.isFull()) {
      this.#refuse(
        connection,
        Code.rejectQuota,
        "This daemon has as many sessions as it may have: connect to another.",
      );
      return;
    }
    const name = this.#names.reserve(user, connection.number);
    if (name.kind === "taken" && !this.#successors.has(user) && this.#host.vacate(user, connection.peer)) {
      connection.awaitsName = true;
      this.#successors.set(user, { connection, hello });
      return;
    }
    if (name.kind !== "ok") {
      const code = name.kind === "taken" ? Code.rejectNotUnique : Code.rejectIllegalName;
      this.#refuse(connection, code, `The name "${user}" is ${name.kind} at this daemon: choose another.`);
      return;
    }
    connection.user = name.user;
    const own = this.#knowledge.randomBytes(TICKET_BYTES);
    if (!isNew) own.set(ticket.subarray(0, TOKEN_BYTES));
    const session = this.#host.open(connection, membership, priority, own);
    this.#writeWelcome(connection, session, isNew ? "new" : "restarted");
  }

  #writeWelcome(connection: Connection, session: Session, resumption: NativeWelcome["resumption"]): void {
    const { native, privateGroup } = session;
    if (native === undefined) return;
    const welcome = encodeNative({
      kind: "welcome",
      version: NATIVE_VERSION,
      resumption,
      primary: this.#host.isPrimary(),
      statistics: true,
      answersKill: true,
      privateGroup,
      ticket: native.ticket,
      lastOrdered: native.ordered.upTo,
      payloadBytesMax: this.#options.payloadBytesMax,
      windowBytes: this.#options.deliveryWindowBytes,
      daemons: this.#knowledge.daemons(),
    });
    this.#host.write(connection, welcome);
  }

  #timeOut(connection: Connection): void {
    const { handshake, early, number, peer } = connection;
    this.#outbox.report({ kind: "timedOut", connection: number, from: shownPeer(peer) });
    if (handshake?.awaitsChoice && early.length > 0) this.#host.write(connection, encodeReject(Code.rejectAuth));
    this.#abandon(connection);
  }

  #reject(connection: Connection, code: number, why: string): void {
    this.#reportRejected(connection, code, why);
    this.#host.write(connection, encodeReject(code));
    this.#abandon(connection);
  }

  #refuse(connection: Connection, code: number, text: string): void {
    this.#reportRejected(connection, code, text);
    this.#host.write(connection, encodeNative({ kind: "refused", code, text }));
    this.#abandon(connection);
  }

  #reportRejected({ number, peer }: Connection, code: number, why: string): void {
    this.#outbox.report({ kind: "rejected", connection: number, from: shownPeer(peer), code, why });
  }

  #abandon(connection: Connection): void {
    this.forget(connection);
    this.#host.close(connection);
  }
}

const NOTHING = new Uint8Array(0);
const NONE: Resumption = { kind: "none" };
