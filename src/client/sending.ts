import type { Engine } from "./engine.ts";
import type { EngineDriver } from "./engine-driver.ts";
import { DeliveryReceipt } from "./delivery-wait.ts";
import { GroupError } from "./errors.ts";
import { FlushedMessage } from "./flushed-message.ts";
import { type HeldLimits, HeldSends } from "./held-sends.ts";
import type { Memberships } from "./memberships.ts";
import { onAbort } from "./on-abort.ts";
import { Outgoing } from "./outgoing.ts";
import type { ReadGate } from "./read-gate.ts";
import {
  checkDestinations,
  type GroupSendOptions,
  messageType,
  type Payload,
  piecesOf,
  type PostOptions,
  type Receipt,
  type SendOptions,
  typeWord,
} from "./send.ts";
import { Unaccepted } from "./unaccepted.ts";

/** The rest of a connection, as its sends see it. */
export type SendingParts = {
  readonly engine: Engine;
  readonly driver: EngineDriver;
  readonly gate: ReadGate;
  readonly memberships: Memberships;
  readonly limits: HeldLimits;
  /** The longest payload that the daemon of this session takes, in bytes. */
  readonly payloadBytesMax: () => number;
  /** Whether flush requests of the group are answered by themselves, so that a send may wait for the next view. */
  readonly isAutoFlush: (group: string) => boolean;
  /** With what the connection has ended, if it has. */
  readonly ended: () => GroupError | undefined;
};

/** What a connection sends to ordered groups, from the program to the engine's window. */
export class Sending {
  readonly #parts: SendingParts;
  readonly #unaccepted = new Unaccepted();
  readonly #held: HeldSends;
  /** Who waits for room to post. */
  readonly #whenRoom: (() => void)[] = [];
  /** Payload bytes of the message that was not taken last. */
  #refusedBytes = 0;
  /** Of all posted messages: one function, and no promise. */
  readonly #onPosted = (): void => this.#unaccepted.finish();

  constructor(parts: SendingParts) {
    this.#parts = parts;
    this.#held = new HeldSends(parts.gate, parts.limits);
  }

  /** As `Connection.send` has it, to ordered groups. Throws what is wrong with the arguments. */
  send(groups: readonly string[], payload: Payload, options: SendOptions): Promise<Receipt> {
    const [only = ""] = groups;
    if (groups.length > 1) this.#checkNotFlushed("send", groups);
    else if (this.#parts.memberships.isFlushed(only)) return this.#sendInView(only, payload, options);
    return this.#send(plain(groups, payload, options), options.signal);
  }

  /** As `Connection.post` has it. */
  post(groups: readonly string[], payload: Payload, options: PostOptions): boolean {
    const { engine, driver } = this.#parts;
    this.#checkNotFlushed("post", groups);
    const outgoing = plain(groups, payload, options);
    const tooLarge = this.#tooLarge(outgoing);
    if (tooLarge) throw tooLarge;
    if (!engine.isEnded && !engine.hasRoomFor(outgoing.payloadBytes)) {
      this.#refusedBytes = outgoing.payloadBytes;
      return false;
    }
    const refusal = engine.submit(outgoing, true);
    if (refusal) throw this.#parts.ended() ?? refusal;
    this.#unaccepted.begin();
    outgoing.onAccepted = this.#onPosted;
    driver.schedulePump(outgoing.payloadBytes);
    return true;
  }

  /** As `Connection.room` has it. */
  room(): Promise<void> {
    const { gate } = this.#parts;
    if (this.#hasRoom) return Promise.resolve();
    gate.begin();
    return new Promise((resolve) =>
      this.#whenRoom.push(() => {
        gate.finish();
        resolve();
      }),
    );
  }

