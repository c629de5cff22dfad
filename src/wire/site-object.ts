import { SITES_MAX } from "../base/site-set.ts";
import { dropZeroRuns, restoreZeroRuns, ZERO_RUNS_BYTES_MAX } from "./zero-runs.ts";

/*
 * An object on a hop between sites: a packet of a site on its way to others.
 *
 *   source u8    the site whose tree it follows
 *   count u8     0: it is for all sites
 *   sites u8[count]
 *   packet       with its prefix and padding, without runs of zeros (zero-runs.ts): RING_DATA, RING_UNRELIABLE, SITE_UPDATE, SITE_DONE
 */

export type SiteObject = {
  readonly source: number;
  /** `undefined`: all. */
  readonly sites: readonly number[] | undefined;
  readonly packet: Uint8Array;
};

const HEAD_BYTES = 2;
/** What an object takes beside its packet at most, if it is for all; with a list of sites, one more for each. */
export const SITE_OBJECT_BYTES_MAX = HEAD_BYTES + ZERO_RUNS_BYTES_MAX;
/** As a packet's length says at most. */
const PACKET_BYTES_MAX = 0xffff;

export function encodeSiteObject(source: number, sites: readonly number[] | undefined, packet: Uint8Array): Uint8Array {
  const count = sites?.length ?? 0;
  const object = new Uint8Array(SITE_OBJECT_BYTES_MAX + count + packet.length);
  object[0] = source;
  object[1] = count;
  if (sites !== undefined) object.set(sites, HEAD_BYTES);
  return object.subarray(0, dropZeroRuns(packet, object, HEAD_BYTES + count));
}

/** Undefined: malformed. */
export function decodeSiteObject(object: Uint8Array): SiteObject | undefined {
  if (object.length < HEAD_BYTES) return undefined;
  const source = object[0] as number;
  const count = object[1] as number;
  const at = HEAD_BYTES + count;
  if (source >= SITES_MAX || count > SITES_MAX || at > object.length) return undefined;
  const sites = count === 0 ? undefined : [...object.subarray(HEAD_BYTES, at)];
  if (sites?.some((site) => site >= SITES_MAX) === true) return undefined;
  const packet = restoreZeroRuns(object.subarray(at), PACKET_BYTES_MAX);
  return packet && { source, sites, packet };
}
