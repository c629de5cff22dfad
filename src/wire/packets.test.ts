import fc from "fast-check";
import { expect, test } from "vitest";
import { RangeSet } from "../base/range-set.ts";
import {
  type Representative,
  decodeAlive,
  decodeJoin,
  decodeRefer,
  encodeAlive,
  encodeJoin,
  encodeRefer,
} from "./announce.ts";
import { decodeFormHeld, encodeFormHeld } from "./form-held.ts";
import { decodeForm1, decodeForm2, encodeForm1, encodeForm2 } from "./form.ts";
import { FragmentCursor, fragmentHeadBytes, writeFragmentHead } from "./fragment.ts";
import { Kind, PREFIX_BYTES, type Prefix, packet, readPrefix, routedCopy, unroutedCopy } from "./prefix.ts";

import { decodeRingControl, encodeRingControl } from "./ring-control.ts";
import { RING_DATA_HEAD_BYTES } from "./ring-data.ts";
import { decodeRingRest, encodeRingRest } from "./ring-rest.ts";
import { decodeToken, encodeToken, type RemoteSite, UNLIMITED_CREDIT } from "./ring-token.ts";

const u8 = fc.integer({ min: 0, max: 0xff });
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const id = fc.record({ leader: u32, time: u32 });
const daemons = fc.array(u32, { maxLength: 8 });
const rangeSet = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 5000 }), fc.integer({ min: 0, max: 9 })), { maxLength: 12 })
  .map((ranges) => RangeSet.of(...ranges.map(([low, length]) => [low, low + length] as const)));
const representative = fc.record({
  daemon: u32,
  segment: u16,
  type: fc.constantFrom<Representative["type"]>("segment", "ring"),
});
const alive = fc.record({ incarnation: u32, epoch: u32, versionMax: u8, configuration: id });
const promise = fc.record({ seq: u32, lts: u32 });
const record = fc.record({
  configuration: id,
  transitionalTime: u32,
  stable: u32,
  streams: fc.array(fc.record({ site: u16, high: u32, known: promise, announced: promise, closed: fc.boolean() }), {
    maxLength: 3,
  }),
  lacks: fc.array(fc.record({ newSite: u16, stream: u16, missing: rangeSet }), { maxLength: 3 }),
  transitional: daemons,
  commit: daemons,
});
const formBody = {
  leftOut: daemons,
  creator: u32,
  attempt: u32,
  maxTime: u32,
  version: u8,
  epochs: fc.array(fc.record({ daemon: u32, incarnation: u32, epoch: u32 }), { maxLength: 3 }),
  records: fc.array(record, { maxLength: 3 }),
};
const token = fc.record({
  configuration: id,
  hop: u32,
  linkSeq: u32,
  linkAru: u32,
  linkAruSetter: u32,
  siteSeq: u32,
  siteLts: u32,
  siteAru: u32,
  siteAruSetter: u32,
  rotationBytes: u32,
  waiting: u16,
  idleHops: u16,
  recovered: u8,
  recoveredSetter: u32,
  requests: fc.array(fc.record({ configuration: id, site: u16, missing: rangeSet }), { maxLength: 4 }),
});
const ofOneSite = fc.record({
  remotes: fc.constant<RemoteSite[]>([]),
  installs: fc.constant(false),
  credit: fc.constant(UNLIMITED_CREDIT),
});
const amongSites = fc.record({
  remotes: fc.array(fc.record({ site: u16, seq: u32, lts: u32, aru: u32 }), { minLength: 1, maxLength: 4 }),
  installs: fc.boolean(),
  credit: u32,
});

/**
 * Encodes into a packet and decodes that again; also checks that no shorter body decodes. `isWhole` false: the body may end after
 * a part, so only the last byte is cut off.
 */
function roundTrip<T>(
  body: Uint8Array,
  decode: (prefix: Prefix, bytes: Uint8Array) => T | undefined,
  isWhole = true,
): T | undefined {
  const bytes = packet(1, Kind.alive, 0xdead_beef, 42, body);
  const prefix = readPrefix(bytes);
  if (typeof prefix === "string") return undefined;
  for (const length of isWhole ? [0, body.length >> 1, body.length - 1] : [0, body.length - 1]) {
    if (length >= body.length) continue;
    const short = packet(1, Kind.alive, 0, 42, body.subarray(0, length));
    expect(decode(readPrefix(short) as Prefix, short)).toBeUndefined();
  }
  return decode(prefix, bytes);
}

test("what a request has above what daemons of any version take waits for the next rotation", () => {
  const [some] = fc.sample(token, 1) as [Parameters<typeof encodeToken>[0]];
  const request = { configuration: { leader: 1, time: 2 }, site: 3, missing: RangeSet.of([5, 6], [10, 60_000]) };
  const body = encodeToken({ ...some, requests: [request], remotes: [] });
  const bytes = packet(3, Kind.ringToken, 0, 1, body);
  const [said] = decodeToken(readPrefix(bytes) as Prefix, bytes)?.requests ?? [];
  expect(said?.missing.toString()).toBe(`5-6,10-${10 + 8_192 - 3}`);
});

test("what is encoded decodes to the same token", () => {
  fc.assert(
    fc.property(token, fc.oneof(ofOneSite, amongSites), (ofTheRing, ofOthers) => {
      const value = { ...ofTheRing, ...ofOthers };
      const decoded = roundTrip(encodeToken(value), decodeToken, false);
      expect(decoded).toEqual(value);
      // Range sets keep their content private: equal bytes say that they are equal too.
      expect(decoded && encodeToken(decoded)).toEqual(encodeToken(value));
    }),
  );
});

