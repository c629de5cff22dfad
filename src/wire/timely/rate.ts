import type { NodeId } from "../../base/ids.ts";
import { Reader, Writer } from "../bytes.ts";
import { bodyEndOf, isPacket, NODE_HEAD_BYTES, NodeKind, setPacketEnd, writeHead } from "../region/head.ts";
import { COPIES_MAX, EVERY_MAX, EVERY_MIN, recoveryCode, recoveryOfCode } from "./repairs.ts";

/*
 * TIMELY_RATE, behind the head: 20 count u8, then {recovery u16, every u8, copies u8, burst u8} each
 *
 * How the origin wants to be repaired in groups that are set to that recovery (repairs.ts): each repair of up to `every` packets, each
 * packet covered by `copies` of its receivers, those of a repair `burst` packets apart. The last one counts.
 */

export type RateWish = {
  readonly recovery: number;
  readonly every: number;
  readonly copies: number;
  readonly burst: number;
};

const WISH_BYTES = 5;
/** Wishes in one packet. */
export const RATE_WISHES_MAX = 16;

export function encodeTimelyRate(cluster: number, origin: NodeId, wishes: readonly RateWish[]): Uint8Array {
  const out = new Writer(NODE_HEAD_BYTES + 1 + WISH_BYTES * wishes.length).raw(new Uint8Array(NODE_HEAD_BYTES));
  out.u8(wishes.length);
  for (const { recovery, every, copies, burst } of wishes) {
    out.u16(recoveryCode(recovery)).u8(every).u8(copies).u8(burst);
  }
  const bytes = out.finish();
  writeHead(bytes, 0, NodeKind.timelyRate, cluster, origin);
  setPacketEnd(bytes, 0, bytes.length);
  return bytes;
}

/** Undefined: malformed. */
export function decodeTimelyRate(packet: Uint8Array): RateWish[] | undefined {
  if (!isPacket(packet, NodeKind.timelyRate, 1)) return undefined;
  const input = new Reader(packet, NODE_HEAD_BYTES, bodyEndOf(packet));
  const count = input.u8();
  if (count > RATE_WISHES_MAX) return undefined;
  const wishes: RateWish[] = [];
  for (let i = 0; i < count; i++) {
    const recovery = recoveryOfCode(input.u16());
    const wish = { recovery: recovery ?? 0, every: input.u8(), copies: input.u8(), burst: input.u8() };
    const { every, copies, burst } = wish;
    if (recovery === undefined || every < EVERY_MIN || every > EVERY_MAX || copies > COPIES_MAX || burst === 0) {
      input.fail();
    }
    wishes.push(wish);
  }
  return input.failed || input.remaining > 0 ? undefined : wishes;
}
