/** Where a daemon listens for clients. */
export type Address =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/**
 * Reads Spread's address syntax: `4803@host` is TCP to a name, an IPv4 or a bare IPv6 address; `4803` alone is the
 * Unix socket `/tmp/4803` (spread-client-protocol 1.1). Throws a `RangeError` that says what is wrong.
 */
export function parseAddress(text: string): Address {
  const match = /^\s*(\d{1,5})(?:@(\S+))?\s*$/.exec(text);
  const port = Number(match?.[1]);
  if (!match || port > 65_535) {
    throw new RangeError(
      `"${text}" is no daemon address: write port@host such as "4803@localhost", or "4803" for the Unix socket /tmp/4803`,
    );
  }
  const host = match[2];
  if (host === undefined) return { kind: "unix", path: `/tmp/${port}` };
  return { kind: "tcp", host: host.replace(/^\[(.*)\]$/, "$1"), port };
}

/** The same address as text; equal exactly for equal addresses. */
export function formatAddress(address: Address): string {
  return address.kind === "unix" ? address.path : `${address.port}@${address.host}`;
}