test("what is encoded decodes to the same announcement", () => {
  fc.assert(
    fc.property(alive, fc.array(representative, { maxLength: 6 }), u16, u32, (value, others, segment, hop) => {
      const join = { ...value, representatives: [{ daemon: 42, segment, type: "ring" as const }, ...others] };
      const control = { configuration: value.configuration, hop };
      expect(roundTrip(encodeAlive(value), decodeAlive)).toEqual(value);
      expect(roundTrip(encodeJoin(join), decodeJoin)).toEqual(join);
      expect(roundTrip(encodeRefer({ incarnation: hop, to: 9 }), decodeRefer)).toEqual({ incarnation: hop, to: 9 });
      expect(roundTrip(encodeRingControl(control), decodeRingControl)).toEqual(control);
      const rest = { ...control, seq: segment };
      expect(roundTrip(encodeRingRest(rest), decodeRingRest)).toEqual(rest);
      expect(roundTrip(encodeFormHeld({ creator: 3, attempt: hop }), decodeFormHeld)).toEqual({
        creator: 3,
        attempt: hop,
      });
    }),
  );
});

test("what is encoded decodes to the same form", () => {
  const form1 = fc.record({
    ...formBody,
    done: daemons,
    pending: daemons,
    representatives: fc.array(representative, { maxLength: 3 }),
  });
  const form2 = fc.record({ ...formBody, members: fc.array(u32, { minLength: 1, maxLength: 8 }), configuration: id });
  fc.assert(
    fc.property(form1, form2, u8, (first, second, position) => {
      const form = roundTrip(encodeForm1(first), decodeForm1);
      expect(form).toEqual(first);
      expect(form && encodeForm1(form)).toEqual(encodeForm1(first));
      const read = { ...second, position: position % second.members.length };
      const readBack = roundTrip(encodeForm2(read), decodeForm2);
      expect(readBack).toEqual(read);
      expect(readBack && encodeForm2(readBack)).toEqual(encodeForm2(read));
    }),
  );
});

test("arbitrary bytes behind a valid prefix never throw and never decode by reading past the end", () => {
  const decoders = [decodeToken, decodeAlive, decodeJoin, decodeRefer, decodeForm1, decodeForm2, decodeRingControl];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (body) => {
      const bytes = packet(1, Kind.form1, 0, 42, body);
      for (const decode of decoders) decode(readPrefix(bytes) as Prefix, bytes);
      const cursor = new FragmentCursor();
      cursor.open(bytes, Math.min(bytes.length, RING_DATA_HEAD_BYTES), bytes.length);
      while (cursor.advance()) expect(cursor.next).toBeLessThanOrEqual(bytes.length);
    }),
  );
});

test("a datagram that is no packet, is cut short, or speaks another version is named as such", () => {
  const bytes = packet(1, Kind.join, 7, 42, new Uint8Array(10));
  expect(readPrefix(bytes)).toMatchObject({ kind: Kind.join, confHash: 7, origin: 42, length: PREFIX_BYTES + 10 });
  expect(readPrefix(bytes.subarray(0, 20))).toBe("malformed");
  expect(readPrefix(new Uint8Array(40))).toBe("malformed");
  const newer = bytes.slice();
  newer[2] = 4;
  expect(readPrefix(newer)).toBe("version");
  const sealed = bytes.slice();
  sealed[3] = Kind.join | 0x80;
  expect(readPrefix(sealed)).toBe("sealed");
});

test("a routed copy says so and is otherwise the same packet", () => {
  const bytes = packet(1, Kind.ringData, 7, 42, new Uint8Array(10));
  expect(readPrefix(routedCopy(bytes))).toMatchObject({ kind: Kind.ringData, routed: true });
  expect(unroutedCopy(routedCopy(bytes))).toEqual(bytes);
});

test("fragments are walked as they were written, each with the head that its flags say", () => {
  const fragment = fc.record({
    flags: fc
      .tuple(fc.integer({ min: 0, max: 5 }), fc.constantFrom(0, 8, 16, 24))
      .map(([service, ends]) => service | ends),
    content: u8,
    length: fc.integer({ min: 0, max: 40 }),
    session: u32,
    previous: u32,
    message: u32,
    offset: u32,
    total: u32,
    dependencyLts: u32,
    dependencySite: u16,
  });
  fc.assert(
    fc.property(fc.array(fragment, { maxLength: 6 }), (fragments) => {
      const bytes = new Uint8Array(1400);
      let end = 40;
      for (const fields of fragments) {
        const dataAt = writeFragmentHead(bytes, end, fields);
        expect(dataAt - end).toBe(fragmentHeadBytes(fields.flags));
        end = dataAt + fields.length;
      }
      const cursor = new FragmentCursor();
      cursor.open(bytes, 40, end);
      for (const fields of fragments) {
        expect(cursor.advance()).toBe(true);
        const { flags, content, session, previous } = fields;
        expect(cursor).toMatchObject({ flags, content, session, previous });
        expect(cursor.data().length).toBe(fields.length);
        if (!cursor.isWhole) expect(cursor).toMatchObject({ message: fields.message, offset: fields.offset });
        if (cursor.service === 3) expect(cursor.dependencyLts).toBe(fields.dependencyLts);
      }
      expect(cursor.advance()).toBe(false);
    }),
  );
});
