import type { NativeState, Session } from "./session.ts";

/** When too much is kept, so much of the limit is freed that it is not looked at again for every message. */
const FREED_SHARE = 1 / 8;

/**
 * How much is kept for native clients, in all: everything that waits for those who are away, and what was written to others
 * and not acknowledged. When it is too much, those who are away give way, who left first before the others; then whoever has
 * just been written to. What they lose they are told as a gap when they are back.
 */
export class RetentionBudget {
  readonly #bytesMax: number;
  /** In the order in which they went away. */
  readonly #detached: ReadonlySet<Session>;
  #bytes = 0;

  constructor(bytesMax: number, detached: ReadonlySet<Session>) {
    this.#bytesMax = bytesMax;
    this.#detached = detached;
  }

  /** Bytes that count now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Something was kept for this session, or let go. */
  update(session: Session, native: NativeState): void {
    this.#count(session, native);
    if (this.#bytes <= this.#bytesMax) return;
    const enough = this.#bytesMax * (1 - FREED_SHARE);
    for (const away of this.#detached) {
      if (away.native === undefined || away.native.retention.bytes === 0) continue;
      away.native.retention.trim(Math.max(0, away.native.retention.bytes - (this.#bytes - enough)), true);
      this.#count(away, away.native);
      if (this.#bytes <= enough) return;
    }
    if (session.connection === undefined || this.#bytes <= this.#bytesMax) return;
    const { retention } = native;
    retention.trim(Math.max(retention.unsentBytes, retention.bytes - (this.#bytes - enough)), false);
    this.#count(session, native);
  }

  /** The session has ended. */
  forget(native: NativeState): void {
    this.#bytes -= native.retainedBytes;
    native.retainedBytes = 0;
  }

  #count(session: Session, native: NativeState): void {
    const { retention } = native;
    const now = session.connection === undefined ? retention.bytes : retention.bytes - retention.unsentBytes;
    this.#bytes += now - native.retainedBytes;
    native.retainedBytes = now;
  }
}
