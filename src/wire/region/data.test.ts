import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  AFTER_BYTES,
  AFTER_MAX,
  afterOf,
  asResent,
  DATA_HEAD_BYTES,
  type DataHead,
  dataHeadBytes,
  isData,
  isRelayed,
  itemsAt,
  regionOf,
  seqOf,
  stampOf,
  viewOf,
  writeDataHead,
} from "./data.ts";
import { bodyEndOf, clusterOf, headFault, kindOf, NodeKind, originOf, packetAt, setPacketEnd } from "./head.ts";
import { ITEM_GROUPS_MAX, ItemCursor, itemBytesMax, itemHeadBytes, writeItemHead } from "./items.ts";

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const id = fc.maxSafeNat().map((n) => Math.max(1, n));
const seq = fc.integer({ min: 1, max: 2 ** 48 - 1 });
const viewId = fc.record({ region: id, view: fc.integer({ min: 1, max: 0xffff_ffff }) });
const sealed = fc.record({ id: viewId, last: seq });
const head: fc.Arbitrary<DataHead> = fc.record({
  cluster: u32,
  origin: id,
  id: viewId,
  seq,
  after: fc.oneof(fc.constant([]), fc.array(sealed, { maxLength: 5 })),
  stamp: fc.option(u32, { nil: undefined }),
  isRelayed: fc.boolean(),
});
const item = fc.record({
  groupIndex: fc.oneof(fc.nat(40), fc.nat(8191), fc.nat(ITEM_GROUPS_MAX - 1)),
  isFirst: fc.boolean(),
  isLast: fc.boolean(),
  data: fc.uint8Array({ maxLength: 300 }),
});
type Item = { groupIndex: number; isFirst: boolean; isLast: boolean; data: Uint8Array };

function packetOf(fields: DataHead, items: readonly Item[], paddingBytes = 0): Uint8Array {
  const bytes = new Uint8Array(8_000);
  let end = writeDataHead(bytes, 0, fields);
  for (const { groupIndex, isFirst, isLast, data } of items) {
    const dataAt = writeItemHead(bytes, end, groupIndex, isFirst, isLast, data.length);
    expect(dataAt - end).toBe(itemHeadBytes(groupIndex, data.length));
    bytes.set(data, dataAt);
    end = dataAt + data.length;
  }
  setPacketEnd(bytes, 0, end);
  return bytes.subarray(0, end + paddingBytes);
}

function itemsOf(packet: Uint8Array): Item[] {
  const cursor = new ItemCursor();
  cursor.open(packet, itemsAt(packet));
  const items: Item[] = [];
  while (cursor.advance()) {
    const { groupIndex, isFirst, isLast } = cursor;
    expect(cursor.next).toBeLessThanOrEqual(bodyEndOf(packet));
    items.push({ groupIndex, isFirst, isLast, data: cursor.data().slice() });
  }
  return items;
}

