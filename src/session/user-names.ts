import { isUserName } from "../wire/spread/names.ts";

/**
 * The names that clients of this daemon have, from their hello until the end of their session has been ordered: a name is
 * never in use twice, not even while the old bearer's disconnect is on its way (spread-client-protocol section 2.3).
 */
export class UserNames {
  readonly #taken = new Set<string>();
  #count = 0;

  /** Takes a name, or invents one for the empty name. */
  reserve(
    user: string,
    connection: number,
  ): { readonly kind: "ok"; readonly user: string } | { readonly kind: "illegal" | "taken" } {
    if (user === "") return { kind: "ok", user: this.#invent(connection) };
    if (!isUserName(user)) return { kind: "illegal" };
    if (this.#taken.has(user)) return { kind: "taken" };
    this.#taken.add(user);
    return { kind: "ok", user };
  }

  release(user: string): void {
    this.#taken.delete(user);
  }

  /** `r<0 … 9998>-<connection>`, at most ten characters. */
  #invent(connection: number): string {
    for (;;) {
      const user = `r${this.#count++ % 9_999}-${connection % 10_000}`;
      if (this.#taken.has(user)) continue;
      this.#taken.add(user);
      return user;
    }
  }
}
