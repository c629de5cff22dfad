import type { Peer } from "./outbox.ts";

/**
 * Which addresses the IP method lets in: the syntax of `spread.access_ip` (spread-client-protocol section 2.5), one rule a
 * line, where `unix` and IPv6 work too, which they do not in the production daemon.
 */
export type AccessRule =
  | { readonly kind: "unix" }
  /** 127.0.0.0/8 and ::1. */
  | { readonly kind: "local" }
  | { readonly kind: "network"; readonly address: Uint8Array; readonly prefixBits: number };
export type AccessRules = readonly AccessRule[];

/** Reads rules; a line that is none is reported with its number. `#` in the first column begins a comment. */
export function parseAccessRules(text: string): { readonly rules: AccessRules; readonly faults: readonly string[] } {
  const rules: AccessRule[] = [];
  const faults: string[] = [];
  for (const [n, line] of text.split(/\r?\n/).entries()) {
    if (line.startsWith("#") || line.trim() === "") continue;
    const rule = parseRule(line.trim());
    if (rule === undefined)
      faults.push(`line ${n + 1}: "${line.trim()}" is no address, a.b.c.d/prefix, "local" or "unix"`);
    else rules.push(rule);
  }
  return { rules, faults };
}

/** Whether one of the rules lets this peer in. No rule, nobody. */
export function isAllowed(peer: Peer, rules: AccessRules): boolean {
  // Whoever runs the daemon may use it.
  if (peer.kind !== "tcp") return peer.kind === "process" || rules.some((rule) => rule.kind === "unix");
  const address = parseAddress(peer.address);
  if (address === undefined) return false;
  return rules.some((rule) => {
    if (rule.kind === "unix") return false;
    return rule.kind === "local" ? isLocal(address) : isWithin(address, rule.address, rule.prefixBits);
  });
}

function parseRule(text: string): AccessRule | undefined {
  if (text.startsWith("unix")) return { kind: "unix" };
  if (text.startsWith("local")) return { kind: "local" };
  const [network, prefix, ...more] = text.split("/");
  const address = parseAddress(network ?? "");
  if (address === undefined || more.length > 0) return undefined;
  const bits = address.length * 8;
  if (prefix === undefined) return { kind: "network", address, prefixBits: bits };
  if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > bits) return undefined;
  return { kind: "network", address, prefixBits: Number(prefix) };
}

/** An address as four or sixteen bytes; an IPv4 address mapped into IPv6 as four. A scope behind `%` does not count. */
export function parseAddress(text: string): Uint8Array | undefined {
  const bare = text.split("%", 1)[0] as string;
  const bytes = bare.includes(":") ? parseIpv6(bare) : parseIpv4(bare);
  if (bytes?.length === 16 && bytes.subarray(0, 10).every((b) => b === 0) && bytes[10] === 0xff && bytes[11] === 0xff) {
    return bytes.slice(12);
  }
  return bytes;
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) return undefined;
  return Uint8Array.from(parts, Number);
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const left = ipv6Part(halves[0] as string);
  const right = halves.length === 2 ? ipv6Part(halves[1] as string) : [];
  if (left === undefined || right === undefined) return undefined;
  const gap = 16 - left.length - right.length;
  if (halves.length === 2 ? gap < 2 : gap !== 0) return undefined;
  return Uint8Array.from([...left, ...new Uint8Array(gap), ...right]);
}

function ipv6Part(text: string): number[] | undefined {
  if (text === "") return [];
  const bytes: number[] = [];
  const groups = text.split(":");
  for (const [n, group] of groups.entries()) {
    if (group.includes(".") && n === groups.length - 1) {
      const ipv4 = parseIpv4(group);
      if (ipv4 === undefined) return undefined;
      bytes.push(...ipv4);
    } else if (/^[0-9a-f]{1,4}$/i.test(group)) {
      const value = Number.parseInt(group, 16);
      bytes.push(value >>> 8, value & 0xff);
    } else return undefined;
  }
  return bytes;
}

function isLocal(address: Uint8Array): boolean {
  return address.length === 4 ? address[0] === 127 : address.every((byte, i) => byte === (i === 15 ? 1 : 0));
}

function isWithin(address: Uint8Array, network: Uint8Array, prefixBits: number): boolean {
  if (address.length !== network.length) return false;
  for (let bit = 0; bit < prefixBits; bit += 8) {
    const mask = prefixBits - bit >= 8 ? 0xff : (0xff << (8 - (prefixBits - bit))) & 0xff;
    const i = bit / 8;
    if (((address[i] as number) & mask) !== ((network[i] as number) & mask)) return false;
  }
  return true;
}
