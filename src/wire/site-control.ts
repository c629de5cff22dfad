import type { ConfigurationId } from "../base/ids.ts";
import { Reader, Writer } from "./bytes.ts";
import { PREFIX_BYTES, type Prefix } from "./prefix.ts";
import { PRUNING_VERSION } from "./ring-data.ts";

/**
 * SITE_UPDATE: what the representative of a site tells all others (protocols.md G23, G24). Every packet of the site above `seq` has
 * an LTS above `lts`; all its daemons hold everything, of every site, up to the LTS `aru`. `clock`: the LTS that the site's token had reached when that
 * was so: nothing that was stamped there before has a greater one. Rings that speak a version below 3 do not say it: 0.
 *
 * Body: configuration {leader u32, time u32}, site u16, seq u32, lts u32, aru u32, from version 3 on clock u32.
 */
export type SiteUpdate = {
  readonly configuration: ConfigurationId;
  readonly site: number;
  readonly seq: number;
  readonly lts: number;
  readonly aru: number;
  readonly clock: number;
};

export function encodeSiteUpdate(
  { configuration, site, seq, lts, aru, clock }: SiteUpdate,
  version: number,
): Uint8Array {
  const { leader, time } = configuration;
  const out = new Writer(26).u32(leader).u32(time).u16(site).u32(seq).u32(lts).u32(aru);
  return (version >= PRUNING_VERSION ? out.u32(clock) : out).finish();
}

export function decodeSiteUpdate(prefix: Prefix, bytes: Uint8Array): SiteUpdate | undefined {
  const input = new Reader(bytes, PREFIX_BYTES, PREFIX_BYTES + prefix.bodyLength);
  const configuration = { leader: input.u32(), time: input.u32() };
  const [site, seq, lts, aru] = [input.u16(), input.u32(), input.u32(), input.u32()];
  const clock = prefix.version >= PRUNING_VERSION ? input.u32() : 0;
  return input.failed || input.remaining > 0 ? undefined : { configuration, site, seq, lts, aru, clock };
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
