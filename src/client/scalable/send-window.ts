import type { GroupNumber } from "../../base/ids.ts";
import { GroupError } from "../errors.ts";
import { onAbort } from "../on-abort.ts";
import type { Receipt } from "../send.ts";
import { StableReceipt } from "./receipt.ts";

/** A group as one sends to it. */
export interface Destination {
  readonly name: string;
  /** Its number while the node is in it; `undefined`: it is being joined, perhaps again. */
  readonly number: GroupNumber | undefined;
  /** The program is leaving it, or it is over. */
  readonly isLeaving: boolean;
  /** Why, where the program has not asked for it. */
  readonly leftBecause: GroupError | undefined;
  /** Whether it will be known when all members have a message. */
  readonly isConfirmed: boolean;
}

/** What takes messages: the node. False: too much waits there, `SendWindow.writable` follows. */
export type Take = (group: GroupNumber, payload: Uint8Array, number: number) => boolean;

export type SendLimits = {
  /** Payload bytes that the node has taken and that are not stable; a longer message goes alone. */
  readonly windowBytesMax: number;
  /** What may wait for that. */
  readonly unacceptedMax: number;
  readonly unacceptedBytesMax: number;
};

type Waiting = {
  readonly to: Destination;
  readonly payload: Uint8Array;
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (error: unknown) => void;
  isGivenUp: boolean;
};

type Unstable = { readonly to: Destination; readonly bytes: number; readonly receipt: StableReceipt };

/** So many more may be given up than wait before they are forgotten. */
const GIVEN_UP_MAX = 64;

/** What a message costs besides its payload, about. */
const MESSAGE_BYTES = 64;

/**
 * Messages to scalable groups, from `send` until all members have them. The node takes a window of them; the others wait here, in order,
 * each `send` with its promise. While there is no node, or it is not back in a group, what is for that waits too; and apart from the rest what is
 * for a group that holds messages back.
 */
export class SendWindow {
  readonly #limits: SendLimits;
  #take: Take | undefined;
  #isHeldBack: (group: GroupNumber) => boolean = () => false;
  #isFull = false;
  #waiting: Waiting[] = [];
  #head = 0;
  /** To groups that the node is not in yet, or that take nothing for now. */
  readonly #parked = new Map<Destination, Waiting[]>();
  #waitingCount = 0;
  /** Given up, and still among those that wait. */
  #givenUp = 0;
  #waitingBytes = 0;
  /** By number. */
  #unstable = new Map<number, Unstable>();
  #unstableBytes = 0;
  /** How many of each group wait, or are not stable. */
  readonly #pending = new Map<Destination, number>();
  #number = 0;
  #whenIdle: (() => void)[] = [];

  constructor(limits: SendLimits) {
    this.#limits = limits;
  }

