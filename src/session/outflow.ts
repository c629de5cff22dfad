import { joined } from "../base/joined.ts";
import { Slab } from "../base/slab.ts";
import type { Notice } from "../groups/outbox.ts";
import { NEVER } from "../machine/machine.ts";
import { Kind, NUMBER_ENVELOPE_BYTES, writeNumberEnvelope } from "../wire/native/envelope.ts";
import { encodeNative } from "../wire/native/messages.ts";
import { groupCountOf, groupOf, isSentBy } from "../wire/spread/frame.ts";
import { isPrivate } from "../wire/spread/names.ts";
import type { Connection } from "./connection.ts";
import type { SessionOptions } from "./options.ts";
import type { SessionsKnowledge, SessionsOutbox, SlowPolicy } from "./outbox.ts";
import type { RetentionBudget } from "./retention-budget.ts";
import type { Refusal } from "./refusals.ts";
import type { NativeState, Session } from "./session.ts";

/** A session that takes more is written to within the turn when this much waits, so that a turn stays small. */
const FLUSH_MESSAGES = 512;
const FLUSH_BYTES = 64 * 1024;

/**
 * What goes from the daemon to its clients. Deliveries of a turn are collected per session and written at once; what a
 * connection does not take, or a native client has not acknowledged a window of, waits here, within bounds, and a client that stays behind meets the policy of the group:
 * its senders wait (`wait`), it misses messages and is told so (`drop`, native clients only), or its senders wait for a limited
 * time and it is ended (`expel`).
 */
export class Outflow {
  readonly #outbox: SessionsOutbox;
  readonly #knowledge: SessionsKnowledge;
  readonly #options: SessionOptions;
  readonly #expel: (session: Session, why: string) => void;
  readonly #budget: RetentionBudget;
  readonly #slab = new Slab();
  #dirty: Session[] = [];
  /** How many sessions hold a group. */
  readonly #holds = new Map<string, number>();
  /** Sessions that are behind by the policy `expel`, and when they are ended for it: earliest first. */
  readonly #behind = new Map<Session, number>();
  readonly #fallenBehind = new Set<Session>();
  /** The frame that was copied last, and its copy. */
  #copied: Uint8Array | undefined;
  #copy: Uint8Array = NOTHING;

  constructor(
    outbox: SessionsOutbox,
    knowledge: SessionsKnowledge,
    options: SessionOptions,
    budget: RetentionBudget,
    expel: (session: Session, why: string) => void,
  ) {
    this.#outbox = outbox;
    this.#knowledge = knowledge;
    this.#options = options;
    this.#budget = budget;
    this.#expel = expel;
  }

  /** When a session that is behind is to be ended. */
  get deadline(): number {
    for (const endsAt of this.#behind.values()) return endsAt;
    return NEVER;
  }

  /** Ends whom its groups have waited for long enough. */
  tick(now: number): void {
    for (const [session, endsAt] of this.#behind) {
      if (endsAt > now) return;
      this.#expel(session, `it has read too little for ${this.#options.slowPatienceMs} ms of what waits for it`);
    }
  }

  /** A data message for an open session; `tail` is the last part of its data, if that is apart. */
  deliver(session: Session, frame: Uint8Array, tail: Uint8Array | undefined): void {
    if (session.connection?.gone) return;
    const admission = this.#admission(session, frame, undefined);
    const { native } = session;
    if (admission === "expel") return this.#expel(session, "it does not read what is delivered to it");
    if (admission === "drop" && native !== undefined) return this.#drop(session, native, frame);
    // What a connection takes at the end of the turn keeps nothing alive.
    const waits = !this.#takesMore(session);
    if (waits && session.pins.add(frame, tail, native?.retention.unsentBytes ?? session.queuedBytes)) {
      this.#deliver(session, native, this.#copyOf(frame, tail), undefined, admission);
    } else this.#deliver(session, native, frame, tail, admission);
  }

  #deliver(
    session: Session,
    native: NativeState | undefined,
    frame: Uint8Array,
    tail: Uint8Array | undefined,
    admission: Admission,
  ): void {
    if (native === undefined) this.#enqueue(session, frame, tail, admission);
    else {
      const own = isSentBy(frame, 0, session.field) ? native.ownNumber : 0;
      if (native.gaps.size > 0) for (const group of this.#groupsOf(session, frame)) this.#tellGap(native, group);
      this.#enqueueNative(session, native, frame, tail, { admission, own, primary: false });
    }
  }

  /** A copy of a frame with nothing beside it, which all share for whom it waits. */
  #copyOf(frame: Uint8Array, tail: Uint8Array | undefined): Uint8Array {
    if (this.#copied !== frame) {
      this.#copied = frame;
      this.#copy = tail === undefined ? frame.slice() : joined(frame, tail);
    }
    return this.#copy;
  }