describe("a data packet", () => {
  test("has these bytes", () => {
    const packet = packetOf(
      {
        cluster: 0x0102_0304,
        origin: 3 * 2 ** 32 + 7,
        id: { region: 2 ** 32 + 5, view: 9 },
        seq: 0x0100_0000_0002,
        after: [{ id: { region: 2 ** 32 + 4, view: 2 }, last: 6 }],
        stamp: 800,
        isRelayed: false,
      },
      [
        { groupIndex: 2, isFirst: true, isLast: true, data: Uint8Array.of(0xaa, 0xbb) },
        { groupIndex: 8191, isFirst: false, isLast: false, data: Uint8Array.of(0xcc) },
      ],
    );
    const hex = (text: string): number[] => text.split(" ").map((byte) => Number.parseInt(byte, 16));
    expect([...packet]).toEqual([
      ...hex("41 6d 01 30 01 02 03 04 00 47 00 33 00 00 00 03 00 00 00 07"),
      ...hex("00 00 00 01 00 00 00 05 00 00 00 09 01 00 00 00 00 02 03"),
      ...hex("01 00 00 00 01 00 00 00 04 00 00 00 02 00 00 00 00 00 06"),
      ...hex("00 00 03 20"),
      ...hex("08 02 aa bb"),
      ...hex("ff ff 01 01 cc"),
    ]);
  });

  test("has at most 44 bytes before 1,000 bytes of a message, and four more for each short one", () => {
    expect(DATA_HEAD_BYTES + itemHeadBytes(8191, 1_000)).toBe(44);
    expect(itemHeadBytes(8191, 127)).toBe(4);
    expect(itemHeadBytes(0, 1_000)).toBe(3);
  });

  test("is read as it was written, and told apart from what follows it", () => {
    fc.assert(
      fc.property(head, fc.array(item, { maxLength: 8 }), fc.nat(20), (fields, items, padding) => {
        const packet = packetOf(fields, items, padding);
        expect(headFault(packet)).toBeUndefined();
        expect(isData(packet)).toBe(true);
        expect(kindOf(packet)).toBe(NodeKind.regionData);
        expect([clusterOf(packet), originOf(packet)]).toEqual([fields.cluster, fields.origin]);
        expect({ region: regionOf(packet), view: viewOf(packet) }).toEqual(fields.id);
        expect([seqOf(packet), afterOf(packet), stampOf(packet)]).toEqual([fields.seq, fields.after, fields.stamp]);
        expect(isRelayed(packet)).toBe(fields.isRelayed);
        expect(itemsAt(packet)).toBe(dataHeadBytes(fields.after, fields.stamp !== undefined));
        expect(itemsOf(packet)).toEqual(items);
      }),
    );
  });

  test("can name as many earlier views as a byte counts", () => {
    const after = Array.from({ length: AFTER_MAX }, (_, i) => ({ id: { region: i + 1, view: 1 }, last: i }));
    const fields = { cluster: 1, origin: 1, id: { region: 999, view: 1 }, seq: 1, after, stamp: 1, isRelayed: true };
    const packet = packetOf(fields, []);
    expect(isData(packet)).toBe(true);
    expect(afterOf(packet)).toEqual(after);
    expect(packet.length).toBe(DATA_HEAD_BYTES + 1 + AFTER_MAX * AFTER_BYTES + 4);
  });

  test("is copied to be sent again, and stays as it is", () => {
    fc.assert(
      fc.property(head, fc.array(item, { maxLength: 3 }), (fields, items) => {
        const packet = packetOf(fields, items);
        const before = packet.slice();
        const again = asResent(packet);
        expect(packet).toEqual(before);
        expect(kindOf(again)).toBe(NodeKind.regionResent);
        expect(isData(again)).toBe(true);
        expect(itemsOf(again)).toEqual(items);
        again[3] = NodeKind.regionData;
        expect(again).toEqual(packet);
      }),
    );
  });

  test("that was cut short is none", () => {
    fc.assert(
      fc.property(head, fc.array(item, { maxLength: 3 }), (fields, items) => {
        const packet = packetOf(fields, items);
        for (let length = 0; length < packet.length; length++) {
          expect(headFault(packet.subarray(0, length))).toBe("malformed");
          expect(isData(packet.subarray(0, length))).toBe(false);
        }
      }),
      { numRuns: 30 },
    );
  });

  test("whose lengths were made to fit after it was cut is read within its bounds", () => {
    fc.assert(
      fc.property(head, fc.array(item, { maxLength: 3 }), (fields, items) => {
        const whole = packetOf(fields, items);
        for (let length = 20; length < whole.length; length++) {
          const packet = whole.slice(0, length);
          setPacketEnd(packet, 0, length);
          const isWhole = length >= dataHeadBytes(fields.after, fields.stamp !== undefined);
          expect(isData(packet)).toBe(isWhole);
          if (!isWhole) continue;
          const read = itemsOf(packet);
          expect(read).toEqual(items.slice(0, read.length));
        }
      }),
      { numRuns: 30 },
    );
  });

  test("with unknown flags, or ids or numbers that cannot be, is none", () => {
    const fields = {
      cluster: 1,
      origin: 1,
      id: { region: 2, view: 1 },
      seq: 1,
      after: [],
      stamp: undefined,
      isRelayed: false,
    };
    const spoilt = (at: number, ...values: number[]): boolean => {
      const packet = packetOf(fields, []);
      packet.set(values, at);
      return isData(packet);
    };
    expect(spoilt(38, 0)).toBe(true);
    expect(spoilt(38, 4)).toBe(true);
    expect(spoilt(38, 8)).toBe(false);
    expect(spoilt(32, 0, 0, 0, 0, 0, 0)).toBe(false);
    expect(spoilt(20, 0x00, 0x20)).toBe(false);
    expect(spoilt(27, 0)).toBe(false);
    expect(spoilt(31, 0)).toBe(false);
    expect(spoilt(19, 0)).toBe(false);
    expect(spoilt(3, NodeKind.regionLast)).toBe(false);
  });
});

