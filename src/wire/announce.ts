import type { ConfigurationId, DaemonId } from "../base/ids.ts";
import { Reader, Writer } from "./bytes.ts";
import { PREFIX_BYTES, type Prefix } from "./prefix.ts";

/** A daemon that speaks for others while memberships are gathered (protocols.md G.9). */
export type Representative = {
  readonly daemon: DaemonId;
  readonly segment: number;
  /** `segment`: of daemons in its segment without a ring; `ring`: of a ring whose token is alive. */
  readonly type: "segment" | "ring";
};

/**
 * ALIVE: I have no ring. Body: incarnation u32, epoch u32, versionMax u8, configuration {u32, u32} (the last
 * installed). The epoch counts how often the sender has been without a ring: a ring knows its members' epochs from
 * the form, so an announcement that is older than the ring is recognised however late it comes.
 */
export type Alive = {
  readonly incarnation: number;
  readonly epoch: number;
  readonly versionMax: number;
  readonly configuration: ConfigurationId;
};

/**
 * JOIN: I gather representatives. Body: incarnation u32, epoch u32, versionMax u8, configuration {u32, u32}, count u16, then per
 * representative known to me, myself first, {daemon u32, segment u16, type u8 (0 segment, 1 ring)}.
 */
export type Join = Alive & { readonly representatives: readonly Representative[] };

/** REFER: ask this daemon instead. Body: incarnation u32, daemon u32. */
export type Refer = { readonly incarnation: number; readonly to: DaemonId };

export const REPRESENTATIVES_MAX = 1024;

export function encodeAlive(alive: Alive): Uint8Array {
  return announce(alive).finish();
}

export function decodeAlive(prefix: Prefix, bytes: Uint8Array): Alive | undefined {
  const input = new Reader(bytes, PREFIX_BYTES, PREFIX_BYTES + prefix.bodyLength);
  const alive = readAnnounce(input);
  return input.failed || input.remaining > 0 ? undefined : alive;
}

export function encodeJoin(join: Join): Uint8Array {
  const out = announce(join);
  writeRepresentatives(out, join.representatives);
  return out.finish();
}

export function decodeJoin(prefix: Prefix, bytes: Uint8Array): Join | undefined {
  const input = new Reader(bytes, PREFIX_BYTES, PREFIX_BYTES + prefix.bodyLength);
  const alive = readAnnounce(input);
  const representatives = readRepresentatives(input);
  if (input.failed || input.remaining > 0 || representatives[0]?.daemon !== prefix.origin) return undefined;
  return { ...alive, representatives };
}

export function encodeRefer(refer: Refer): Uint8Array {
  return new Writer(8).u32(refer.incarnation).u32(refer.to).finish();
}

export function decodeRefer(prefix: Prefix, bytes: Uint8Array): Refer | undefined {
  const input = new Reader(bytes, PREFIX_BYTES, PREFIX_BYTES + prefix.bodyLength);
  const refer = { incarnation: input.u32(), to: input.u32() };
  return input.failed || input.remaining > 0 ? undefined : refer;
}

export function writeRepresentatives(out: Writer, representatives: readonly Representative[]): void {
  out.u16(representatives.length);
  for (const { daemon, segment, type } of representatives)
    out
      .u32(daemon)
      .u16(segment)
      .u8(type === "ring" ? 1 : 0);
}

export function readRepresentatives(input: Reader): Representative[] {
  const representatives: Representative[] = [];
  const count = input.count(REPRESENTATIVES_MAX, 7);
  for (let i = 0; i < count; i++) {
    representatives.push({ daemon: input.u32(), segment: input.u16(), type: input.u8() === 1 ? "ring" : "segment" });
  }
  return representatives;
}

function announce(alive: Alive): Writer {
  return new Writer(64)
    .u32(alive.incarnation)
    .u32(alive.epoch)
    .u8(alive.versionMax)
    .u32(alive.configuration.leader)
    .u32(alive.configuration.time);
}

function readAnnounce(input: Reader): Alive {
  return {
    incarnation: input.u32(),
    epoch: input.u32(),
    versionMax: input.u8(),
    configuration: { leader: input.u32(), time: input.u32() },
  };
}