  /** A membership message for an open session that wants them. Never dropped. */
  notify(session: Session, notice: Notice): void {
    if (session.connection?.gone) return;
    const admission = this.#admission(session, notice.frame, notice.group);
    const { native } = session;
    if (admission === "expel") this.#expel(session, "it does not read membership messages");
    else if (native === undefined) this.#enqueue(session, notice.frame, undefined, admission);
    else {
      this.#tellGap(native, notice.group);
      this.#enqueueNative(session, native, notice.frame, undefined, { admission, own: 0, primary: notice.primary });
    }
  }

  /** A message of the daemon itself to an open native session. Never dropped: no group's policy concerns it. */
  tell(session: Session, native: NativeState, frame: Uint8Array): void {
    if (session.connection?.gone || this.#expelIfFull(session)) return;
    this.#enqueueNative(session, native, frame, undefined, { admission: "queue", own: 0, primary: false });
  }

  /** Tells an open native session of its daemon's new configuration, in order with the deliveries. */
  configured(session: Session, native: NativeState, primary: boolean, daemons: number): void {
    if (session.connection?.gone || this.#expelIfFull(session)) return;
    const deliveryNumber = ++native.lastDelivery;
    const bytes = encodeNative({ kind: "configuration", deliveryNumber, primary, daemons });
    native.retention.notice(deliveryNumber, bytes);
    this.#kept(session, native, bytes.length, "queue");
  }

  /** An envelope besides the deliveries, for an attached native session: it goes before what waits. */
  control(session: Session, bytes: Uint8Array): void {
    if (session.connection === undefined) return;
    session.chunks.push(bytes);
    session.controlBytes += bytes.length;
    this.touch(session);
  }

  /** The client has consumed everything up to this delivery: more may be written. */
  acknowledge(session: Session, native: NativeState, number: number): void {
    const { retention } = native;
    retention.acknowledge(number);
    native.refusals.acknowledge(number);
    this.#budget.update(session, native);
    if (retention.unsentCount > 0 || native.gaps.size > 0 || session.holding.size > 0) this.touch(session);
  }

  /** Tells a native session that its join or message was refused: now, and again until it is known to have had it. */
  refuse(session: Session, native: NativeState, refusal: Refusal): void {
    native.refusals.add(refusal);
    this.tellRefusal(session, native, refusal);
  }

  tellRefusal(session: Session, native: NativeState, refusal: Refusal): void {
    if (session.connection === undefined) return;
    refusal.toldBefore = native.lastDelivery + 1;
    const { number, group, text } = refusal;
    this.control(session, encodeNative({ kind: "groupRefused", number, group, text }));
  }

  /** Tells an attached native session that its message has been delivered. */
  delivered(session: Session, number: number): void {
    if (session.connection === undefined) return;
    const bytes = this.#slab.take(NUMBER_ENVELOPE_BYTES);
    writeNumberEnvelope(bytes, 0, Kind.delivered, number);
    this.control(session, bytes);
  }

  /** Sees to it that the session is looked at when the turn ends. */
  touch(session: Session): void {
    if (session.dirty) return;
    session.dirty = true;
    this.#dirty.push(session);
  }

  /** Writes what the turn has brought: once per connection. */
  endTurn(now: number): void {
    this.#flushDirty();
    for (const session of this.#fallenBehind) {
      // Whose turn has ended with nothing that waits is not behind any more.
      if (session.holding.size > 0) this.#behind.set(session, now + this.#options.slowPatienceMs);
    }
    this.#fallenBehind.clear();
  }

  #flushDirty(): void {
    const dirty = this.#dirty;
    if (dirty.length === 0) return;
    this.#dirty = [];
    for (const session of dirty) {
      session.dirty = false;
      this.flush(session);
    }
  }

  /** Writes what waits, if the connection takes more: of deliveries no more than the window. */
  flush(session: Session): void {
    const { connection, native } = session;
    if (connection === undefined || !connection.writable || connection.gone) return;
    if (session.state !== "open") return this.answer(session, connection);
    const { chunks, queuedMessages } = session;
    if (native === undefined) session.discard();
    else {
      const waited = native.retention.unsentBytes;
      session.written();
      this.#takeDeliveries(native, chunks);
      session.pins.left(waited === 0 ? 0 : native.retention.unsentBytes / waited);
      // Messages that wait by their group's policy still do not count.
      session.queuedMessages = Math.min(queuedMessages, native.retention.unsentCount);
      session.queuedBytes = native.retention.unsentBytes;
    }
    if (chunks.length > 0) connection.writable = this.#outbox.write(connection.number, chunks);
    if (native !== undefined) this.#budget.update(session, native);
    if (this.#keepsUp(session)) this.release(session);
  }

  /** Writes what a client that has said good-bye is still told, however little its connection takes: there is no more than it sent. */
  answer(session: Session, connection: Connection): void {
    const { chunks } = session;
    session.discard();
    if (chunks.length > 0 && !connection.gone) connection.writable = this.#outbox.write(connection.number, chunks);
  }

  #takeDeliveries(native: NativeState, chunks: Uint8Array[]): void {
    const { retention } = native;
    const { deliveryWindowBytes } = this.#options;
    if (native.lastAccepted > native.acceptedSent) {
      native.acceptedSent = native.lastAccepted;
      chunks.push(encodeNative({ kind: "accepted", number: native.lastAccepted }));
    }
    retention.takeUnsent(chunks, deliveryWindowBytes);
    // Not while others wait before it: whoever reads nothing would be told of each turn's gap.
    if (native.gaps.size > 0 && retention.unsentCount === 0 && retention.inFlightBytes < deliveryWindowBytes) {
      for (const group of native.gaps.keys()) this.#tellGap(native, group);
      retention.takeUnsent(chunks, deliveryWindowBytes);
    }
  }

  /** Whether what is delivered now is written when the turn ends. */
  #takesMore(session: Session): boolean {
    return session.connection?.writable === true && this.#hasWindow(session);
  }

