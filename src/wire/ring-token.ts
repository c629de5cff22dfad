import type { ConfigurationId, DaemonId } from "../base/ids.ts";
import type { RangeSet } from "../base/range-set.ts";
import { SITES_MAX } from "../base/site-set.ts";
import { Reader, Writer } from "./bytes.ts";
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
/** Nobody can lack more of a stream than can be held of it: requests for more are malformed. */
export const REQUEST_PACKETS_MAX = 8192;

const BYTES_WITHOUT_REQUESTS = 55;
const INSTALLS = 1;
const REMOTE_BYTES = 14;

export function encodeToken(token: Token): Uint8Array {
  const out = new Writer(BYTES_WITHOUT_REQUESTS)
    .u32(token.configuration.leader)
    .u32(token.configuration.time)
    .u32(token.hop)
    .u32(token.linkSeq)
    .u32(token.linkAru)
    .u32(token.linkAruSetter)
    .u32(token.siteSeq)
    .u32(token.siteLts)
    .u32(token.siteAru)
    .u32(token.siteAruSetter)
    .u32(token.rotationBytes)
    .u16(token.waiting)
    .u16(Math.min(token.idleHops, 0xffff))
    .u8(token.recovered)
    .u32(token.recoveredSetter);
  const requests = token.requests.slice(0, REQUESTS_MAX);
  out.u16(requests.length);
  for (const { configuration, site, missing } of requests) {
    out.u32(configuration.leader).u32(configuration.time).u16(site).rangeSet(missing);
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

export function decodeToken(prefix: Prefix, bytes: Uint8Array): Token | undefined {
  const input = new Reader(bytes, PREFIX_BYTES, PREFIX_BYTES + prefix.bodyLength);
  const configuration = { leader: input.u32(), time: input.u32() };
  const token: Token = {
    configuration,
    hop: input.u32(),
    linkSeq: input.u32(),
    linkAru: input.u32(),
    linkAruSetter: input.u32(),
    siteSeq: input.u32(),
    siteLts: input.u32(),
    siteAru: input.u32(),
    siteAruSetter: input.u32(),
    rotationBytes: input.u32(),
    waiting: input.u16(),
    idleHops: input.u16(),
    recovered: input.u8(),
    recoveredSetter: input.u32(),
    requests: [],
    remotes: [],
    installs: false,
    credit: UNLIMITED_CREDIT,
  };
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