  /** Something may have been accepted: who waits for room goes on if there is any. */
  accepting(): void {
    if (this.#whenRoom.length > 0 && this.#hasRoom) this.#letPost();
  }

  /** As `Group.send` has it: with the rules of the flush layer where the group is in flush mode. */
  async sendToGroup(group: string, payload: Payload, options: GroupSendOptions): Promise<Receipt> {
    const { memberships } = this.#parts;
    if (memberships.isFlushed(group)) return this.#sendInView(group, payload, options);
    if (options.onlyTo) throw new RangeError("onlyTo: only in flush mode; use connection.send for private messages");
    const list = options.alsoTo ? [group, ...options.alsoTo] : [group];
    const error = checkDestinations(list);
    if (error) throw error;
    this.#checkNotFlushed("alsoTo", list);
    if (!memberships.isJoined(group)) throw this.notMember(group);
    return this.#send(plain(list, payload, options), options.signal);
  }

  /** Why nothing can be sent to a group as its member. */
  notMember(group: string): GroupError {
    const text = `this membership of ${group} is over: use the group that join() returned last, join it again, or use connection.send`;
    return this.#parts.ended() ?? new GroupError("CLOSED", text);
  }

  /** The group has its next view, or will never have one. */
  release(group: string): void {
    this.#held.release(group);
  }

  /** Whether a message is not known to have been ordered. */
  get isUnsettled(): boolean {
    return !this.#unaccepted.isNone || this.#parts.engine.isUnsettled;
  }

  /** True when all has been accepted; false if that takes until `alarm` calls back, which it does once. */
  accepted(alarm: (callback: () => void) => () => void): Promise<boolean> {
    return this.#unaccepted.none(alarm);
  }

  /** The connection has ended: nobody waits any more. */
  end(): void {
    this.#held.releaseAll();
    this.#letPost();
  }

  /** Sends in the view that the group is in; in automatic flush mode perhaps in the next one. */
  async #sendInView(group: string, payload: Payload, options: GroupSendOptions): Promise<Receipt> {
    const { signal } = options;
    signal?.throwIfAborted();
    const message = new FlushedMessage(group, payload, options);
    const sent = this.#held.has(group) ? undefined : this.#trySend(message, signal);
    if (sent) return sent;
    if (!this.#parts.isAutoFlush(group)) {
      throw new GroupError("FLUSHING", `the view of ${group} is closing: send after the next view`);
    }
    const busy = this.#held.refusal(group, message.payloadBytes);
    if (busy) throw busy;
    this.#unaccepted.begin();
    return new Promise((resolve, reject) => {
      const letGo = this.#held.hold(group, message.payloadBytes, () => {
        // It has been taken already, by the same bounds.
        const later = this.#trySend(message, signal, false);
        if (later === undefined) return false;
        over();
        this.#unaccepted.finish();
        resolve(later);
        return true;
      });
      const over = onAbort(signal, () => {
        letGo();
        this.#unaccepted.finish();
        reject(signal?.reason);
      });
    });
  }

  /** `undefined`: the group is between two views. */
  #trySend(message: FlushedMessage, signal: AbortSignal | undefined, bounded = true): Promise<Receipt> | undefined {
    const { memberships, engine } = this.#parts;
    const { group, isWeak } = message;
    if (engine.isEnded || !memberships.isJoined(group)) return Promise.reject(this.notMember(group));
    const mode = memberships.sendMode(group, isWeak);
    return mode.kind === "blocked" ? undefined : this.#send(message.outgoing(mode), signal, bounded);
  }

  #checkNotFlushed(what: string, groups: readonly string[]): void {
    for (const group of groups) {
      if (!this.#parts.memberships.isFlushed(group)) continue;
      throw new RangeError(`${what}: ${group} is in flush mode: send to it alone, with send`);
    }
  }

  #send(outgoing: Outgoing, signal: AbortSignal | undefined, bounded = true): Promise<Receipt> {
    const { engine, driver, gate } = this.#parts;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const tooLarge = this.#tooLarge(outgoing);
    if (tooLarge) return Promise.reject(tooLarge);
    const refusal = engine.submit(outgoing, bounded);
    if (refusal) return Promise.reject(this.#parts.ended() ?? refusal);
    const receipt = new DeliveryReceipt(outgoing, gate);
    const accepted = new Promise<Receipt>((resolve, reject) => {
      gate.begin();
      this.#unaccepted.begin();
      const settled = (): void => {
        gate.finish();
        this.#unaccepted.finish();
      };
      const over = onAbort(signal, () => {
        outgoing.onAccepted = () => {};
        settled();
        engine.withdraw(outgoing);
        this.accepting();
        reject(signal?.reason);
      });
      outgoing.onAccepted = (error) => {
        over();
        settled();
        if (error) reject(error);
        else resolve(receipt);
      };
    });
    driver.schedulePump(outgoing.payloadBytes);
    return accepted;
  }

  #tooLarge({ payloadBytes }: Outgoing): GroupError | undefined {
    const max = this.#parts.payloadBytesMax();
    if (payloadBytes <= max) return undefined;
    const text = `a message of ${payloadBytes} bytes: this daemon takes at most ${max}; split it`;
    return new GroupError("TOO_LARGE", text);
  }

  /** For the message that was refused, too: one that takes more than half would else be tried again and again, in vain. */
  get #hasRoom(): boolean {
    const { engine } = this.#parts;
    return engine.isEnded || (engine.isHalfEmpty && engine.hasRoomFor(this.#refusedBytes));
  }

  #letPost(): void {
    for (const resolve of this.#whenRoom.splice(0)) resolve();
  }
}

function plain(groups: readonly string[], payload: Payload, options: SendOptions): Outgoing {
  return new Outgoing("data", typeWord(options, false), groups, messageType(options, false), piecesOf(payload));
}