  #hasWindow({ native }: Session): boolean {
    return native === undefined || native.retention.inFlightBytes < this.#options.deliveryWindowBytes;
  }

  /** Whether nothing waits here for the session, once what could be written has been. */
  #keepsUp(session: Session): boolean {
    const { connection, native } = session;
    if (native === undefined) return session.chunks.length === 0;
    return connection?.writable === true && native.retention.unsentCount === 0 && this.#hasWindow(session);
  }

  /** Holds no group for this session's sake any more. */
  release(session: Session): void {
    if (session.holding.size === 0) return;
    this.#behind.delete(session);
    for (const group of session.holding) {
      const holders = (this.#holds.get(group) ?? 1) - 1;
      if (holders > 0) this.#holds.set(group, holders);
      else {
        this.#holds.delete(group);
        this.#outbox.releaseGroup(group);
      }
    }
    session.holding.clear();
  }

  /** Ends a session for which too much waits already. */
  #expelIfFull(session: Session): boolean {
    if (session.connection === undefined || session.queuedMessages < this.#options.nativeQueueMessagesMax) return false;
    this.#expel(session, "it does not read what its daemon tells it");
    return true;
  }

  #enqueue(session: Session, frame: Uint8Array, tail: Uint8Array | undefined, admission: Admission): void {
    session.chunks.push(frame);
    if (tail !== undefined) session.chunks.push(tail);
    this.#count(session, frame.length + (tail?.length ?? 0), admission);
  }

  #enqueueNative(
    session: Session,
    native: NativeState,
    frame: Uint8Array,
    tail: Uint8Array | undefined,
    about: { admission: Admission; own: number; primary: boolean },
  ): void {
    const number = ++native.lastDelivery;
    const bytes = native.retention.append(number, frame, tail, about.own, about.primary);
    this.#kept(session, native, bytes, about.admission);
  }

  /** One more delivery waits. */
  #kept(session: Session, native: NativeState, bytes: number, admission: Admission): void {
    if (session.connection === undefined) {
      native.retention.trim(this.#options.retentionBytesMax, true);
      this.#budget.update(session, native);
    } else this.#count(session, bytes, admission);
  }

  #count(session: Session, bytes: number, admission: Admission): void {
    if (admission !== "wait") session.queuedMessages++;
    session.queuedBytes += bytes;
    const isMuch = session.queuedMessages >= FLUSH_MESSAGES || session.queuedBytes >= FLUSH_BYTES;
    if (isMuch && this.#hasWindow(session)) this.flush(session);
    else this.touch(session);
  }

  /** It misses a message of each group that it would have had it by. */
  #drop(session: Session, native: NativeState, frame: Uint8Array): void {
    session.dropped++;
    const number = ++native.lastDelivery;
    for (const group of this.#groupsOf(session, frame)) {
      const gap = native.gaps.get(group);
      if (gap === undefined) native.gaps.set(group, { first: number, count: 1 });
      else gap.count++;
    }
  }

  #tellGap(native: NativeState, group: string): void {
    const gap = native.gaps.get(group);
    if (gap === undefined) return;
    native.gaps.delete(group);
    const { first, count } = gap;
    // The notice has a delivery number of its own: it is acknowledged, and repeated after an interruption, like a delivery.
    const last = ++native.lastDelivery;
    native.retention.notice(last, encodeNative({ kind: "gap", group, reason: "slow", count, first, last }));
  }

  /** What becomes of one more message: nobody asks while the connection keeps up. */
  #admission(session: Session, frame: Uint8Array, noticeGroup: string | undefined): Admission {
    const { connection, native } = session;
    const messagesMax = native === undefined ? this.#options.queueMessagesMax : this.#options.nativeQueueMessagesMax;
    if (connection === undefined) return "queue";
    if (messagesMax > 0 && this.#takesMore(session)) return "queue";
    const { queuedMessages, queuedBytes } = session;
    const { queueBytesMax } = this.#options;
    if (queuedMessages < messagesMax / 2 && queuedBytes < queueBytesMax / 2) return "queue";
    const policy = this.#policy(session, frame, noticeGroup);
    if (policy === "drop" && native !== undefined && noticeGroup === undefined) return "drop";
    if (queuedBytes >= queueBytesMax) return "expel";
    if (policy === "wait") return "wait";
    if (policy === "drop" || this.#options.slowPatienceMs === 0)
      return queuedMessages >= messagesMax ? "expel" : "queue";
    if (!this.#behind.has(session)) this.#fallenBehind.add(session);
    return "queue";
  }

  /**
   * The policy for a frame that comes by several groups: `wait` if one of them waits, `drop` only if all of them drop. Groups
   * that wait, be it for a limited time, are held from now on.
   */
  #policy(session: Session, frame: Uint8Array, noticeGroup: string | undefined): SlowPolicy {
    if (noticeGroup !== undefined) return this.#policyOf(session, noticeGroup);
    const policies = [...this.#groupsOf(session, frame)].map((group) => this.#policyOf(session, group));
    if (policies.includes("wait")) return "wait";
    return policies.length === 0 || policies.includes("expel") ? "expel" : "drop";
  }

  /** By which of the groups that a frame is addressed to it comes to this session: those that it is in, and its private one. */
  #groupsOf(session: Session, frame: Uint8Array): Set<string> {
    const groups = new Set<string>();
    for (let n = 0; n < groupCountOf(frame, 0); n++) {
      const group = groupOf(frame, 0, n);
      const isOwn = isPrivate(group) ? group === session.privateGroup : this.#knowledge.isMember(session.number, group);
      if (isOwn) groups.add(group);
    }
    return groups;
  }

  #policyOf(session: Session, group: string): SlowPolicy {
    const policy = isPrivate(group) ? "expel" : this.#knowledge.policyOf(group);
    const holds = policy === "wait" || (policy === "expel" && this.#options.slowPatienceMs > 0);
    if (holds && !session.holding.has(group)) {
      session.holding.add(group);
      const holders = this.#holds.get(group) ?? 0;
      this.#holds.set(group, holders + 1);
      if (holders === 0) this.#outbox.holdGroup(group);
    }
    return policy;
  }
}

type Admission = "queue" | "wait" | "drop" | "expel";

const NOTHING = new Uint8Array(0);
