import { FlushType, subgroupTrailer, vulnerableTrailer } from "../flush/body.ts";
import type { Engine } from "./engine.ts";
import type { EngineDriver } from "./engine-driver.ts";
import { DeliveryReceipt } from "./delivery-wait.ts";
import { GroupError } from "./errors.ts";
import type { Memberships } from "./memberships.ts";
import { Outgoing } from "./outgoing.ts";
import type { ReadGate } from "./read-gate.ts";
import {
  checkDestinations,
  type GroupSendOptions,
  isWeak,
  messageType,
  type Payload,
  piecesOf,
  type Receipt,
  type SendOptions,
  typeWord,
} from "./send.ts";
import { Unaccepted } from "./unaccepted.ts";
import { ViewWaits } from "./view-waits.ts";

/** The rest of a connection, as its sends see it. */
export type SendingParts = {
  readonly engine: Engine;
  readonly driver: EngineDriver;
  readonly gate: ReadGate;
  readonly memberships: Memberships;
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
  /** What waits for the next view of a group in automatic flush mode. */
  readonly #held: ViewWaits;
  /** Who waits for room to post. */
  readonly #whenRoom: (() => void)[] = [];
  /** Payload bytes of the message that was not taken last. */
  #refusedBytes = 0;
  /** Of all posted messages: one function, and no promise. */
  readonly #onPosted = (): void => this.#unaccepted.finish();

  constructor(parts: SendingParts) {
    this.#parts = parts;
    this.#held = new ViewWaits(parts.gate);
  }

  /** As `Connection.send` has it, to ordered groups. */
  send(groups: readonly string[], payload: Payload, options: SendOptions): Promise<Receipt> {
    return this.#send(plain(groups, payload, options));
  }

  /** As `Connection.post` has it. */
  post(groups: readonly string[], payload: Payload, options: SendOptions): boolean {
    const { engine, driver, memberships } = this.#parts;
    for (const group of groups) {
      if (memberships.isFlushed(group)) throw new RangeError(`post: ${group} is in flush mode: use send`);
    }
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
    if (!memberships.isJoined(group)) throw this.#notMember(group);
    return this.#send(plain(list, payload, options));
  }

  /** The group has its next view, or will never have one. */
  release(group: string): void {
    this.#held.release(group);
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

  async #sendInView(group: string, payload: Payload, options: GroupSendOptions): Promise<Receipt> {
    const { engine, memberships, isAutoFlush } = this.#parts;
    const parts = piecesOf(payload);
    if (options.alsoTo) throw new RangeError("alsoTo: not in flush mode, whose groups are closed");
    const weak = isWeak(options.service);
    let mode = memberships.sendMode(group, weak);
    while (mode.kind === "blocked") {
      if (engine.isEnded || !memberships.isJoined(group)) throw this.#notMember(group);
      if (!isAutoFlush(group)) {
        throw new GroupError("FLUSHING", `the view of ${group} is closing: send after the next view`);
      }
      await this.#held.wait(group);
      mode = memberships.sendMode(group, weak);
    }
    if (!memberships.isJoined(group)) throw this.#notMember(group);
    const to = options.onlyTo ?? [group];
    const error = checkDestinations(to);
    if (error) throw error;
    const type = messageType(options, true);
    const body = [...parts, ...(mode.kind === "vulnerable" ? [vulnerableTrailer(type, mode.id)] : [])];
    if (options.onlyTo) body.push(subgroupTrailer(group));
    const flushType = mode.kind === "vulnerable" ? FlushType.vulnerable : type;
    return this.#send(new Outgoing("data", typeWord(options, options.onlyTo !== undefined), to, flushType, body));
  }

  #send(outgoing: Outgoing): Promise<Receipt> {
    const { engine, driver, gate } = this.#parts;
    const tooLarge = this.#tooLarge(outgoing);
    if (tooLarge) return Promise.reject(tooLarge);
    const refusal = engine.submit(outgoing, true);
    if (refusal) return Promise.reject(this.#parts.ended() ?? refusal);
    const receipt = new DeliveryReceipt(outgoing, gate);
    const accepted = new Promise<Receipt>((resolve, reject) => {
      gate.begin();
      this.#unaccepted.begin();
      outgoing.onAccepted = (error) => {
        gate.finish();
        this.#unaccepted.finish();
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

  #notMember(group: string): GroupError {
    const text = `${group} was left: join it again, or use connection.send`;
    return this.#parts.ended() ?? new GroupError("CLOSED", text);
  }
}

function plain(groups: readonly string[], payload: Payload, options: SendOptions): Outgoing {
  return new Outgoing("data", typeWord(options, false), groups, messageType(options, false), piecesOf(payload));
}
