import type { ConfigurationId, DaemonId } from "../base/ids.ts";
import type { RangeSet } from "../base/range-set.ts";
import { SITES_MAX } from "../base/site-set.ts";
import { getU16, getU32, Reader, setU16, setU32, Writer } from "./bytes.ts";
import { PREFIX_BYTES, type Prefix } from "./prefix.ts";

/** Packets that some member lacks: of the ring's own configuration, or in recovery of an old one. */
export type Request = {
  readonly configuration: ConfigurationId;
  readonly site: number;
  readonly missing: RangeSet;
};

/**
 * What the representative of a site tells its ring of another one: a promise of that site (recovery.md, "Terms"), all of whose
 * packets it has multicast on the ring, and the LTS up to which all daemons there hold all streams.
 */
export type RemoteSite = { readonly site: number; seq: number; lts: number; aru: number };

/**
 * The token of a site's ring (protocols.md G28, G32). linkSeq counts the packets that the ring's members stamp, as siteSeq
 * does. While there is one site, they equal siteLts and the two arus agree.
 */
export type Token = {
  readonly configuration: ConfigurationId;
  /** Grows by one at every pass: tells a new token from a repeated one. */
  hop: number;
  linkSeq: number;
  linkAru: number;
  /** Who wrote linkAru last; 0: nobody yet. */
  linkAruSetter: DaemonId;
  siteSeq: number;
  siteLts: number;
  siteAru: number;
  siteAruSetter: DaemonId;
  /** Bytes multicast in the last rotation, retransmissions included. */
  rotationBytes: number;
  /** Members that had something to send at their last visit: each has an equal share of the window. */
  waiting: number;
  /** Passes in a row at which nothing was sent, asked for or unstable. */
  idleHops: number;
  /** 1: everybody passed since the setter wrote it has all packets of its old configuration (recovery). */
  recovered: number;
  recoveredSetter: DaemonId;
  requests: Request[];
  /** Of all other sites of the configuration, ascending; empty while there is one site. */
  remotes: RemoteSite[];
  /** All sites have recovered: who sees this installs. With one site `recovered` alone says so. */
  installs: boolean;
  /** Bytes that may be stamped before the representative sees the token again: what the hops can take. */
  credit: number;
};

/** While there is one site. */
export const UNLIMITED_CREDIT = 0xffff_ffff;

/** Requests beyond these limits wait for the next rotation. */
export const REQUESTS_MAX = 32;
export const REQUEST_RANGES_MAX = 128;
/** Of one request. Daemons that speak version 2 take more for malformed, and may be on a ring that recovers what was sent in version 3. */
export const REQUEST_PACKETS_MAX = 8_192;

/*
 * The body begins with what every token has:
 *
 *    0 leader u32      4 time u32           8 hop u32        12 linkSeq u32    16 linkAru u32   20 linkAruSetter u32
 *   24 siteSeq u32    28 siteLts u32       32 siteAru u32    36 siteAruSetter u32
 *   40 rotationBytes u32   44 waiting u16  46 idleHops u16   48 recovered u8   49 recoveredSetter u32
 *   53 requests u16, and behind it so many of them
 *
 * Most tokens end there. They pass all the time, so these fields are written and read in place.
 */
const REQUESTS = 53;
const BYTES_WITHOUT_REQUESTS = REQUESTS + 2;
const INSTALLS = 1;
const REMOTE_BYTES = 14;

export function encodeToken(token: Token): Uint8Array {
  const head = new Uint8Array(BYTES_WITHOUT_REQUESTS);
  setU32(head, 0, token.configuration.leader);
  setU32(head, 4, token.configuration.time);
  setU32(head, 8, token.hop);
  setU32(head, 12, token.linkSeq);
  setU32(head, 16, token.linkAru);
  setU32(head, 20, token.linkAruSetter);
  setU32(head, 24, token.siteSeq);
  setU32(head, 28, token.siteLts);
  setU32(head, 32, token.siteAru);
  setU32(head, 36, token.siteAruSetter);
  setU32(head, 40, token.rotationBytes);
  setU16(head, 44, token.waiting);
  setU16(head, 46, Math.min(token.idleHops, 0xffff));
  head[48] = token.recovered;
  setU32(head, 49, token.recoveredSetter);
  setU16(head, REQUESTS, Math.min(token.requests.length, REQUESTS_MAX));
  if (token.requests.length === 0 && token.remotes.length === 0) return head;

  const out = new Writer().raw(head);
  for (const { configuration, site, missing } of token.requests.slice(0, REQUESTS_MAX)) {
    out.u32(configuration.leader).u32(configuration.time).u16(site).rangeSet(missing.lowest(REQUEST_PACKETS_MAX));
  }
  // Only with several sites: rings of one site have always had the rest alone.
  if (token.remotes.length > 0) {
    out
      .u8(token.installs ? INSTALLS : 0)
      .u32(token.credit)
      .u16(token.remotes.length);
    for (const { site, seq, lts, aru } of token.remotes) out.u16(site).u32(seq).u32(lts).u32(aru);
  }
  return out.finish();
}

export function decodeToken({ bodyLength }: Prefix, bytes: Uint8Array): Token | undefined {
  if (bodyLength < BYTES_WITHOUT_REQUESTS) return undefined;
  const at = PREFIX_BYTES;
  const token: Token = {
    configuration: { leader: getU32(bytes, at), time: getU32(bytes, at + 4) },
    hop: getU32(bytes, at + 8),
    linkSeq: getU32(bytes, at + 12),
    linkAru: getU32(bytes, at + 16),
    linkAruSetter: getU32(bytes, at + 20),
    siteSeq: getU32(bytes, at + 24),
    siteLts: getU32(bytes, at + 28),
    siteAru: getU32(bytes, at + 32),
    siteAruSetter: getU32(bytes, at + 36),
    rotationBytes: getU32(bytes, at + 40),
    waiting: getU16(bytes, at + 44),
    idleHops: getU16(bytes, at + 46),
    recovered: bytes[at + 48] as number,
    recoveredSetter: getU32(bytes, at + 49),
    requests: [],
    remotes: [],
    installs: false,
    credit: UNLIMITED_CREDIT,
  };
  if (bodyLength === BYTES_WITHOUT_REQUESTS) return getU16(bytes, at + REQUESTS) === 0 ? token : undefined;

  const input = new Reader(bytes, at + REQUESTS, at + bodyLength);
  const count = input.count(REQUESTS_MAX, 11);
  for (let i = 0; i < count; i++) {
    const request: Request = {
      configuration: { leader: input.u32(), time: input.u32() },
      site: input.u16(),
      missing: input.rangeSet(REQUEST_RANGES_MAX),
    };
    if (request.missing.size > REQUEST_PACKETS_MAX) input.fail();
    token.requests.push(request);
  }
  if (input.remaining > 0) readRemotes(input, token);
  return input.failed || input.remaining > 0 ? undefined : token;
}

function readRemotes(input: Reader, token: Token): void {
  token.installs = input.u8() === INSTALLS;
  token.credit = input.u32();
  const count = input.count(SITES_MAX, REMOTE_BYTES);
  for (let i = 0; i < count; i++) {
    token.remotes.push({ site: input.u16(), seq: input.u32(), lts: input.u32(), aru: input.u32() });
  }
  if (count === 0) input.fail();
}
