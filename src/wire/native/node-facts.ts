import { Reader, Writer } from "../bytes.ts";
import { type Repairs, repairsCode, repairsOfCode } from "../timely/repairs.ts";
import { TypeBit } from "../spread/codes.ts";
import { dataBytesOf, encodeFrame, groupCountOf, HEADER_BYTES, messageTypeOf } from "../spread/frame.ts";
import { decodeUtf8, encodeUtf8 } from "./fields.ts";
import { NodeFrame } from "./node-frames.ts";

/*
 * What a daemon tells a node of its surroundings, as messages to no group (wire/native/node-frames.ts):
 *
 *   4 SITE    daemon to node   cluster u32, flags u8 (1: multicast is used, 2: there is a pool), and with a pool: base u32, size u32,
 *                              port u16, ttl u8
 *   5 FACTS   daemon to node   policy u8 (its place in POLICIES, from 1; 0: none), repairs u16 (timely/repairs.ts), flags u8 (1: total
 *                              order), and the group's name
 */

const MULTICAST = 1;
const POOL = 2;
const POLICIES = ["wait", "drop", "expel"] as const;

/** The multicast addresses of a site's regions: `size` of them, from `base` (an IPv4 address as a number) on, all with one port. */
export type SitePool = {
  readonly base: number;
  readonly size: number;
  readonly port: number;
  /** How many routers a datagram may pass, and one. */
  readonly ttl: number;
};

/** What all nodes of a site have in common. */
export type NodeSite = {
  /** Tells datagrams of different sites apart. */
  readonly cluster: number;
  /** `undefined`: no multicast, ever. Otherwise nodes listen to their regions' addresses. */
  readonly pool: SitePool | undefined;
  /** Whether to send to those addresses, as far as the daemon has found out. */
  readonly usesMulticast: boolean;
};

/** What is fixed of a group whose members are nodes. */
export type GroupFacts = {
  readonly group: string;
  /** What becomes of a member that reads too slowly. */
  readonly policy: (typeof POLICIES)[number] | undefined;
  /** Of a timely group. */
  readonly repairs: Repairs | undefined;
  /** Whether it is totally ordered. */
  readonly isOrdered: boolean;
};

export function encodeNodeSite({ cluster, pool, usesMulticast }: NodeSite): Uint8Array {
  const out = new Writer(16).u32(cluster).u8((usesMulticast ? MULTICAST : 0) | (pool === undefined ? 0 : POOL));
  if (pool !== undefined) out.u32(pool.base).u32(pool.size).u16(pool.port).u8(pool.ttl);
  return encodeFrame(TypeBit.agreed, "", [], NodeFrame.site, out.finish());
}

/** Of a whole frame at `at`; `undefined` if it is another message, or not well formed. */
export function decodeNodeSite(bytes: Uint8Array, at: number): NodeSite | undefined {
  const input = readerOf(bytes, at, NodeFrame.site);
  if (input === undefined) return undefined;
  const cluster = input.u32();
  const flags = input.u8();
  let pool: SitePool | undefined;
  if ((flags & POOL) !== 0) pool = { base: input.u32(), size: input.u32(), port: input.u16(), ttl: input.u8() };
  if (input.failed || (pool !== undefined && !isPlausible(pool))) return undefined;
  return { cluster, pool, usesMulticast: (flags & MULTICAST) !== 0 };
}

export function encodeGroupFacts({ group, policy, repairs, isOrdered }: GroupFacts): Uint8Array {
  const out = new Writer(40).u8(policy === undefined ? 0 : POLICIES.indexOf(policy) + 1).u16(repairsCode(repairs));
  out.u8(Number(isOrdered));
  return encodeFrame(TypeBit.agreed, "", [], NodeFrame.facts, out.raw(encodeUtf8(group)).finish());
}

/** Of a whole frame at `at`; `undefined` if it is another message, or not well formed. */
export function decodeGroupFacts(bytes: Uint8Array, at: number): GroupFacts | undefined {
  const input = readerOf(bytes, at, NodeFrame.facts);
  if (input === undefined) return undefined;
  const code = input.u8();
  const repairs = repairsOfCode(input.u16());
  const isOrdered = (input.u8() & 1) !== 0;
  if (input.failed || code > POLICIES.length || repairs === undefined) return undefined;
  const group = decodeUtf8(input.raw(input.remaining));
  return { group, policy: POLICIES[code - 1], repairs: repairs === "none" ? undefined : repairs, isOrdered };
}

/** Whether these are multicast addresses (224.0.0.0/4), and a port. */
function isPlausible({ base, size, port }: SitePool): boolean {
  return base >= 0xe000_0000 && size > 0 && base + size <= 0xf000_0000 && port > 0;
}

function readerOf(bytes: Uint8Array, at: number, type: number): Reader | undefined {
  if (groupCountOf(bytes, at) !== 0 || messageTypeOf(bytes, at) !== type) return undefined;
  const data = at + HEADER_BYTES;
  return new Reader(bytes.subarray(data, data + dataBytesOf(bytes, at)));
}
