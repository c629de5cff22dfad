import type { ConfigurationId } from "../base/ids.ts";
import { Reader, Writer } from "./bytes.ts";
import { PREFIX_BYTES, type Prefix } from "./prefix.ts";

/**
 * SITE_UPDATE: what the representative of a site tells all others (protocols.md G23, G24). Every packet of the site above `seq` has
 * an LTS above `lts`; all its daemons hold everything, of every site, up to the LTS `aru`.
 *
 * Body: configuration {leader u32, time u32}, site u16, seq u32, lts u32, aru u32.
 */
export type SiteUpdate = {
  readonly configuration: ConfigurationId;
  readonly site: number;
  readonly seq: number;
  readonly lts: number;
  readonly aru: number;
};

export function encodeSiteUpdate({ configuration, site, seq, lts, aru }: SiteUpdate): Uint8Array {
  const { leader, time } = configuration;
  return new Writer(22).u32(leader).u32(time).u16(site).u32(seq).u32(lts).u32(aru).finish();
}

export function decodeSiteUpdate(prefix: Prefix, bytes: Uint8Array): SiteUpdate | undefined {
  const input = new Reader(bytes, PREFIX_BYTES, PREFIX_BYTES + prefix.bodyLength);
  const configuration = { leader: input.u32(), time: input.u32() };
  const update = { configuration, site: input.u16(), seq: input.u32(), lts: input.u32(), aru: input.u32() };
  return input.failed || input.remaining > 0 ? undefined : update;
}

/**
 * SITE_DONE: all daemons of the site have committed to the configuration that forms (recovery.md, "Moving the packets", 4). Body:
 * configuration {leader u32, time u32}, site u16.
 */
export type SiteDone = { readonly configuration: ConfigurationId; readonly site: number };

export function encodeSiteDone({ configuration, site }: SiteDone): Uint8Array {
  return new Writer(10).u32(configuration.leader).u32(configuration.time).u16(site).finish();
}

export function decodeSiteDone(prefix: Prefix, bytes: Uint8Array): SiteDone | undefined {
  const input = new Reader(bytes, PREFIX_BYTES, PREFIX_BYTES + prefix.bodyLength);
  const done = { configuration: { leader: input.u32(), time: input.u32() }, site: input.u16() };
  return input.failed || input.remaining > 0 ? undefined : done;
}
