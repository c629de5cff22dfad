import type { SessionNumber } from "../../src/groups/outbox.ts";
import { Content } from "../../src/ordering/content.ts";
import type {
  AttachedSession,
  ConnectionNumber,
  Peer,
  SessionEvent,
  SessionsKnowledge,
  SessionsOutbox,
  SlowPolicy,
} from "../../src/session/outbox.ts";
import type { SessionOptions } from "../../src/session/options.ts";
import type { OrderedTransport, Submission } from "../../src/session/ordered.ts";
import { Sessions } from "../../src/session/sessions.ts";
import { getU64 } from "../../src/wire/bytes.ts";
import { TypeBit } from "../../src/wire/spread/codes.ts";
import { dataBytesOf, groupCountOf, groupOf, senderOf, typeOf } from "../../src/wire/spread/frame.ts";
import { encodeLightView, encodeSelfLeave } from "../../src/wire/spread/membership.ts";
import { asciiText } from "../../src/wire/spread/names.ts";

/** What a test does with one connection. */
export interface TestClient {
  send(bytes: Uint8Array): void;
  /** Everything received so far. */
  received(): Uint8Array;
  /** Everything received since the last time. */
  take(): Uint8Array;
  readonly closed: boolean;
  close(): void;
}

/** A daemon that tests connect to: the sessions with doubles around them, or a whole one. */
export interface TestDaemon {
  connect(peer?: Peer): TestClient;
  /** Lets time pass. */
  advance(ms: number): void;
}

/**
 * Sessions over an ordered transport and a groups layer of one daemon, both as simple as can be: whatever is submitted is
 * delivered in that order as soon as `run` is called.
 */
export class OneDaemon implements TestDaemon, SessionsOutbox, SessionsKnowledge, OrderedTransport {
  readonly sessions: Sessions;
  readonly submissions: Submission[] = [];
  readonly events: SessionEvent[] = [];
  readonly clients = new Map<ConnectionNumber, Connection>();
  readonly scalable = new Set<string>();
  readonly policies = new Map<string, SlowPolicy>();
  readonly passwords = new Map<string, string>();
  readonly held: string[] = [];
  readonly statistics: { readonly session: SessionNumber; readonly statistics: Uint8Array }[] = [];
  readonly attached = new Map<SessionNumber, AttachedSession>();
  readonly #groups = new Map<string, Map<string, SessionNumber>>();
  readonly #ordered = new Map<string, number>();
  #pending: Submission[] = [];
  #verifying: { connection: number; good: boolean }[] = [];
  #tickets = 0;
  #index = 0;
  congested = false;
  /** The transport delivers nothing while it is false. */
  flowing = true;
  now = 0;

  constructor(options: Partial<SessionOptions> = {}) {
    this.sessions = new Sessions({ daemon: "localhost", ...options }, this, this, this);
  }

  isCongested(): boolean {
    return this.congested;
  }

  connect(peer: Peer = { kind: "tcp", address: "127.0.0.1" }): Connection {
    const client = new Connection(this, this.clients.size + 1);
    this.clients.set(client.number, client);
    this.sessions.connected(client.number, peer, this.now);
    this.run();
    return client;
  }

