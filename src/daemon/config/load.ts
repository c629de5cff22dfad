import { lookup as dnsLookup } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { type ParsedSite, parseSiteConfig } from "./parse-site.ts";
import { parseConfigFile } from "./parser.ts";
import { hostOf } from "./topology.ts";

/**
 * Reads a spread.conf from a file and looks up the hosts that it names without an address; names of hosts that are down may lead nowhere, and are
 * warnings. Throws a `ConfigError`
 * for what is wrong in the file, and the error of the file system if it cannot be read.
 */
export async function loadSiteConfig(path: string): Promise<ParsedSite> {
  return resolveSiteConfig(await readFile(path, "utf8"), path);
}

/** The addresses of the hosts that a text has only names of, as far as they are known now. */
export async function hostAddresses(text: string, file: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const [host, [first]] of await lookUp(text, file)) if (first !== undefined) found[host] = first;
  return found;
}

/** As `loadSiteConfig` for a text that is already here; `file` is its name in messages. */
export async function resolveSiteConfig(text: string, file: string): Promise<ParsedSite> {
  const addresses = await lookUp(text, file);
  return parseSiteConfig(text, file, (name) => {
    const found = addresses.get(name) ?? [];
    return found.length === 0 ? undefined : found;
  });
}

async function lookUp(text: string, file: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const addresses = new Map<string, string[]>();
  for (const segment of parseConfigFile({ name: file, text }, []).segments) {
    for (const daemon of segment.daemons) {
      const host = hostOf(daemon) ?? "";
      if (host !== "" && !addresses.has(host)) addresses.set(host, await addressesOf(host));
    }
  }
  return addresses;
}

/** Unknown names have no addresses: the parser says with the place in the file what that means. */
async function addressesOf(name: string): Promise<string[]> {
  const found = await dnsLookup(name, { all: true }).catch(() => []);
  return found.map((entry) => entry.address);
}
