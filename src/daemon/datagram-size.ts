import { DATAGRAM_OVERHEAD_BYTES, deviceOf, mtuOf } from "../host/mtu.ts";
import type { SiteConfig } from "./config/site.ts";

/** What a daemon's datagrams to others may be as long as; `large` where it is worth while to find out whether longer ones than usual get through. */
export type DatagramSizes = {
  readonly usual: number;
  readonly large: number | undefined;
  /** Where they come from, for people. */
  readonly because: string;
};

/** Of a datagram that is sure to be read (RFC 791: what every host takes whole). */
const LEAST_BYTES = 576;
/** What jumbo frames of 9,000 bytes leave, with something to spare for tunnels. Longer ones cost no less, also over the loopback. */
export const LARGE_BYTES_MAX = 8_900;

/**
 * From the file, and from the MTU of the interface that has the daemon's address: what the file says, if it says something; otherwise what fits the MTU, and is
 * no longer than the file's default, which gets through nearly everywhere. Where the MTU has room for twice that, longer ones are to be tried.
 */
export async function datagramSizes(site: SiteConfig, address: string): Promise<DatagramSizes> {
  const { datagramBytes, hasOwnDatagramBytes, dissemination, sites, family } = site;
  if (hasOwnDatagramBytes) return { usual: datagramBytes, large: undefined, because: "the configuration says so" };
  if (dissemination === "tcp") return { usual: datagramBytes, large: undefined, because: "streams take any length" };
  const device = deviceOf(address);
  const mtu = device === undefined ? undefined : await mtuOf(device);
  if (mtu === undefined) return { usual: datagramBytes, large: undefined, because: "the MTU cannot be read" };
  const room = mtu - DATAGRAM_OVERHEAD_BYTES[family];
  const because = `the MTU of ${device} is ${mtu}`;
  if (room < datagramBytes) return { usual: Math.max(LEAST_BYTES, room), large: undefined, because };
  // Between sites they are inside of others, on links whose MTU nobody here knows.
  const isWorthwhile = room >= 2 * datagramBytes && sites.length === 1;
  return { usual: datagramBytes, large: isWorthwhile ? Math.min(LARGE_BYTES_MAX, room) : undefined, because };
}

/** What the file says of the lengths, for people. How long datagrams are then depends on the MTU of each host: `datagramSizes`. */
export function describedLengths({ datagramBytes, hasOwnDatagramBytes, dissemination, sites }: SiteConfig): string {
  if (hasOwnDatagramBytes || dissemination === "tcp") return `${datagramBytes} bytes`;
  const longer = sites.length > 1 ? "" : `, up to ${LARGE_BYTES_MAX} where the MTU has room and they get through`;
  return `${datagramBytes} bytes (auto: fewer where the MTU is smaller${longer})`;
}