  /** Goes on until nothing more happens. */
  run(): void {
    for (;;) {
      const verdict = this.#verifying.shift();
      if (verdict !== undefined) this.sessions.verified(verdict.connection, verdict.good, this.now);
      const submission = this.flowing ? this.#pending.shift() : undefined;
      if (submission !== undefined) this.#order(submission);
      else if (verdict === undefined) break;
    }
    this.sessions.endTurn(this.now);
    if (this.flowing && this.#pending.length > 0) this.run();
  }

  advance(ms: number): void {
    this.now += ms;
    this.sessions.tick(this.now);
    this.run();
  }

  // SessionsOutbox

  write(connection: ConnectionNumber, chunks: readonly Uint8Array[]): boolean {
    const client = this.clients.get(connection) as Connection;
    client.writes.push(chunks);
    client.arrived.push(...chunks.map((chunk) => chunk.slice()));
    return client.taking;
  }

  close(connection: ConnectionNumber): void {
    (this.clients.get(connection) as Connection).closed = true;
    this.sessions.closed(connection, this.now);
  }

  pauseReading(connection: ConnectionNumber): void {
    (this.clients.get(connection) as Connection).reading = false;
  }

  resumeReading(connection: ConnectionNumber): void {
    (this.clients.get(connection) as Connection).reading = true;
  }

  attach(session: AttachedSession): void {
    this.attached.set(session.number, session);
  }

  interrupted(): void {}
  resumed(): void {}

  nodeStatistics(session: SessionNumber, statistics: Uint8Array): void {
    this.statistics.push({ session, statistics: statistics.slice() });
  }

  detach(session: SessionNumber): void {
    this.attached.delete(session);
  }

  verifyPassword(connection: ConnectionNumber, user: string, password: string): void {
    this.#verifying.push({ connection, good: this.passwords.get(user) === password });
  }

  holdGroup(group: string): void {
    this.held.push(group);
    this.sessions.heldGroups(new Set(this.held), this.now);
  }

  releaseGroup(group: string): void {
    this.held.splice(this.held.indexOf(group), 1);
    this.sessions.heldGroups(new Set(this.held), this.now);
  }

  report(event: SessionEvent): void {
    this.events.push(event);
  }

  // SessionsKnowledge

  hasScalable(): boolean {
    return this.scalable.size > 0;
  }

  nodeOptionsOf(group: string): string | undefined {
    return this.scalable.has(group) ? '{ quality: "scalable" }' : undefined;
  }

  isMember(session: SessionNumber, group: string): boolean {
    return [...(this.#groups.get(group)?.values() ?? [])].includes(session);
  }

  policyOf(group: string): SlowPolicy {
    return this.policies.get(group) ?? "expel";
  }

  lastOrdered(token: Uint8Array): number {
    return this.#ordered.get(asciiText(token, 0, 16)) ?? 0;
  }

  randomBytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    bytes[0] = 0xee;
    bytes[15] = bytes[count - 1] = ++this.#tickets;
    return bytes;
  }

  daemons(): readonly string[] {
    return ["4803@localhost"];
  }

  status(whole: boolean): string {
    return `{"sessions":${this.sessions.sessionCount},"whole":${whole}}`;
  }

  // OrderedTransport

  queuedBytesOf(session: SessionNumber): number {
    let bytes = 0;
    for (const one of this.#pending) if (one.session === session) for (const piece of one.pieces) bytes += piece.length;
    return bytes;
  }

  submit(submission: Submission): void {
    this.submissions.push(submission);
    this.#pending.push(submission);
  }

  // The groups layer of one daemon.

  #order(submission: Submission): void {
    const payload = submission.pieces.length === 1 ? (submission.pieces[0] as Uint8Array) : join(submission.pieces);
    const sender = this.attached.get(submission.session);
    if (sender === undefined) throw new Error(`session ${submission.session} was not attached`);
    let frame = payload;
    if (submission.content === Content.numberedFrame) {
      frame = payload.subarray(24);
      const number = getU64(payload, 16);
      const token = asciiText(payload, 0, 16);
      const duplicate = number <= (this.#ordered.get(token) ?? 0);
      this.sessions.ordered(submission.session, number, duplicate);
      if (duplicate) return;
      this.#ordered.set(token, number);
    }
    const type = typeOf(frame, 0);
    if (type & TypeBit.kill) this.#kill(sender);
    else if (type & TypeBit.join) this.#join(groupOf(frame, 0, 0), sender);
    else if (type & TypeBit.leave) this.#leave(groupOf(frame, 0, 0), sender);
    else this.#data(frame, type);
  }

  #data(frame: Uint8Array, type: number): void {
    const targets = new Set<SessionNumber>();
    for (let n = 0; n < groupCountOf(frame, 0); n++) {
      const name = groupOf(frame, 0, n);
      for (const session of this.#groups.get(name)?.values() ?? []) targets.add(session);
      for (const session of this.attached.values()) if (session.privateGroup === name) targets.add(session.number);
    }
    if (type & TypeBit.selfDiscard) {
      for (const session of this.attached.values()) {
        if (session.privateGroup === senderOf(frame, 0)) targets.delete(session.number);
      }
    }
    // As if the last half of its data lay in another packet.
    const end = frame.length - (dataBytesOf(frame, 0) >> 1);
    if (end === frame.length) this.sessions.deliver([...targets], frame, undefined);
    else this.sessions.deliver([...targets], frame.subarray(0, end), frame.subarray(end));
  }

  #join(group: string, who: AttachedSession): void {
    const members = this.#groups.get(group) ?? new Map<string, SessionNumber>();
    if (members.has(who.privateGroup)) return;
    this.#groups.set(group, members.set(who.privateGroup, who.number));
    this.#view("join", group, who);
  }

  #leave(group: string, who: AttachedSession): void {
    const members = this.#groups.get(group);
    if (!members?.has(who.privateGroup)) return;
    this.sessions.notify(who.number, { kind: "selfLeave", group, primary: true, frame: encodeSelfLeave(group) });
    members.delete(who.privateGroup);
    this.#view("leave", group, who);
  }

  #kill(who: AttachedSession): void {
    for (const group of [...this.#groups.keys()].toSorted()) {
      if (this.#groups.get(group)?.delete(who.privateGroup)) this.#view("disconnect", group, who);
    }
    this.sessions.ended(who.number);
  }

  #view(cause: "join" | "leave" | "disconnect", group: string, who: AttachedSession): void {
    const members = this.#groups.get(group) as Map<string, SessionNumber>;
    const id = { leader: 0x1cc5_9726, time: 1, index: ++this.#index };
    const frame = encodeLightView(cause, group, [...members.keys()].toSorted(), id, who.privateGroup);
    for (const session of members.values()) this.sessions.notify(session, { kind: cause, group, primary: true, frame });
  }
}

/** A connection of `OneDaemon`. */
export class Connection implements TestClient {
  readonly #daemon: OneDaemon;
  readonly number: ConnectionNumber;
  /** One element per write. */
  readonly writes: (readonly Uint8Array[])[] = [];
  readonly arrived: Uint8Array[] = [];
  #taken = 0;
  closed = false;
  reading = true;
  /** Whether a write says that more is taken. */
  taking = true;

  constructor(daemon: OneDaemon, number: ConnectionNumber) {
    this.#daemon = daemon;
    this.number = number;
  }

  send(bytes: Uint8Array): void {
    if (!this.closed) this.#daemon.sessions.received(this.number, bytes.slice(), this.#daemon.now);
    this.#daemon.run();
  }

  received(): Uint8Array {
    return join(this.arrived);
  }

  take(): Uint8Array {
    const all = this.received();
    const since = all.subarray(this.#taken);
    this.#taken = all.length;
    return since;
  }

  close(): void {
    this.closed = true;
    this.#daemon.sessions.closed(this.number, this.#daemon.now);
    this.#daemon.run();
  }

  /** Takes more again. */
  drain(): void {
    this.taking = true;
    this.#daemon.sessions.writable(this.number, this.#daemon.now);
    this.#daemon.run();
  }
}

export function join(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
