import fc from "fast-check";
import { expect, test } from "vitest";
import { RangeSet } from "../../base/range-set.ts";
import { headFault, originOf } from "../region/head.ts";
import {
  BEFORE_MAX,
  encodeTimelyData,
  isTimelyData,
  timelyBeforeOf,
  timelyGroupOf,
  timelyJoinedOf,
  timelyPayloadOf,
  timelySeqOf,
  timelyViewOf,
} from "./data.ts";
import { decodeTimelyNak, encodeTimelyNak, NAK_RANGES_MAX } from "./nak.ts";
import { decodeTimelyRate, encodeTimelyRate, RATE_WISHES_MAX } from "./rate.ts";
import { decodeRepair, encodeRepair, REPAIR_PACKETS_MAX } from "./repair.ts";
import { decodeTimelyState, encodeTimelyState, STATE_STREAMS_MAX } from "./state.ts";
import { decodeTimelyTell, encodeTimelyTell } from "./tell.ts";

const CLUSTER = 5;
const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const seq = fc.integer({ min: 1, max: 2 ** 48 - 1 });
const packetId = fc.record({ sender: id, group: id, seq });

test("packets of groups come back as they were", () => {
  fc.assert(
    fc.property(
      packetId,
      fc.record({ view: seq, before: fc.nat(600), joined: seq }),
      fc.uint8Array({ maxLength: 80 }),
      (packet, sentIn, payload) => {
        const bytes = encodeTimelyData(CLUSTER, packet, sentIn, payload);
        expect(headFault(bytes)).toBeUndefined();
        expect(isTimelyData(bytes)).toBe(true);
        expect({ sender: originOf(bytes), group: timelyGroupOf(bytes), seq: timelySeqOf(bytes) }).toEqual(packet);
        expect([timelyViewOf(bytes), timelyJoinedOf(bytes)]).toEqual([sentIn.view, sentIn.joined]);
        expect(timelyBeforeOf(bytes)).toBe(Math.min(sentIn.before, BEFORE_MAX));
        expect(timelyPayloadOf(bytes)).toEqual(payload);
      },
    ),
  );
});

test("a copy of a payload is a copy, also of what Node's sockets give", () => {
  const bytes = Buffer.from(
    encodeTimelyData(CLUSTER, { sender: 1, group: 2, seq: 3 }, { view: 1, before: 0, joined: 1 }, Uint8Array.of(7)),
  );
  const copy = timelyPayloadOf(bytes).slice();
  copy[0] = 8;
  expect(timelyPayloadOf(bytes)).toEqual(Uint8Array.of(7));
});

test("repairs come back as they were", () => {
  const lists = fc.tuple(
    fc.array(packetId, { minLength: 1, maxLength: REPAIR_PACKETS_MAX }),
    fc.array(packetId, { maxLength: REPAIR_PACKETS_MAX }),
  );
  const sums = fc.record({ lengths: fc.nat(0xffff), checksum: fc.nat(0xffff_ffff) });
  fc.assert(
    fc.property(id, lists, sums, fc.integer({ min: 1, max: 60 }), (origin, [packets, lasts], both, xorBytes) => {
      const bytes = encodeRepair(CLUSTER, origin, packets, lasts, both, xorBytes);
      expect(headFault(bytes)).toBeUndefined();
      expect(decodeRepair(bytes)).toEqual({ origin, packets, lasts, ...both, xor: new Uint8Array(xorBytes) });
    }),
  );
});

