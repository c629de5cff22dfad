import { lookup as dnsLookup } from "node:dns/promises";
import { hasAddress } from "../daemon/config/site.ts";

/** Somebody who is found by the name of a host. */
export type NamedHost = { readonly id: number; readonly host: string; readonly address: string };

/** Addresses behind a name of one family. Rejects, or is empty, when there are none. */
export type NameLookup = (host: string, family: "ipv4" | "ipv6") => Promise<readonly string[]>;

/** As often as names are looked up again. */
export const LOOKUP_EVERY_MS = 30_000;
/** As often as those that lead nowhere: whoever is there now cannot be reached until then. */
export const UNKNOWN_EVERY_MS = 2_000;

const lookupAll: NameLookup = async (host, family) => {
  const found = await dnsLookup(host, { all: true, family: family === "ipv4" ? 4 : 6 });
  return found.map(({ address }) => address);
};

/**
 * Looks names up again and again, and tells of each that leads elsewhere. A name that cannot be resolved, or that still leads to
 * the known address among others, changes nothing: resolvers fail, and answer in any order.
 */
export class HostNames {
  readonly #known: Map<number, NamedHost>;
  readonly #family: "ipv4" | "ipv6";
  readonly #moved: (host: NamedHost, to: string) => void;
  readonly #lookup: NameLookup;
  readonly #timers: readonly NodeJS.Timeout[];
  #isStopped = false;

  constructor(
    hosts: readonly NamedHost[],
    family: "ipv4" | "ipv6",
    moved: (host: NamedHost, to: string) => void,
    lookup: NameLookup = lookupAll,
  ) {
    this.#known = new Map(hosts.map((host) => [host.id, host]));
    this.#family = family;
    this.#moved = moved;
    this.#lookup = lookup;
    const unknown = () => [...this.#known.values()].filter((host) => !hasAddress(host));
    this.#timers = [
      setInterval(() => void this.look(), LOOKUP_EVERY_MS),
      setInterval(() => void this.look(unknown()), UNKNOWN_EVERY_MS),
    ];
    // Nobody's process lives on for this.
    for (const timer of this.#timers) timer.unref();
  }

  /** Looks these names up once, by default all. */
  async look(hosts: readonly NamedHost[] = [...this.#known.values()]): Promise<void> {
    await Promise.all(
      hosts.map(async (known) => {
        const found = await this.#lookup(known.host, this.#family).catch((): readonly string[] => []);
        const [first] = found;
        if (this.#isStopped || first === undefined || found.includes(known.address)) return;
        if (this.#known.get(known.id) !== known) return;
        this.#known.set(known.id, { ...known, address: first });
        this.#moved(known, first);
      }),
    );
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers) clearInterval(timer);
  }
}
