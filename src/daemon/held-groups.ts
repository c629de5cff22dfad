import type { DaemonId } from "../base/ids.ts";

/**
 * Groups with the slow-receiver policy `wait` that some daemon holds because a member there is behind
 * (architecture.md, decision 13). Each daemon announces all it holds, in the agreed order; nobody reads from clients
 * who send to a group that anybody holds.
 */
export class HeldGroups {
  readonly #mine = new Set<string>();
  readonly #others = new Map<DaemonId, readonly string[]>();
  #changed = false;

  /** A receiver here is behind, or no more. */
  hold(group: string): void {
    this.#changed ||= !this.#mine.has(group);
    this.#mine.add(group);
  }

  release(group: string): void {
    this.#changed = this.#mine.delete(group) || this.#changed;
  }

  /** What has to be announced: all groups held here, if that differs from what was announced last. */
  takeAnnouncement(): readonly string[] | undefined {
    if (!this.#changed) return undefined;
    this.#changed = false;
    return [...this.#mine];
  }

  /** Another daemon's announcement was ordered. */
  announced(daemon: DaemonId, groups: readonly string[]): void {
    if (groups.length === 0) this.#others.delete(daemon);
    else this.#others.set(daemon, groups);
  }

  /** A new configuration: who is gone holds nothing, and who has come has to be told what is held here. */
  configured(members: readonly DaemonId[]): void {
    for (const daemon of this.#others.keys()) if (!members.includes(daemon)) this.#others.delete(daemon);
    this.#changed ||= this.#mine.size > 0;
  }

  /** All groups held by anybody. */
  get all(): ReadonlySet<string> {
    const all = new Set(this.#mine);
    for (const groups of this.#others.values()) for (const group of groups) all.add(group);
    return all;
  }
}
