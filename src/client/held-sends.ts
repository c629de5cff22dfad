import { GroupError } from "./errors.ts";
import type { ReadGate } from "./read-gate.ts";

/** What may be held, in all groups together. */
export type HeldLimits = { readonly unacceptedMax: number; readonly unacceptedBytesMax: number };

type Held = {
  readonly payloadBytes: number;
  /** Sends now, or fails for good; false: the group still has no view to send in. */
  readonly attempt: () => boolean;
};

/**
 * Sends of automatic flush mode that wait for the next view of their group: they go out in the order in which they were asked for, and so
 * does what is sent while there are some.
 */
export class HeldSends {
  readonly #gate: ReadGate;
  readonly #limits: HeldLimits;
  readonly #lines = new Map<string, Held[]>();
  #count = 0;
  #bytes = 0;

  constructor(gate: ReadGate, limits: HeldLimits) {
    this.#gate = gate;
    this.#limits = limits;
  }

  /** Whether something of the group is held. */
  has(group: string): boolean {
    return this.#lines.has(group);
  }

  /** Why so many bytes more cannot be held, if they cannot. */
  refusal(group: string, payloadBytes: number): GroupError | undefined {
    const { unacceptedMax, unacceptedBytesMax } = this.#limits;
    if (this.#count === 0) return undefined;
    if (this.#count < unacceptedMax && this.#bytes + payloadBytes <= unacceptedBytesMax) return undefined;
    const text = `${this.#count} messages of ${this.#bytes} bytes wait for the next view, as one to ${group} would have to: await send() now and then`;
    return new GroupError("BUSY", text);
  }

  /** Calls `attempt` whenever the group is released, in turn, until it is done, or what is returned is called: then it is held no more. */
  hold(group: string, payloadBytes: number, attempt: () => boolean): () => void {
    this.#count++;
    this.#bytes += payloadBytes;
    const held = { payloadBytes, attempt };
    const line = this.#lines.get(group);
    if (line === undefined) {
      this.#lines.set(group, [held]);
      this.#gate.beginDelivery();
    } else line.push(held);
    return () => this.#letGo(group, held);
  }

  #letGo(group: string, held: Held): void {
    const line = this.#lines.get(group);
    const at = line?.indexOf(held) ?? -1;
    if (line === undefined || at < 0) return;
    line.splice(at, 1);
    this.#drop(held);
    this.#endIfEmpty(group, line);
  }

  #drop({ payloadBytes }: Held): void {
    this.#count--;
    this.#bytes -= payloadBytes;
  }

  #endIfEmpty(group: string, line: readonly Held[]): void {
    if (line.length > 0) return;
    this.#lines.delete(group);
    this.#gate.finishDelivery();
  }

  /** The group has its next view, or will never have one. What is held goes on when the caller is done with telling that. */
  release(group: string): void {
    if (this.#lines.has(group)) queueMicrotask(() => this.#goOn(group));
  }

  releaseAll(): void {
    for (const group of this.#lines.keys()) this.release(group);
  }

  #goOn(group: string): void {
    const line = this.#lines.get(group);
    if (line === undefined) return;
    let done = 0;
    for (const held of line) {
      if (!held.attempt()) break;
      this.#drop(held);
      done++;
    }
    line.splice(0, done);
    this.#endIfEmpty(group, line);
  }
}
