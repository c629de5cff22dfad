import type { SessionNumber } from "./outbox.ts";

/**
 * This daemon's own sessions by name, and which of them are in which group. Lists are replaced, never changed, so that a
 * list can be handed out with each message.
 */
export class LocalMembers {
  readonly #byUser = new Map<string, SessionNumber>();
  readonly #byGroup = new Map<string, readonly SessionNumber[]>();

  /** The sessions of a group, in the order in which they came. Never changed afterwards. */
  of(group: string): readonly SessionNumber[] {
    return this.#byGroup.get(group) ?? NONE;
  }

  sessionOf(user: string): SessionNumber | undefined {
    return this.#byUser.get(user);
  }

  attach(user: string, session: SessionNumber): void {
    this.#byUser.set(user, session);
  }

  detach(user: string): void {
    this.#byUser.delete(user);
  }

  join(group: string, session: SessionNumber): void {
    this.#byGroup.set(group, [...this.of(group), session]);
  }

  leave(group: string, session: SessionNumber): void {
    const rest = this.of(group).filter((other) => other !== session);
    if (rest.length === 0) this.#byGroup.delete(group);
    else this.#byGroup.set(group, rest);
  }
}

const NONE: readonly SessionNumber[] = [];
