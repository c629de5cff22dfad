/** What is known of each member of each group. It makes no key for a look, as a map of two names in one would. */
export class Memberships<T> {
  readonly #groups = new Map<string, Map<string, T>>();

  get(member: string, group: string): T | undefined {
    return this.#groups.get(member)?.get(group);
  }

  set(member: string, group: string, value: T): void {
    const groups = this.#groups.get(member);
    if (groups === undefined) this.#groups.set(member, new Map([[group, value]]));
    else groups.set(group, value);
  }
}
