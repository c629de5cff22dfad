import { assert } from "../base/assert.ts";
import { cover } from "../base/coverage.ts";
import { EarlyPackets } from "../base/early-packets.ts";
import type { NodeId } from "../base/ids.ts";
import { RangeSet } from "../base/range-set.ts";
import { type Machine, NEVER } from "../machine/machine.ts";
import {
  AGE_UNKNOWN,
  type AckBody,
  decodePlato,
  encodePlato,
  FETCH_ENTRY_BYTES,
  FETCH_HEAD_BYTES,
  type FetchBody,
  FORWARD_HEAD_BYTES,
  type MessageId,
  ORDER_ENTRY_BYTES,
  ORDER_HEAD_BYTES,
  type OrderBody,
  type PlatoBody,
  type StateBody,
} from "../wire/plato/bodies.ts";
import { type Closing, closing, memberState } from "./closing.ts";
import type { PlatoConfig } from "./config.ts";
import { Deliveries, type DeliveryOutbox, type DeliveryStatistics } from "./deliveries.ts";
import { messageKey, OrderLog } from "./log.ts";
import type { Message } from "./message.ts";
import { Opening } from "./opening.ts";
import { OrderStash } from "./order-stash.ts";
import { GapPredictor } from "./predictor.ts";
import { Sequencer } from "./sequencer.ts";
import { Unordered } from "./unordered.ts";

/** What a totally ordered group asks of its host. */
export type PlatoOutbox = DeliveryOutbox & {
  /** A timely packet to the other members (ricochet/); returns its number. */
  multicast(body: Uint8Array): number;
  /** A datagram to one member, that may be lost. */
  unicast(to: NodeId, body: Uint8Array): void;
};

export type PlatoStatistics = DeliveryStatistics & {
  sent: number;
  ordersSent: number;
  fetched: number;
  malformed: number;
  /** What came for a view that was not known yet, and had no room to wait. */
  overflowed: number;
};

type View = {
  readonly number: number;
  /** By id. */
  readonly members: readonly NodeId[];
  readonly sequencer: NodeId;
};

type Early = {
  readonly from: NodeId;
  readonly seq: number | undefined;
  readonly bytes: Uint8Array;
  readonly waitedMs: number | undefined;
};

/** A retry is made so many times as late at most as the first. */
const RETRY_DOUBLINGS_MAX = 4;

/**
 * One member of a totally ordered timely group (PLATO, SRDS 2006; protocols.md C). Messages come by Ricochet, in no order; the sequencer, the first
 * member of the view, tells the order every few milliseconds. A message that came well apart from others is delivered at once, since it will
 * hardly be ordered otherwise; if it is, it is taken back.
 *
 * Views are numbered, ascending, the same at all members; each member hears of them in its own time. As one begins, all its members say what they have, and
 * from that all conclude alike how the views before it end (closing.ts).
 */
export class PlatoGroup implements Machine {
  readonly statistics: PlatoStatistics = {
    sent: 0,
    delivered: 0,
    optimistic: 0,
    rolledBack: 0,
    committed: 0,
    ordersSent: 0,
    fetched: 0,
    malformed: 0,
    overflowed: 0,
  };
  readonly #config: PlatoConfig;
  readonly #outbox: PlatoOutbox;
  readonly #predictor: GapPredictor;
  #now: number;

  #view: View | undefined;
  /** The first one: messages that were sent before it are not for this member. */
  #firstView = 0;
  /** The last view in which this member took part in the order; 0: none. */
  #opened = 0;
  /** Of the present view: what its members have brought. */
  #opening: Opening | undefined;
  readonly #early: EarlyPackets<Early>;

  #log = new OrderLog(0);
  /** This member has all messages, and their order, up to here; all members have. */
  #held = 0;
  #stable = 0;
  /** Who has messages that failed members sent. */
  #holders: ReadonlyMap<string, NodeId> = new Map();
  readonly #stash = new OrderStash();

  /** With their payloads; by key. */
  readonly #messages = new Map<string, Message>();
  readonly #unordered = new Unordered();
  readonly #deliveries: Deliveries;
  /** Numbers in the streams of the present view's members that need not come again. */
  readonly #done = new Map<NodeId, RangeSet>();
  /** Own messages on their way to this member itself. */
  #loop: Message[] = [];
  #own = 0;

