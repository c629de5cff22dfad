/** An Internet address without a port. */
export type Address = {
  readonly family: "ipv4" | "ipv6";
  /** Canonical text (RFC 5952 for IPv6), without a zone. */
  readonly text: string;
  /** The zone of a link-local IPv6 address, such as `eth0`. */
  readonly zone: string | undefined;
  /** 4 or 16 bytes. */
  readonly bytes: Uint8Array;
};

export const FAMILY_NAMES = { ipv4: "IPv4", ipv6: "IPv6" } as const;

/** Reads an IPv4 address (four decimal numbers) or an IPv6 address with or without `%zone`; else `undefined`. */
export function parseAddress(text: string): Address | undefined {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): Address | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  const bytes = match.slice(1).map(Number);
  if (bytes.some((byte) => byte > 255)) return undefined;
  return { family: "ipv4", text: bytes.join("."), zone: undefined, bytes: Uint8Array.from(bytes) };
}

function parseIpv6(text: string): Address | undefined {
  const percent = text.indexOf("%");
  const zone = percent < 0 ? undefined : text.slice(percent + 1);
  if (zone === "") return undefined;
  let body = percent < 0 ? text : text.slice(0, percent);

  // An embedded IPv4 address at the end stands for two groups.
  const tail = /^(.*:)(\d{1,3}(?:\.\d{1,3}){3})$/.exec(body);
  if (tail !== null) {
    const ipv4 = parseIpv4(tail[2] ?? "");
    if (ipv4 === undefined) return undefined;
    const [a = 0, b = 0, c = 0, d = 0] = ipv4.bytes;
    body = `${tail[1]}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  }

  const halves = body.split("::");
  if (halves.length > 2) return undefined;
  const head = groupsOf(halves[0] ?? "");
  const rest = halves.length === 2 ? groupsOf(halves[1] ?? "") : [];
  if (head === undefined || rest === undefined) return undefined;
  const missing = 8 - head.length - rest.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...Array.from({ length: missing }, () => 0), ...rest];

  const bytes = new Uint8Array(16);
  groups.forEach((group, i) => {
    bytes[2 * i] = group >>> 8;
    bytes[2 * i + 1] = group & 0xff;
  });
  return { family: "ipv6", text: ipv6Text(groups), zone, bytes };
}

function groupsOf(text: string): number[] | undefined {
  if (text === "") return [];
  const groups = text.split(":");
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  return groups.map((group) => Number.parseInt(group, 16));
}

/** The longest run of two or more zero groups, the first of equals, becomes `::`. */
function ipv6Text(groups: readonly number[]): string {
  let bestStart = 0;
  let bestLength = 0;
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > bestLength) [bestStart, bestLength] = [start, length];
  }
  const hex = (part: readonly number[]) => part.map((group) => group.toString(16)).join(":");
  if (bestLength < 2) return hex(groups);
  return `${hex(groups.slice(0, bestStart))}::${hex(groups.slice(bestStart + bestLength))}`;
}

export function isMulticast(address: Address): boolean {
  const first = address.bytes[0] ?? 0;
  return address.family === "ipv4" ? first >= 224 && first <= 239 : first === 0xff;
}

export function isLoopback(address: Address): boolean {
  return address.family === "ipv4" ? address.bytes[0] === 127 : address.text === "::1";
}

/** An IPv6 address that means something only together with an interface of one host (fe80::/10). */
export function isLinkLocal({ family, bytes }: Address): boolean {
  return family === "ipv6" && bytes[0] === 0xfe && ((bytes[1] ?? 0) & 0xc0) === 0x80;
}

export function isUnspecified(address: Address): boolean {
  return address.bytes.every((byte) => byte === 0);
}