  /** Resolves when the node has taken the message. */
  send(to: Destination, payload: Uint8Array, signal: AbortSignal | undefined): Promise<Receipt> {
    signal?.throwIfAborted();
    const number = this.#numberOf(to);
    if (this.#waitingCount === 0 && number !== undefined && this.#admits(to, payload)) {
      this.#open(to);
      return Promise.resolve(this.#hand(to, number, payload));
    }
    const { unacceptedMax, unacceptedBytesMax } = this.#limits;
    const bytes = this.#waitingBytes + payload.length;
    if (this.#waitingCount >= unacceptedMax || (this.#waitingCount > 0 && bytes > unacceptedBytesMax)) {
      const text = `${this.#waitingCount} messages of ${this.#waitingBytes} bytes wait to be sent: await send() now and then`;
      return Promise.reject(new GroupError("BUSY", text));
    }
    return new Promise((resolve, reject) => {
      const settling =
        <T>(then: (value: T) => void) =>
        (value: T): void => {
          over();
          this.#waitingCount--;
          this.#waitingBytes -= payload.length;
          then(value);
        };
      const refuse = settling(reject);
      const one: Waiting = {
        to,
        payload,
        resolve: settling(resolve),
        reject: (error) => {
          refuse(error);
          this.#close(to);
        },
        isGivenUp: false,
      };
      const over = onAbort(signal, () => {
        one.isGivenUp = true;
        one.reject(signal?.reason);
        this.#clear();
        this.pump();
      });
      this.#open(to);
      this.#waitingCount++;
      this.#waitingBytes += payload.length;
      this.#waiting.push(one);
      this.pump();
    });
  }

  /** There is a node. `isHeldBack`: a group takes nothing for now, `writable` follows. */
  begin(take: Take, isHeldBack: (group: GroupNumber) => boolean = () => false): void {
    this.#take = take;
    this.#isHeldBack = isHeldBack;
    this.writable();
  }

  /** The node takes messages again. */
  writable(): void {
    this.#isFull = false;
    for (const to of this.#parked.keys()) if (this.#numberOf(to) !== undefined) this.#unpark(to);
    this.pump();
  }

  /** All members that have not failed have the message with this number. */
  stable(number: number): void {
    const one = this.#unstable.get(number);
    if (one === undefined) return;
    this.#unstable.delete(number);
    this.#unstableBytes -= one.bytes;
    one.receipt.settle(undefined);
    this.#close(one.to);
    this.pump();
  }

  /** The node is in this group now, or the group is over: what waits for that goes on. */
  changed(to: Destination): void {
    if (!this.#parked.has(to)) return;
    this.#unpark(to);
    this.pump();
  }

  /** The node is no more: what it had taken may have come anywhere. Returns how many of those there are of each group. */
  expel(error: GroupError): ReadonlyMap<Destination, number> {
    this.#take = undefined;
    const counts = new Map<Destination, number>();
    const unstable = this.#unstable;
    this.#unstable = new Map();
    this.#unstableBytes = 0;
    for (const { to, receipt } of unstable.values()) {
      counts.set(to, (counts.get(to) ?? 0) + 1);
      receipt.settle(error);
      this.#close(to);
    }
    return counts;
  }

  /** Nothing is sent any more. */
  end(error: GroupError): void {
    this.expel(error);
    const waiting = [...this.#waiting.slice(this.#head), ...[...this.#parked.values()].flat()];
    this.#waiting = [];
    this.#head = 0;
    this.#parked.clear();
    for (const one of waiting) if (!one.isGivenUp) one.reject(error);
  }

  /** Whether anything is to be sent, or not known to be everywhere: all in all, or to one group. */
  isIdle(to?: Destination): boolean {
    return to === undefined ? this.#pending.size === 0 : !this.#pending.has(to);
  }

  /** Resolves when all, or what goes to one group, is everywhere; at the latest when `alarm` calls back. */
  idle(to: Destination | undefined, alarm: (callback: () => void) => () => void): Promise<void> {
    if (this.isIdle(to)) return Promise.resolve();
    return new Promise((resolve) => {
      const check = (): void => {
        if (!this.isIdle(to)) this.#whenIdle.push(check);
        else finish();
      };
      const finish = (): void => {
        cancel();
        this.#whenIdle = this.#whenIdle.filter((one) => one !== check);
        resolve();
      };
      const cancel = alarm(finish);
      this.#whenIdle.push(check);
    });
  }

  /** Hands over what the window allows. */
  pump(): void {
    while (this.#head < this.#waiting.length) {
      const one = this.#waiting[this.#head] as Waiting;
      const { to, payload } = one;
      const number = this.#parked.has(to) ? undefined : this.#numberOf(to);
      if (!one.isGivenUp && !to.isLeaving && number !== undefined && !this.#admits(to, payload)) return;
      this.#shift();
      if (one.isGivenUp) {
        this.#givenUp--;
        continue;
      }
      if (to.isLeaving) one.reject(leftError(to));
      else if (number !== undefined) one.resolve(this.#hand(to, number, payload));
      else this.#park(one);
    }
  }

  /** The group's number, if the node is in it and it takes messages. */
  #numberOf({ number }: Destination): GroupNumber | undefined {
    return number === undefined || this.#isHeldBack(number) ? undefined : number;
  }

  #admits({ isConfirmed }: Destination, { length }: Uint8Array): boolean {
    if (this.#take === undefined || this.#isFull) return false;
    if (!isConfirmed) return true;
    return this.#unstable.size === 0 || this.#unstableBytes + length + MESSAGE_BYTES <= this.#limits.windowBytesMax;
  }

  #hand(to: Destination, group: GroupNumber, payload: Uint8Array): Receipt {
    const receipt = new StableReceipt();
    const number = ++this.#number;
    if (to.isConfirmed) {
      const bytes = payload.length + MESSAGE_BYTES;
      this.#unstable.set(number, { to, bytes, receipt });
      this.#unstableBytes += bytes;
    } else
      receipt.settle(
        new GroupError("NOT_TOLD", `${to.name} is a timely group: nobody says whether all have a message`),
      );
    if (this.#take?.(group, payload, number) === false) this.#isFull = true;
    if (!to.isConfirmed) this.#close(to);
    return receipt;
  }

  /** Forgets what was given up, now and then: else it would be kept as long as nothing can be sent. */
  #clear(): void {
    if (++this.#givenUp <= this.#waitingCount + GIVEN_UP_MAX) return;
    this.#givenUp = 0;
    this.#waiting = this.#waiting.slice(this.#head).filter(({ isGivenUp }) => !isGivenUp);
    this.#head = 0;
    for (const [to, parked] of this.#parked) {
      const left = parked.filter(({ isGivenUp }) => !isGivenUp);
      if (left.length > 0) this.#parked.set(to, left);
      else this.#parked.delete(to);
    }
  }

  #park(one: Waiting): void {
    const parked = this.#parked.get(one.to);
    if (parked === undefined) this.#parked.set(one.to, [one]);
    else parked.push(one);
  }

  /** Before what has come later. */
  #unpark(to: Destination): void {
    const parked = this.#parked.get(to) ?? [];
    this.#parked.delete(to);
    this.#waiting = [...parked, ...this.#waiting.slice(this.#head)];
    this.#head = 0;
  }

  #shift(): void {
    this.#head++;
    if (this.#head === this.#waiting.length) this.#waiting = [];
    else if (this.#head < 1_024 || this.#head * 2 < this.#waiting.length) return;
    else this.#waiting = this.#waiting.slice(this.#head);
    this.#head = 0;
  }

  #open(to: Destination): void {
    this.#pending.set(to, (this.#pending.get(to) ?? 0) + 1);
  }

  #close(to: Destination): void {
    const left = (this.#pending.get(to) ?? 0) - 1;
    if (left > 0) {
      this.#pending.set(to, left);
      return;
    }
    this.#pending.delete(to);
    if (this.#whenIdle.length === 0) return;
    const checks = this.#whenIdle;
    this.#whenIdle = [];
    for (const check of checks) check();
  }
}

export function leftError({ name, leftBecause }: Destination): GroupError {
  return leftBecause ?? new GroupError("CLOSED", `${name} was left: join it again`);
}

/** Nothing is known of what was sent, since its node has been declared failed. */
export function expelledError(): GroupError {
  const text =
    "the daemons have declared this node failed: members may or may not have got the message; send it again if need be";
  return new GroupError("EXPELLED", text);
}