  /** In the view that is open, if this member makes its order. */
  #sequencer: Sequencer | undefined;
  #optimisticAt = NEVER;
  #ackAt = NEVER;
  #retryAt = NEVER;
  #retries = 0;
  #heldAtRetry = 0;

  constructor(config: PlatoConfig, outbox: PlatoOutbox, now: number) {
    this.#config = config;
    this.#outbox = outbox;
    this.#predictor = new GapPredictor(config.threshold);
    this.#early = new EarlyPackets(config.earlyBytes);
    this.#deliveries = new Deliveries(this.statistics, outbox);
    this.#now = now;
  }

  /** Longest payload of a message. */
  static payloadBytesMax(bodyBytesMax: number): number {
    return bodyBytesMax - FORWARD_HEAD_BYTES;
  }

  /** Messages that come closer to each other than this are not delivered before their order is known. */
  get thresholdMs(): number {
    // Its own order is the order.
    return this.#sequencer === undefined ? this.#predictor.thresholdMs : 0;
  }

  /** Messages that are kept since not all members are known to have them. */
  get unstable(): number {
    return this.#messages.size;
  }

  /** The member that makes the order; undefined before the first view. */
  get sequencer(): NodeId | undefined {
    return this.#view?.sequencer;
  }

  /** Whether `send` takes a message: once it has part in the order, and unless too many of this node's are under way. */
  get canSend(): boolean {
    return this.#opened > 0 && this.#own < this.#config.windowMessages;
  }

