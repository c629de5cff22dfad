import type { Receipt } from "../../src/index.ts";
import type { Member } from "./member.ts";

/** Steady traffic: each member sends `perTick` messages every 5 ms, agreed and safe by turns. */
export class Load {
  readonly #timer: NodeJS.Timeout;
  readonly #receipts: Promise<Receipt>[] = [];
  readonly #failed: unknown[] = [];

  constructor(members: readonly Member[], group: string, perTick: number) {
    this.#timer = setInterval(() => {
      for (const member of members) {
        for (let i = 0; i < perTick; i++) {
          const accepted = member.number(group, member.sent % 2 === 0 ? "agreed" : "safe");
          accepted.catch((error: unknown) => this.#failed.push(error));
          this.#receipts.push(accepted);
        }
      }
    }, 5);
  }

  /** Ends the traffic and waits until what was sent is accepted or has failed. Returns why sends have failed. */
  async stop(): Promise<readonly unknown[]> {
    clearInterval(this.#timer);
    await Promise.allSettled(this.#receipts);
    return this.#failed;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
