import type { Message, OrderedMessage } from "./message.ts";

/** One stream, in order. */
export type DeliveryOutbox = {
  deliver(message: OrderedMessage): void;
  /** What was delivered up to this place stays. */
  commit(position: number): void;
  /** What was delivered behind this place is taken back, the last first; it is delivered again in its right place. */
  rollback(position: number): void;
};

/** Counted here: deliveries, those that were taken back included; of these: before the order was known; taken back. */
export type DeliveryStatistics = { delivered: number; optimistic: number; rolledBack: number; committed: number };

/** What was delivered, and where. */
export type Shown = { readonly message: Message; readonly position: number };

/** What a member has been given of a group's messages and may be taken back. */
export class Deliveries {
  readonly #statistics: DeliveryStatistics;
  readonly #outbox: DeliveryOutbox;
  #shown: Shown[] = [];
  #committed = 0;

  constructor(statistics: DeliveryStatistics, outbox: DeliveryOutbox) {
    this.#statistics = statistics;
    this.#outbox = outbox;
  }

  /** What is delivered up to there stays. */
  get committed(): number {
    return this.#committed;
  }

  /** Delivered and not committed, in order. */
  get shown(): readonly Shown[] {
    return this.#shown;
  }

  /** For a member that is new: what is up to there is not for it. */
  startBehind(position: number): void {
    this.#committed = position;
  }

  show(message: Message, position: number, isOrdered: boolean): void {
    const { sender, seq, payload } = message;
    message.isShown = true;
    this.#shown.push({ message, position });
    this.#statistics.delivered++;
    if (!isOrdered) this.#statistics.optimistic++;
    this.#outbox.deliver({ sender, seq, payload, position, isOrdered });
  }

  /** Takes back all but the first `kept` of what was delivered and not committed. */
  rollBack(kept: number): void {
    const gone = this.#shown.splice(kept);
    for (const { message } of gone) {
      message.isShown = false;
      message.isSuspect = true;
    }
    this.#statistics.rolledBack += gone.length;
    this.#outbox.rollback(this.#shown.at(-1)?.position ?? this.#committed);
  }

  commit(until: number): void {
    let count = 0;
    while (count < this.#shown.length && (this.#shown[count] as Shown).position <= until) count++;
    const last = this.#shown[count - 1];
    this.#shown.splice(0, count);
    this.#statistics.committed += count;
    this.#committed = Math.max(this.#committed, until);
    if (last !== undefined) this.#outbox.commit(last.position);
  }
}
