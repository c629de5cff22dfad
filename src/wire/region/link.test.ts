import fc from "fast-check";
import { expect, test } from "vitest";
import { RangeSet } from "../../base/range-set.ts";
import { headFault, originOf, setPacketEnd } from "./head.ts";
import { decodeLast, encodeLast } from "./last.ts";
import {
  decodeLinkAck,
  decodeLinkData,
  encodeLinkAck,
  encodeLinkData,
  LINK_ACK_MESSAGES_MAX,
  LINK_ACK_RANGES_MAX,
  LINK_DATA_HEAD_BYTES,
  LINK_MESSAGE_BYTES_MAX,
} from "./link.ts";

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const id = fc.maxSafeNat().map((n) => Math.max(1, n));
const u48 = fc.integer({ min: 0, max: 2 ** 48 - 1 });

/** Neither cut short nor with lengths that fit what was left does a packet decode. */
function expectWhole(packet: Uint8Array, decode: (packet: Uint8Array) => unknown): void {
  for (let length = 0; length < packet.length; length++) {
    expect(decode(packet.subarray(0, length))).toBeUndefined();
    if (length < 20) continue;
    const shorter = packet.slice(0, length);
    setPacketEnd(shorter, 0, length);
    expect(decode(shorter)).toBeUndefined();
  }
}

test("a piece of a message is read as it was written", () => {
  const piece = fc
    .record({ bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }), offset: fc.nat(1_000_000), rest: fc.nat(9_000) })
    .map(({ bytes, offset, rest }) => ({ bytes, offset, total: offset + bytes.length + rest }));
  fc.assert(
    fc.property(piece, id, id, fc.integer({ min: 1, max: 2 ** 48 - 1 }), (part, origin, receiver, message) => {
      const data = { receiver, message, ...part };
      const packet = encodeLinkData(5, origin, data);
      expect(headFault(packet)).toBeUndefined();
      expect(originOf(packet)).toBe(origin);
      expect(packet.length).toBe(LINK_DATA_HEAD_BYTES + part.bytes.length);
      expect(decodeLinkData(packet)).toEqual(data);
    }),
  );
});

test("a piece without bytes, beyond its message, or of one that is too long is refused", () => {
  const piece = { receiver: 2, message: 1, offset: 0, total: 4, bytes: Uint8Array.of(1, 2, 3, 4) };
  const decoded = (changes: Partial<typeof piece>) => decodeLinkData(encodeLinkData(1, 1, { ...piece, ...changes }));
  expect(decoded({})).toEqual(piece);
  expect(decoded({ bytes: new Uint8Array(0) })).toBeUndefined();
  expect(decoded({ offset: 1 })).toBeUndefined();
  expect(decoded({ offset: 0xffff_ffff, total: 3 })).toBeUndefined();
  expect(decoded({ total: LINK_MESSAGE_BYTES_MAX + 1 })).toBeUndefined();
  expect(decoded({ message: 0 })).toBeUndefined();
  expect(decoded({ receiver: 0 })).toBeUndefined();
  const packet = encodeLinkData(1, 1, piece);
  for (let length = 0; length < packet.length; length++) {
    expect(decodeLinkData(packet.subarray(0, length))).toBeUndefined();
  }
});

test("an acknowledgement is read as it was written", () => {
  const range = fc.tuple(fc.nat(100_000), fc.nat(1_400));
  const part = fc.tuple(fc.integer({ min: 1, max: 5_000 }), fc.array(range, { maxLength: LINK_ACK_RANGES_MAX }));
  const ack = fc.record({
    receiver: id,
    upTo: fc.integer({ min: 0, max: 2 ** 48 - 100_000 }),
    parts: fc.array(part, { maxLength: LINK_ACK_MESSAGES_MAX }),
  });
  fc.assert(
    fc.property(ack, id, ({ receiver, upTo, parts }, origin) => {
      let message = upTo;
      const given = parts.map(([step, ranges]) => ({
        message: (message += step),
        received: RangeSet.of(...ranges.map(([low, length]) => [low, low + length] as const)),
      }));
      const packet = encodeLinkAck(5, origin, { receiver, upTo, parts: given });
      expect(headFault(packet)).toBeUndefined();
      const decoded = decodeLinkAck(packet);
      expect(decoded).toMatchObject({ receiver, upTo });
      expect(decoded?.parts.map((read) => [read.message, read.received.toString()])).toEqual(
        given.map((one) => [one.message, one.received.toString()]),
      );
      expectWhole(packet, decodeLinkAck);
    }),
    { numRuns: 50 },
  );
});

test("an acknowledgement leaves out what is too much, and fits a datagram", () => {
  const greatest = LINK_MESSAGE_BYTES_MAX - 1;
  const spread = Array.from({ length: 40 }, (_, i) => Math.floor((i * greatest) / 39));
  const received = RangeSet.of(...spread.map((low) => [low, Math.min(greatest, low + 200_000)] as const));
  const parts = Array.from({ length: 40 }, (_, i) => ({ message: 2 ** 40 * (i + 1), received }));
  const packet = encodeLinkAck(1, 1, { receiver: 2, upTo: 0, parts });
  expect(packet.length).toBeLessThan(1_300);
  const decoded = decodeLinkAck(packet);
  expect(decoded?.parts.map(({ message }) => message)).toEqual(parts.slice(0, 16).map(({ message }) => message));
  for (const part of decoded?.parts ?? []) {
    expect(part.received.toString()).toBe(received.toString().split(",").slice(0, LINK_ACK_RANGES_MAX).join(","));
  }
});

test("how far a sender's packets go is read as it was written", () => {
  const last = fc.record({
    id: fc.record({ region: id, view: fc.integer({ min: 1, max: 0xffff_ffff }) }),
    seq: u48,
    stamp: u32,
  });
  fc.assert(
    fc.property(last, id, (value, origin) => {
      const packet = encodeLast(5, origin, value);
      expect(headFault(packet)).toBeUndefined();
      expect(originOf(packet)).toBe(origin);
      expect(decodeLast(packet)).toEqual(value);
      expectWhole(packet, decodeLast);
    }),
  );
});