  /** A new view of the group, this node in it; `number` is greater than that of all before. */
  setView(number: number, members: readonly NodeId[], now: number): void {
    this.#now = now;
    const { me, bodyBytesMax } = this.#config;
    assert(members.includes(me), "a member hears of views that it is in");
    assert(number > (this.#view?.number ?? 0), "views ascend");
    if (this.#view !== undefined && this.#opened < this.#view.number) cover("plato view superseded");
    const sorted = members.toSorted((a, b) => a - b);
    if (this.#view === undefined) this.#firstView = number;
    this.#view = { number, members: sorted, sequencer: sorted[0] as NodeId };
    this.#done.clear();
    this.#stash.clear();
    this.#sequencer = undefined;
    this.#unordered.clear();
    this.#loop = [];
    this.#optimisticAt = this.#ackAt = NEVER;
    const state = memberState(this.#opened, this.#log, this.#messages.values());
    this.#opening = new Opening(number, sorted, me, state, bodyBytesMax);
    for (const part of this.#opening.parts) this.#multicast(part);
    this.#retrySoon();
    this.#replayEarly();
    this.#openIfComplete();
  }

  /** Sends a message to all members, this one included; it is copied. Only if `canSend`. Returns its name. */
  send(payload: Uint8Array, now: number): MessageId {
    this.#now = now;
    const { me, bodyBytesMax, loopbackMs } = this.#config;
    assert(
      this.canSend && this.#view !== undefined,
      "a member sends once it has part, and what the window has room for",
    );
    assert(payload.length <= PlatoGroup.payloadBytesMax(bodyBytesMax), "a message fits into a body");
    const view = this.#view.number;
    const seq = this.#multicast({ kind: "message", view, payload });
    const id = { sender: me, seq };
    const key = messageKey(id);
    const at = now + loopbackMs;
    const message = { ...id, key, view, payload: payload.slice(), at, isExact: true, isSuspect: false, isShown: false };
    this.#messages.set(key, message);
    this.#own++;
    this.statistics.sent++;
    this.#loop.push(message);
    this.#retrySoon();
    return id;
  }

  /**
   * The payload of a timely packet of another member. `waitedMs`: since when it should have come, if repairs brought it; `undefined` if it came as it was
   * sent.
   */
  receive(from: NodeId, seq: number, bytes: Uint8Array, waitedMs: number | undefined, now: number): void {
    this.#now = now;
    this.#receive({ from, seq, bytes, waitedMs });
  }

  /** A datagram of another member to this one. */
  receiveFrom(from: NodeId, bytes: Uint8Array, now: number): void {
    this.#now = now;
    this.#receive({ from, seq: undefined, bytes, waitedMs: undefined });
  }

  get deadline(): number {
    const loopAt = this.#loop[0]?.at ?? NEVER;
    const orderAt = this.#sequencer?.deadline ?? NEVER;
    return Math.min(loopAt, this.#optimisticAt, orderAt, this.#ackAt, this.#retryAt);
  }

  tick(now: number): void {
    this.#now = now;
    while ((this.#loop[0]?.at ?? NEVER) <= now) this.#arrive(this.#loop.shift() as Message, false);
    if (now >= this.#optimisticAt) this.#deliverLikely();
    this.#sequencer?.tick(now);
    if (now >= this.#ackAt) this.#ack();
    if (now >= this.#retryAt) this.#retry();
  }

  // ---- receiving --------------------------------------------------------------------------------------------------

  #receive(packet: Early): void {
    const body = decodePlato(packet.bytes);
    if (body === undefined) {
      this.statistics.malformed++;
      cover("plato drop malformed");
      return;
    }
    const view = this.#view;
    const isEarly = view === undefined || body.view > view.number;
    if (isEarly || this.#waitsForOpening(body, view)) this.statistics.overflowed += this.#early.keep(packet);
    else this.#take(packet, body, view);
  }

  /** The order of a view begins when it is opened; and of messages of the views before only those count that this member has said that it has. */
  #waitsForOpening(body: PlatoBody, view: View): boolean {
    if (this.#opened === view.number) return false;
    if (body.kind === "order") return body.view === view.number;
    return (body.kind === "message" || body.kind === "forward") && body.view < view.number;
  }

  #take({ from, seq, waitedMs }: Early, body: PlatoBody, view: View): void {
    if (body.kind === "message") {
      if (seq !== undefined) this.#onMessage({ sender: from, seq }, body.view, body.payload, waitedMs);
      return;
    }
    if (body.kind === "forward") {
      this.#onMessage(body, body.view, body.payload, Number.POSITIVE_INFINITY);
      return;
    }
    if (body.view !== view.number || !view.members.includes(from)) return;
    if (seq !== undefined) this.#doneOf(from).add(seq);
    switch (body.kind) {
      case "order":
        if (from === view.sequencer) this.#onOrder(body);
        return;
      case "state":
        this.#onState(from, body);
        return;
      case "ack":
        this.#sequencer?.onAck(from, body, this.#now);
        return;
      case "fetch":
        this.#onFetch(from, body);
    }
  }

  #replayEarly(): void {
    for (const packet of this.#early.take()) this.#receive(packet);
  }

  #onMessage(id: MessageId, view: number, payload: Uint8Array, waitedMs: number | undefined): void {
    const key = messageKey(id);
    if (this.#messages.has(key)) return;
    const present = (this.#view as View).number;
    const isPlaced = this.#log.positionOf(key) !== undefined;
    // It needs what it has sent itself if it has been a member before.
    if (id.sender === this.#config.me && !isPlaced) return;
    // What was sent in an earlier view has its place by now, or none.
    if (view < present && !isPlaced) return;
    if (view >= present && this.#doneOf(id.sender).has(id.seq) && !isPlaced) return;
    const at = this.#now - (waitedMs === undefined || waitedMs === Number.POSITIVE_INFINITY ? 0 : waitedMs);
    const isLate = waitedMs !== undefined && waitedMs > this.#predictor.thresholdMs;
    const isExact = waitedMs === undefined;
    const message = { ...id, key, view, payload, at, isExact, isSuspect: isLate, isShown: false };

    this.#messages.set(key, message);
    if (view < present || isPlaced) this.#settle();
    else this.#arrive(message, isLate);
  }

  /** A message without a place in the order: decides whether its place is doubtful. */
  #arrive(message: Message, isLate: boolean): void {
    if (this.#log.positionOf(message.key) !== undefined) {
      this.#settle();
      return;
    }
    this.#doneOf(message.sender).add(message.seq);
    this.#unordered.add(message, isLate, this.thresholdMs);
    this.#sequencer?.orderSoon(this.#now);
    this.#deliverLikely();
  }

  // ---- order ------------------------------------------------------------------------------------------------------

  #onOrder(order: OrderBody): void {
    this.#ackAt = Math.min(this.#ackAt, this.#now + this.#config.ackMs);
    if (order.first > this.#log.end + 1) {
      cover("plato order stashed");
      this.#stash.keep(order);
      this.#retrySoon();
      return;
    }
    this.#append(order);
    this.#stash.release(
      () => this.#log.end,
      (later) => this.#append(later),
    );
    this.#stable = Math.max(this.#stable, Math.min(order.stable, this.#held));
    this.#settle();
  }

  #append({ first, base, entries }: OrderBody): void {
    entries.forEach((entry, i) => {
      if (first + i <= this.#log.end) return;
      const { key } = this.#log.append(entry);
      this.#doneOf(entry.sender).add(entry.seq);
      const message = this.#messages.get(key);
      const isTelling = message?.isExact === true && entry.age !== AGE_UNKNOWN;
      this.#predictor.learn(isTelling ? { mine: message.at, theirs: (base - entry.age) / 1_000 } : undefined);
    });
  }

  /** Delivers, takes back and commits as the order says. */
  #settle(): void {
    if (this.#opened !== this.#view?.number) return;
    const before = this.#held;
    while (this.#held < this.#log.end && this.#isHere(this.#held + 1)) this.#held++;
    if (this.#held > before && this.#retries > 0) this.#retryAgainSoon();
    this.#unordered.removeOrdered(({ key }) => this.#log.positionOf(key) !== undefined);
    this.#showOrdered();
    this.#commit();
    this.#deliverLikely();
    if (this.#held < this.#log.end || !this.#stash.isEmpty) this.#retrySoon();
    this.#sequencer?.noteProgress(this.#now);
  }

  #isHere(position: number): boolean {
    const entry = this.#log.at(position);
    return entry !== undefined && (entry.isVoid || this.#messages.has(entry.key));
  }

  #showOrdered(): void {
    const { optimistic, commit } = this.#config;
    const until = !optimistic && commit === "stable" ? Math.min(this.#stable, this.#held) : this.#held;
    const deliveries = this.#deliveries;
    let same = 0;
    for (let position = deliveries.committed + 1; position <= this.#log.end; position++) {
      const entry = this.#log.at(position);
      if (entry === undefined || entry.isVoid) continue;
      const message = this.#messages.get(entry.key);
      // What was sent before it joined it has, as all have to, and passes over.
      if (message !== undefined && message.view < this.#firstView) continue;
      const shown = deliveries.shown[same];
      const isOther = shown !== undefined && (shown.position !== position || shown.message.key !== entry.key);
      if (isOther) deliveries.rollBack(same);
      if (same === deliveries.shown.length) {
        if (position > until) return;
        deliveries.show(message as Message, position, true);
      }
      same++;
    }
    // Behind the order only places that follow on it are likely.
    const next = deliveries.shown[same];
    if (next !== undefined && next.position !== this.#log.end + 1) deliveries.rollBack(same);
  }

  #commit(): void {
    this.#deliveries.commit(Math.min(this.#config.commit === "ordered" ? this.#held : this.#stable, this.#held));
    for (const { key, sender } of this.#log.trim(Math.min(this.#stable, this.#deliveries.committed))) {
      const message = this.#messages.get(key);
      if (message === undefined) continue;
      this.#messages.delete(key);
      if (sender === this.#config.me && message.view >= this.#firstView) this.#own--;
    }
  }

  /** Delivers what came well apart from others, in the order in which it came. */
  #deliverLikely(): void {
    this.#optimisticAt = NEVER;
    if (!this.#config.optimistic || this.#opened !== this.#view?.number || this.#held < this.#log.end) return;
    this.#optimisticAt = this.#unordered.giveLikely(this.#log.end, this.thresholdMs, this.#now, (message, position) =>
      this.#deliveries.show(message, position, false),
    );
  }

  #ack(): void {
    this.#ackAt = NEVER;
    const view = this.#view as View;
    if (view.sequencer === this.#config.me || this.#opened !== view.number) return;
    const ack: AckBody = { kind: "ack", view: view.number, held: this.#held, stable: this.#stable };
    this.#outbox.unicast(view.sequencer, encodePlato(ack));
  }

  // ---- a new view -------------------------------------------------------------------------------------------------

  #onState(from: NodeId, part: StateBody): void {
    if (this.#opening?.add(from, part) === true) this.#openIfComplete();
  }

  #openIfComplete(): void {
    const view = this.#view as View;
    const states = this.#opening?.states;
    if (this.#opened < view.number && states !== undefined) this.#open(view, closing(states));
  }

  #open(view: View, { log, holders }: Closing): void {
    cover("plato view opened");
    if (log.entries.some(({ isVoid }) => isVoid)) cover("plato place left out");
    const isNew = this.#opened === 0;
    if (!isNew) {
      assert(this.#held >= log.base, "what is forgotten elsewhere is here");
      this.#stable = Math.max(this.#stable, log.base);
      this.#showOrdered();
      this.#commit();
    }
    this.#log = log;
    this.#holders = holders;
    this.#opened = view.number;
    if (isNew) {
      this.#deliveries.startBehind(log.base);
      this.#stable = log.base;
    }
    this.#held = Math.max(log.base, this.#deliveries.committed);
    if (view.sequencer === this.#config.me) this.#sequencer = this.#newSequencer(view);
    // It had said that it has them; what came since of earlier views waited.
    const isPlaced = ({ view: sentIn, key }: Message): boolean =>
      sentIn >= view.number || log.positionOf(key) !== undefined;
    assert([...this.#messages.values()].every(isPlaced), "what a member brings into a view has a place there");
    this.#predictor.reset();
    this.#settle();
    this.#retrySoon();
    this.#sequencer?.tellOrder([], this.#now);
    this.#sequencer?.orderSoon(this.#now);
    this.#replayEarly();
  }

  #newSequencer({ number, members }: View): Sequencer {
    return new Sequencer(this.#config, number, members, {
      state: () => ({
        end: this.#log.end,
        held: this.#held,
        stable: this.#stable,
        unordered: this.#unordered.messages,
      }),
      tell: (order) => {
        this.#multicast(order);
        this.statistics.ordersSent++;
        this.#append(order);
      },
      settle: () => this.#settle(),
      stabilize: (stable) => {
        this.#stable = stable;
        this.#showOrdered();
        this.#commit();
      },
    });
  }

  // ---- what does not come -----------------------------------------------------------------------------------------

  #retrySoon(): void {
    if (this.#retryAt < NEVER) return;
    this.#retries = 0;
    this.#heldAtRetry = this.#held;
    this.#retryAt = this.#now + this.#config.retryMs;
  }

  /** Something that was asked for has come: what is still missing is asked for as if for the first time. */
  #retryAgainSoon(): void {
    this.#retries = 0;
    this.#heldAtRetry = this.#held;
    this.#retryAt = Math.min(this.#retryAt, this.#now + this.#config.retryMs);
  }

  #retry(): void {
    this.#retryAt = NEVER;
    const view = this.#view as View;
    const isOpen = this.#opened === view.number;
    const isBehind = this.#held < this.#log.end || !this.#stash.isEmpty;
    // What goes on by itself is not asked for.
    const isStuck = !isOpen || (isBehind && this.#held === this.#heldAtRetry);
    if (!isOpen) this.#fetchStates(view);
    else if (isStuck) this.#fetchOrdered(view);
    const [areOwnWaiting, areOwnLate] = this.#forwardOwn(view);
    if (isOpen && !isBehind && !areOwnWaiting) return;
    this.#retries = isStuck || areOwnLate ? this.#retries + 1 : 0;
    this.#heldAtRetry = this.#held;
    this.#retryAt = this.#now + this.#config.retryMs * 2 ** Math.min(this.#retries, RETRY_DOUBLINGS_MAX);
  }

  #fetchStates({ number }: View): void {
    for (const member of this.#opening?.missing ?? []) {
      cover("plato state fetched");
      this.#fetch(member, { view: number, wantsState: true, from: 0, messages: [] });
    }
  }

  #fetchOrdered({ number, members, sequencer }: View): void {
    const { me, bodyBytesMax } = this.#config;
    const most = Math.floor((bodyBytesMax - FETCH_HEAD_BYTES) / FETCH_ENTRY_BYTES);
    const others = members.filter((member) => member !== me);
    const wanted = new Map<NodeId, MessageId[]>();
    for (let position = this.#held + 1; position <= this.#log.end; position++) {
      if (this.#isHere(position)) continue;
      const { sender, seq, key } = this.#log.at(position) as MessageId & { readonly key: string };
      const likely = [this.#holders.get(key), sender, sequencer].filter(
        (member): member is NodeId => member !== undefined && member !== me && members.includes(member),
      );
      const from = likely[this.#retries] ?? (others[(this.#retries + position) % others.length] as NodeId);
      const list = wanted.get(from);
      if (list === undefined) wanted.set(from, [{ sender, seq }]);
      else if (list.length < most) list.push({ sender, seq });
    }
    for (const [from, messages] of wanted) {
      cover("plato message fetched");
      this.#fetch(from, { view: number, wantsState: false, from: 0, messages });
    }
    if (!this.#stash.isEmpty) {
      this.#fetch(sequencer, { view: number, wantsState: false, from: this.#log.end + 1, messages: [] });
    }
  }

  #fetch(from: NodeId, wants: Omit<FetchBody, "kind">): void {
    this.statistics.fetched++;
    this.#outbox.unicast(from, encodePlato({ kind: "fetch", ...wants }));
  }

  /** What this member has sent and the sequencer has not ordered for long has perhaps not reached it. Whether there is such a message, and an old one. */
  #forwardOwn({ number, sequencer }: View): readonly [boolean, boolean] {
    const { me, retryMs } = this.#config;
    if (this.#own === 0 || sequencer === me) return [false, false];
    let isAny = false;
    let isOld = false;
    for (const message of this.#messages.values()) {
      if (message.sender !== me || message.view !== number || this.#log.positionOf(message.key) !== undefined) continue;
      isAny = true;
      if (message.at > this.#now - retryMs) continue;
      isOld = true;
      cover("plato own forwarded");
      this.#forward(sequencer, message);
    }
    return [isAny, isOld];
  }

  #forward(to: NodeId, { sender, seq, view, payload }: Message): void {
    this.#outbox.unicast(to, encodePlato({ kind: "forward", view, sender, seq, payload }));
  }

  #onFetch(from: NodeId, { wantsState, from: first, messages }: FetchBody): void {
    if (wantsState) for (const part of this.#opening?.parts ?? []) this.#outbox.unicast(from, encodePlato(part));
    for (const id of messages) {
      const message = this.#messages.get(messageKey(id));
      if (message !== undefined) this.#forward(from, message);
    }
    if (first > 0 && this.#sequencer !== undefined) {
      cover("plato order repeated");
      this.#repeatOrder(from, first);
    }
  }

  #repeatOrder(to: NodeId, from: number): void {
    const { bodyBytesMax } = this.#config;
    const each = Math.floor((bodyBytesMax - ORDER_HEAD_BYTES) / ORDER_ENTRY_BYTES);
    for (let first = Math.max(from, this.#log.base + 1); first <= this.#log.end; first += each) {
      const some = this.#log.entries.slice(first - this.#log.base - 1, first - this.#log.base - 1 + each);
      const entries = some.map(({ sender, seq }) => ({ sender, seq, age: AGE_UNKNOWN }));
      const view = (this.#view as View).number;
      this.#outbox.unicast(to, encodePlato({ kind: "order", view, first, stable: this.#stable, base: 0, entries }));
    }
  }

  // ---- sending ----------------------------------------------------------------------------------------------------

  #multicast(body: PlatoBody): number {
    const seq = this.#outbox.multicast(encodePlato(body));
    if (body.kind !== "message") this.#doneOf(this.#config.me).add(seq);
    return seq;
  }

  #doneOf(sender: NodeId): RangeSet {
    let done = this.#done.get(sender);
    if (done === undefined) this.#done.set(sender, (done = new RangeSet()));
    return done;
  }
}