test("an item fills the room that there is, and no longer one would", () => {
  fc.assert(
    fc.property(fc.nat(ITEM_GROUPS_MAX - 1), fc.oneof(fc.nat(300), fc.nat(60_000)), (groupIndex, room) => {
      const length = itemBytesMax(groupIndex, room);
      if (length < 0) {
        expect(itemHeadBytes(groupIndex, 0)).toBeGreaterThan(room);
        return;
      }
      expect(itemHeadBytes(groupIndex, length) + length).toBeLessThanOrEqual(room);
      expect(itemHeadBytes(groupIndex, length + 1) + length + 1).toBeGreaterThan(room);
    }),
  );
});

describe("a datagram", () => {
  const fields = {
    cluster: 1,
    origin: 1,
    id: { region: 2, view: 1 },
    seq: 1,
    after: [],
    stamp: undefined,
    isRelayed: false,
  };

  test("of several packets, padded, is cut into them", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.array(item, { maxLength: 2 }), fc.nat(9)), { minLength: 1 }), (packets) => {
        const parts = packets.map(([items, padding], i) => {
          const bytes = packetOf({ ...fields, seq: i + 1 }, items, padding).slice();
          bytes[8] = bytes.length >> 8;
          bytes[9] = bytes.length & 0xff;
          return bytes;
        });
        const bytes = Uint8Array.from(parts.flatMap((part) => [...part]));
        let at = 0;
        for (const [i, [items]] of packets.entries()) {
          expect(headFault(bytes, at)).toBeUndefined();
          const packet = packetAt(bytes, at);
          expect(isData(packet)).toBe(true);
          expect(seqOf(packet)).toBe(i + 1);
          expect(itemsOf(packet)).toEqual(items);
          at += packet.length;
        }
        expect(at).toBe(bytes.length);
      }),
      { numRuns: 50 },
    );
  });

  test("of one packet is that packet", () => {
    const bytes = packetOf(fields, []);
    expect(packetAt(bytes, 0)).toBe(bytes);
  });

  test("of another version, sealed or foreign is named as such", () => {
    const changed = (at: number, value: number): Uint8Array => {
      const bytes = packetOf(fields, []).slice();
      bytes[at] = value;
      return bytes;
    };
    expect(headFault(changed(2, 2))).toBe("version");
    expect(headFault(changed(2, 0))).toBe("version");
    expect(headFault(changed(3, NodeKind.regionData | 0x80))).toBe("sealed");
    expect(headFault(changed(0, 0x42))).toBe("malformed");
    expect(headFault(changed(13, 0x20))).toBe("malformed");
    expect(headFault(changed(3, 0x3f))).toBeUndefined();
  });
});
