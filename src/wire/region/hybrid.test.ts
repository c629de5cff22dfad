import fc from "fast-check";
import { expect, test } from "vitest";
import { headFault, setPacketEnd } from "./head.ts";
import {
  asResentHybrid,
  type HybridHead,
  hybridCountOf,
  hybridEntriesMax,
  hybridGroupOf,
  hybridHeadBytes,
  hybridItemsAt,
  hybridRegionOf,
  hybridSeqOf,
  hybridViewOf,
  isHybrid,
  isHybridResent,
  writeHybridHead,
} from "./hybrid.ts";
import { ItemCursor, itemHeadBytes, writeItemHead } from "./items.ts";

const id = fc.maxSafeNat().map((n) => Math.max(1, n));
const entry = fc.record({
  id: fc.record({ region: id, view: fc.integer({ min: 1, max: 0xffff_ffff }) }),
  seq: fc.integer({ min: 1, max: 2 ** 48 - 1 }),
});
const head: fc.Arbitrary<HybridHead> = fc.record({
  cluster: fc.nat(),
  origin: id,
  entries: fc.array(entry, { minLength: 1, maxLength: 80 }),
  group: id,
});
const payload = fc.uint8Array({ maxLength: 200 });

function packetOf(fields: HybridHead, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(3_000);
  const itemAt = writeHybridHead(bytes, 0, fields);
  const dataAt = writeItemHead(bytes, itemAt, 0, true, true, data.length);
  bytes.set(data, dataAt);
  setPacketEnd(bytes, 0, dataAt + data.length);
  return bytes.subarray(0, dataAt + data.length);
}

function entriesOf(packet: Uint8Array): HybridHead["entries"] {
  return Array.from({ length: hybridCountOf(packet) }, (_, i) => ({
    id: { region: hybridRegionOf(packet, i), view: hybridViewOf(packet, i) },
    seq: hybridSeqOf(packet, i),
  }));
}

function dataOf(packet: Uint8Array): Uint8Array {
  const cursor = new ItemCursor();
  cursor.open(packet, hybridItemsAt(packet));
  expect(cursor.advance()).toBe(true);
  const data = cursor.data();
  expect(cursor.advance()).toBe(false);
  return data;
}

test("a packet to several regions is read as it was written", () => {
  fc.assert(
    fc.property(head, payload, (fields, data) => {
      const packet = packetOf(fields, data);
      expect(headFault(packet)).toBeUndefined();
      expect(isHybrid(packet)).toBe(true);
      expect(isHybridResent(packet)).toBe(false);
      expect(entriesOf(packet)).toEqual(fields.entries);
      expect(hybridGroupOf(packet)).toBe(fields.group);
      expect(hybridItemsAt(packet)).toBe(hybridHeadBytes(fields.entries.length));
      expect(dataOf(packet)).toEqual(data);
    }),
  );
});

test("it is sent again to one region alone", () => {
  fc.assert(
    fc.property(head, payload, fc.nat(), (fields, data, choice) => {
      const packet = packetOf(fields, data);
      const before = packet.slice();
      const entry = choice % fields.entries.length;
      const again = asResentHybrid(packet, entry);
      expect(packet).toEqual(before);
      expect(headFault(again)).toBeUndefined();
      expect(isHybrid(again) && isHybridResent(again)).toBe(true);
      expect(entriesOf(again)).toEqual([fields.entries[entry]]);
      expect(hybridGroupOf(again)).toBe(fields.group);
      expect(dataOf(again)).toEqual(data);
    }),
  );
});

test("a datagram has room for as many entries as is said, and for no more", () => {
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 9_000 }), fc.nat(3_000), (datagramBytes, dataBytes) => {
      const itemBytes = itemHeadBytes(0, dataBytes) + dataBytes;
      const count = hybridEntriesMax(datagramBytes, itemBytes);
      if (count > 0) expect(hybridHeadBytes(count) + itemBytes).toBeLessThanOrEqual(datagramBytes);
      expect(hybridHeadBytes(count + 1) + itemBytes).toBeGreaterThan(datagramBytes);
    }),
  );
  expect(hybridEntriesMax(1_400, 0)).toBe(76);
});

test("cut short, without entries or with unknown flags it is none", () => {
  fc.assert(
    fc.property(head, (fields) => {
      const whole = packetOf(fields, new Uint8Array(0));
      for (let length = 0; length < hybridHeadBytes(fields.entries.length); length++) {
        expect(isHybrid(whole.subarray(0, length))).toBe(false);
        if (length < 20) continue;
        const packet = whole.slice(0, length);
        setPacketEnd(packet, 0, length);
        expect(isHybrid(packet)).toBe(false);
      }
      const flagged = whole.slice();
      flagged[20] = 2;
      expect(isHybrid(flagged)).toBe(false);
      expect(isHybrid(packetOf({ ...fields, entries: [] }, new Uint8Array(0)))).toBe(false);
    }),
    { numRuns: 30 },
  );
});
