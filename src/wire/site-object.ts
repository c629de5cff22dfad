import type { ConfigurationId, DaemonId } from "../base/ids.ts";
import { SITES_MAX } from "../base/site-set.ts";
import { Kind, writePrefix } from "./prefix.ts";
import { RING_DATA_HEAD_BYTES, writeRingDataHead } from "./ring-data.ts";
import { dropZeroRuns, restoreZeroRuns, ZERO_RUNS_BYTES_MAX } from "./zero-runs.ts";

/*
 * An object on a hop between sites: a packet of a site on its way to others.
 *
 *   source u8    the site whose tree it follows
 *   count u8     0: it is for all sites
 *   sites u8[count]
 *   packet       with its prefix and padding: RING_DATA, RING_UNRELIABLE, SITE_UPDATE, SITE_DONE. Its head is taken (XOR) relative to
 *                one that both ends know, so that what is as ever is 0; runs of zeros are left out (zero-runs.ts)
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

/** The head that packets of a site have, as far as all have the same: its representative's RING_DATA in a configuration. */
export function usualHead(
  { version, confHash }: { readonly version: number; readonly confHash: number },
  configuration: ConfigurationId,
  site: number,
  representative: DaemonId,
): Uint8Array {
  const head = new Uint8Array(RING_DATA_HEAD_BYTES);
  writePrefix(head, 0, version, Kind.ringData, confHash, 0, representative, 0);
  writeRingDataHead(head, configuration, site, 0, 0, 0, 0);
  return head;
}

/** `usual`: `usualHead` of the source. */
export function encodeSiteObject(
  source: number,
  sites: readonly number[] | undefined,
  packet: Uint8Array,
  usual: Uint8Array,
): Uint8Array {
  const count = sites?.length ?? 0;
  const object = new Uint8Array(SITE_OBJECT_BYTES_MAX + count + packet.length);
  object[0] = source;
  object[1] = count;
  if (sites !== undefined) object.set(sites, HEAD_BYTES);
  const relative = packet.slice();
  takeRelative(relative, usual);
  return object.subarray(0, dropZeroRuns(relative, object, HEAD_BYTES + count));
}

/** `usualOf`: `usualHead` of a source, undefined if there is no such site. Undefined: malformed. */
export function decodeSiteObject(
  object: Uint8Array,
  usualOf: (source: number) => Uint8Array | undefined,
): SiteObject | undefined {
  if (object.length < HEAD_BYTES) return undefined;
  const source = object[0] as number;
  const count = object[1] as number;
  const at = HEAD_BYTES + count;
  if (source >= SITES_MAX || count > SITES_MAX || at > object.length) return undefined;
  const sites = count === 0 ? undefined : [...object.subarray(HEAD_BYTES, at)];
  if (sites?.some((site) => site >= SITES_MAX) === true) return undefined;
  const usual = usualOf(source);
  const packet = restoreZeroRuns(object.subarray(at), PACKET_BYTES_MAX);
  if (usual === undefined || packet === undefined) return undefined;
  takeRelative(packet, usual);
  return { source, sites, packet };
}

/** Twice: as it was. */
function takeRelative(packet: Uint8Array, usual: Uint8Array): void {
  const length = Math.min(packet.length, usual.length);
  for (let i = 0; i < length; i++) packet[i] = (packet[i] as number) ^ (usual[i] as number);
}
