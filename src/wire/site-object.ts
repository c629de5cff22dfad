import { SITES_MAX } from "../base/site-set.ts";

/*
 * An object on a hop between sites: a packet of a site on its way to others.
 *
 *   source u8    the site whose tree it follows
 *   count u8     0: it is for all sites
 *   sites u8[count]
 *   packet       with its prefix: RING_DATA, RING_UNRELIABLE, SITE_UPDATE, SITE_DONE
 */

export type SiteObject = {
  readonly source: number;
  /** `undefined`: all. */
  readonly sites: readonly number[] | undefined;
  /** A view. */
  readonly packet: Uint8Array;
};

/** Head of an object that is for all. */
export const SITE_OBJECT_HEAD_BYTES = 2;

export function encodeSiteObject(source: number, sites: readonly number[] | undefined, packet: Uint8Array): Uint8Array {
  const count = sites?.length ?? 0;
  const object = new Uint8Array(SITE_OBJECT_HEAD_BYTES + count + packet.length);
  object[0] = source;
  object[1] = count;
  if (sites !== undefined) object.set(sites, SITE_OBJECT_HEAD_BYTES);
  object.set(packet, SITE_OBJECT_HEAD_BYTES + count);
  return object;
}

/** Undefined: malformed. */
export function decodeSiteObject(object: Uint8Array): SiteObject | undefined {
  if (object.length < SITE_OBJECT_HEAD_BYTES) return undefined;
  const source = object[0] as number;
  const count = object[1] as number;
  const at = SITE_OBJECT_HEAD_BYTES + count;
  if (source >= SITES_MAX || count > SITES_MAX || at > object.length) return undefined;
  const sites = count === 0 ? undefined : [...object.subarray(SITE_OBJECT_HEAD_BYTES, at)];
  if (sites?.some((site) => site >= SITES_MAX) === true) return undefined;
  return { source, sites, packet: object.subarray(at) };
}
