import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RangeSet } from "../../base/range-set.ts";
import { readPrefix } from "../prefix.ts";
import { hopTime, hopTimeAfter, hopTimeBetween } from "./clock.ts";
import { decodeHopData, encodeHopData, repeatedHopData } from "./data.ts";
import { decodeHopHello, encodeHopHello } from "./hello.ts";
import { decodeHopState, encodeHopState, HOP_REQUEST_RANGES_MAX } from "./state.ts";

const origin = { version: 2, confHash: 0xdead_beef, origin: 0x0a00_0001 };
const u32 = fc.nat(0xffff_ffff);
const u48 = fc.nat(2 ** 48 - 1);
const life = fc.integer({ min: 1, max: 0xffff_ffff });

function decoded<T>(
  bytes: Uint8Array,
  decode: (prefix: Exclude<ReturnType<typeof readPrefix>, string>, bytes: Uint8Array) => T,
): T {
  const prefix = readPrefix(bytes);
  if (typeof prefix === "string") throw new Error(prefix);
  expect(prefix).toMatchObject({ ...origin, length: bytes.length });
  return decode(prefix, bytes);
}

describe("packets of a hop", () => {
  test("greetings come back as they were", () => {
    fc.assert(
      fc.property(fc.record({ life, peerLife: u32, rateMax: u32 }), (hello) => {
        expect(decoded(encodeHopHello(origin, hello), decodeHopHello)).toEqual(hello);
      }),
    );
  });

  test("datagrams of objects come back as they were, and repeated ones with the new time", () => {
    const objects = fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { minLength: 1, maxLength: 9 });
    const seq = fc.integer({ min: 1, max: 2 ** 48 - 1 });
    const rest = fc.uint8Array({ maxLength: 60 });
    const cut = fc.record({
      begin: fc.uint8Array({ minLength: 1, maxLength: 60 }),
      more: fc.integer({ min: 1, max: 99 }),
    });
    const data = fc.record({
      life,
      peerLife: life,
      seq,
      sentAt: u32,
      waitMs: fc.nat(0xffff),
      rest,
      objects,
      cut: fc.option(
        cut.map(({ begin, more }) => ({ begin, length: begin.length + more })),
        { nil: undefined },
      ),
    });
    fc.assert(
      fc.property(data, u32, fc.nat(0xffff), fc.nat(3), (sent, sentAt, waitMs, padding) => {
        const bytes = encodeHopData(origin, sent, padding);
        expect(decoded(bytes, decodeHopData)).toEqual(sent);
        expect(decoded(repeatedHopData(bytes, sentAt, waitMs), decodeHopData)).toEqual({ ...sent, sentAt, waitMs });
        expect(decoded(bytes, decodeHopData)).toEqual(sent);
      }),
    );
  });

  test("states come back as they were, with as many requests as fit", () => {
    const requests = fc
      .array(fc.nat(10_000), { maxLength: 400 })
      .map((numbers) => RangeSet.of(...numbers.map((n) => [n, n] as const)));
    const counts = fc.tuple(u48, u48).map(([a, b]) => ({ aru: Math.min(a, b), highest: Math.max(a, b) }));
    const state = fc.record({
      life,
      peerLife: life,
      isQuestion: fc.boolean(),
      sent: u48,
      bytes: u48,
      at: u32,
      echo: u32,
      requests,
    });
    fc.assert(
      fc.property(state, counts, (fields, { aru, highest }) => {
        const sent = { ...fields, aru, highest };
        const { requests: received, ...rest } = decoded(encodeHopState(origin, sent), decodeHopState) as typeof sent;
        const { requests: all, ...others } = sent;
        expect(rest).toEqual(others);
        expect([...received.ranges()]).toEqual([...all.ranges()].slice(0, HOP_REQUEST_RANGES_MAX));
      }),
    );
  });

  test("whatever bytes come, decoding them does not throw", () => {
    const head = encodeHopHello(origin, { life: 1, peerLife: 0, rateMax: 0 }).subarray(0, 16);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (body) => {
        const bytes = new Uint8Array(16 + body.length);
        bytes.set(head);
        bytes.set(body, 16);
        bytes.set([0, bytes.length, 0, body.length], 8);
        const prefix = readPrefix(bytes);
        if (typeof prefix === "string") return;
        decodeHopHello(prefix, bytes);
        decodeHopData(prefix, bytes);
        decodeHopState(prefix, bytes);
      }),
      { numRuns: 2_000 },
    );
  });

  test("what contradicts itself is refused", () => {
    const state = {
      life: 1,
      peerLife: 2,
      isQuestion: false,
      sent: 0,
      aru: 5,
      highest: 4,
      bytes: 0,
      at: 0,
      echo: 0,
      requests: new RangeSet(),
    };
    expect(decoded(encodeHopState(origin, state), decodeHopState)).toBeUndefined();
    const data = {
      life: 1,
      peerLife: 2,
      seq: 0,
      sentAt: 0,
      waitMs: 0,
      rest: new Uint8Array(0),
      objects: [new Uint8Array(3)],
      cut: undefined,
    };
    expect(decoded(encodeHopData(origin, data), decodeHopData)).toBeUndefined();
    expect(decoded(encodeHopData(origin, { ...data, seq: 1, objects: [] }), decodeHopData)).toBeUndefined();
    // A rest that is longer than the datagram.
    const whole = encodeHopData(origin, { ...data, seq: 1 });
    new DataView(whole.buffer).setUint16(36, 6);
    expect(decoded(whole, decodeHopData)).toBeUndefined();
    expect(decoded(encodeHopHello(origin, { life: 0, peerLife: 0, rateMax: 0 }), decodeHopHello)).toBeUndefined();
  });

  test("times wrap after twelve hours without a jump", () => {
    const now = 2 ** 32 / 100 - 5;
    expect(hopTimeBetween(hopTime(now), hopTime(now + 10))).toBe(10);
    expect(hopTimeBetween(hopTime(now + 10), hopTime(now))).toBe(-10);
    expect(hopTimeAfter(hopTime(now), 10)).toBe(hopTime(now + 10));
  });
});
