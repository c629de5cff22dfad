import type { MessageId } from "../wire/plato/bodies.ts";

/** A place in the order. `isVoid`: nobody has the message any more, and the place is left out. */
export type LogEntry = MessageId & { readonly key: string; isVoid: boolean };

/** A key for maps; equal exactly for equal ids. */
export function messageKey({ sender, seq }: MessageId): string {
  return `${sender}.${seq}`;
}

/** The canonical order of a group's messages, from behind the place up to which all members have them. Positions count from 1. */
export class OrderLog {
  #base: number;
  #entries: LogEntry[] = [];
  readonly #positions = new Map<string, number>();

  constructor(base: number) {
    this.#base = base;
  }

  /** The position before the first that is kept. */
  get base(): number {
    return this.#base;
  }

  /** The last position. */
  get end(): number {
    return this.#base + this.#entries.length;
  }

  get entries(): readonly LogEntry[] {
    return this.#entries;
  }

  at(position: number): LogEntry | undefined {
    return this.#entries[position - this.#base - 1];
  }

  positionOf(key: string): number | undefined {
    return this.#positions.get(key);
  }

  append(id: MessageId, isVoid = false): LogEntry {
    const entry = { sender: id.sender, seq: id.seq, key: messageKey(id), isVoid };
    this.#entries.push(entry);
    this.#positions.set(entry.key, this.end);
    return entry;
  }

  /** Forgets what all members have; returns it. */
  trim(to: number): LogEntry[] {
    const gone = this.#entries.splice(0, Math.max(0, to - this.#base));
    for (const { key } of gone) this.#positions.delete(key);
    this.#base += gone.length;
    return gone;
  }
}
