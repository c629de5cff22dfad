import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";

/** The interface that has the address; any of 127.0.0.0/8 belongs to the loopback. */
export function deviceOf(address: string): string | undefined {
  for (const [device, addresses] of Object.entries(networkInterfaces())) {
    if (addresses?.some((entry) => entry.address === address || (entry.internal && address.startsWith("127."))))
      return device;
  }
  return undefined;
}

/** The interface's MTU in bytes; `undefined` where it cannot be read. */
export async function mtuOf(device: string): Promise<number | undefined> {
  const text = await readFile(`/sys/class/net/${device}/mtu`, "utf8").catch(() => "");
  const bytes = Number.parseInt(text, 10);
  return Number.isNaN(bytes) ? undefined : bytes;
}

/** Of the headers of IP and UDP, which take part of an MTU. */
export const DATAGRAM_OVERHEAD_BYTES = { ipv4: 28, ipv6: 48 } as const;