test("states and requests come back as they were", () => {
  const states = fc.array(
    fc.record({
      group: id,
      joined: seq,
      view: seq,
      from: fc.integer({ min: 1, max: 1_000 }),
      began: fc.integer({ min: 1, max: 1_000 }),
      last: fc.integer({ min: 1_000, max: 9_000 }),
    }),
    { maxLength: STATE_STREAMS_MAX },
  );
  fc.assert(
    fc.property(id, states, (origin, streams) => {
      expect(decodeTimelyState(encodeTimelyState(CLUSTER, origin, streams))).toEqual(streams);
    }),
  );
  const naks = fc.array(fc.tuple(id, seq, fc.uniqueArray(fc.integer({ min: 1, max: 300 }), { maxLength: 90 })), {
    maxLength: 32,
  });
  fc.assert(
    fc.property(id, naks, (origin, list) => {
      const sent = list.map(([group, since, seqs]) => {
        return { group, since, missing: RangeSet.of(...seqs.map((n) => [n, n] as const)) };
      });
      const received = decodeTimelyNak(encodeTimelyNak(CLUSTER, origin, sent)) ?? [];
      expect(received.map(({ group, since }) => [group, since])).toEqual(
        sent.map(({ group, since }) => [group, since]),
      );
      received.forEach(({ missing }, i) => {
        const ranges = [...(sent[i]?.missing.ranges() ?? [])];
        expect([...missing.ranges()]).toEqual(ranges.slice(0, NAK_RANGES_MAX));
      });
    }),
  );
});

test("what is said to one member comes back as it was", () => {
  fc.assert(
    fc.property(id, id, fc.uint8Array({ maxLength: 80 }), (origin, group, body) => {
      const bytes = encodeTimelyTell(CLUSTER, origin, { group, body });
      expect(headFault(bytes)).toBeUndefined();
      expect(originOf(bytes)).toBe(origin);
      expect(decodeTimelyTell(bytes)).toEqual({ group, body });
    }),
  );
});

test("how members want to be repaired comes back as it was", () => {
  const wish = fc.record({
    recovery: fc.integer({ min: 9_000, max: 9_999 }).map((n) => n / 10_000),
    every: fc.integer({ min: 2, max: 32 }),
    copies: fc.nat(64),
    burst: fc.integer({ min: 1, max: 255 }),
  });
  fc.assert(
    fc.property(id, fc.array(wish, { maxLength: RATE_WISHES_MAX }), (origin, wishes) => {
      const bytes = encodeTimelyRate(CLUSTER, origin, wishes);
      expect(headFault(bytes)).toBeUndefined();
      expect(originOf(bytes)).toBe(origin);
      expect(decodeTimelyRate(bytes)).toEqual(wishes);
    }),
  );
  const bad = { recovery: 0.99, every: 1, copies: 5, burst: 1 };
  expect(decodeTimelyRate(encodeTimelyRate(CLUSTER, 1, [bad]))).toBeUndefined();
});

test("whatever bytes come, reading them does not throw", () => {
  const valid = [
    encodeTimelyData(CLUSTER, { sender: 1, group: 2, seq: 3 }, { view: 1, before: 0, joined: 1 }, new Uint8Array(9)),
    encodeRepair(CLUSTER, 1, [{ sender: 1, group: 2, seq: 3 }], [], { lengths: 1, checksum: 2 }, 20),
    encodeTimelyState(CLUSTER, 1, [{ group: 2, joined: 1, view: 1, from: 1, began: 1, last: 3 }]),
    encodeTimelyNak(CLUSTER, 1, [{ group: 2, since: 1, missing: RangeSet.of([1, 4]) }]),
    encodeTimelyTell(CLUSTER, 1, { group: 2, body: new Uint8Array(5) }),
    encodeTimelyRate(CLUSTER, 1, [{ recovery: 0.99, every: 8, copies: 5, burst: 1 }]),
  ];
  const damage = fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 6 });
  fc.assert(
    fc.property(fc.nat(5), damage, fc.nat(400), (which, changes, length) => {
      const bytes = (valid[which] as Uint8Array).slice(0, Math.max(20, length));
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      if (isTimelyData(bytes)) timelyPayloadOf(bytes);
      decodeRepair(bytes);
      decodeTimelyState(bytes);
      decodeTimelyTell(bytes);
      decodeTimelyNak(bytes);
      decodeTimelyRate(bytes);
    }),
    { numRuns: 2_000 },
  );
});
