import fc from "fast-check";
import { expect, test } from "vitest";
import { join } from "../../test/session/one-daemon.ts";
import { getU64 } from "../wire/bytes.ts";
import { ENVELOPE_BYTES, envelopeBytes } from "../wire/native/envelope.ts";
import { Retention } from "./retention.ts";

const FRAME = new Uint8Array(4);
/** Of a delivery of FRAME, with its head. */
const BYTES = 20;

function add(retention: Retention, number: number): void {
  expect(retention.append(number, FRAME, undefined, 0, false)).toBe(BYTES);
}

/** The delivery numbers, or what notices are, of all that is written. */
function unsent(retention: Retention, windowBytes = Number.POSITIVE_INFINITY): number[] {
  const chunks: Uint8Array[] = [];
  retention.takeUnsent(chunks, windowBytes);
  const bytes = join(chunks);
  const seen: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes[at] === NOTICE) {
      seen.push(-(bytes[at + 1] as number));
      at += 2;
      continue;
    }
    seen.push(getU64(bytes, at + ENVELOPE_BYTES));
    at += envelopeBytes(bytes, at);
  }
  return seen;
}

/** No envelope is so long that it begins like this. */
const NOTICE = 0xff;
const notice = (mark: number): Uint8Array => Uint8Array.of(NOTICE, mark);

test("what is not acknowledged is written again over the next connection", () => {
  const retention = new Retention();
  for (let n = 1; n <= 5; n++) add(retention, n);
  expect(unsent(retention)).toEqual([1, 2, 3, 4, 5]);
  retention.acknowledge(2);
  add(retention, 6);
  expect(retention.bytes).toBe(4 * BYTES);
  expect(retention.resume(3)).toBeUndefined();
  expect(retention.unsentCount).toBe(3);
  expect(unsent(retention)).toEqual([4, 5, 6]);
});

test("what does not fit any more is told as a range when the client is back", () => {
  const retention = new Retention();
  for (let n = 1; n <= 5; n++) add(retention, n);
  retention.trim(2 * BYTES, false);
  expect(retention.bytes).toBe(5 * BYTES);
  retention.trim(2 * BYTES, true);
  expect(retention.resume(1)).toEqual({ first: 2, last: 3 });
  expect(unsent(retention)).toEqual([4, 5]);
});

test("a gap notice is repeated until the client has had it", () => {
  const retention = new Retention();
  add(retention, 7);
  retention.notice(8, notice(77));
  add(retention, 9);
  unsent(retention);
  retention.resume(7);
  expect(unsent(retention)).toEqual([-77, 9]);
  retention.resume(8);
  expect(unsent(retention)).toEqual([9]);
  retention.acknowledge(9);
  expect([retention.bytes, retention.unsentBytes, retention.unsentCount]).toEqual([0, 0, 0]);
});

test("no more is written than the window, and what was let go counts until it is acknowledged", () => {
  const retention = new Retention();
  for (let n = 1; n <= 6; n++) add(retention, n);
  const take = (): number => unsent(retention, 2 * BYTES).length;
  expect([take(), take(), retention.inFlightBytes, retention.unsentBytes]).toEqual([2, 0, 2 * BYTES, 4 * BYTES]);
  retention.acknowledge(6);
  expect([take(), retention.inFlightBytes, retention.unsentCount]).toEqual([2, 2 * BYTES, 2]);
  retention.trim(0, false);
  expect([retention.bytes, retention.inFlightBytes, take()]).toEqual([2 * BYTES, 2 * BYTES, 0]);
  retention.acknowledge(3);
  expect([take(), retention.bytes, retention.inFlightBytes]).toEqual([1, 2 * BYTES, 2 * BYTES]);
  expect(retention.resume(3)).toEqual({ first: 4, last: 4 });
  expect([retention.bytes, retention.inFlightBytes, take(), take()]).toEqual([2 * BYTES, 0, 2, 0]);
});

test("a message longer than the window is written, and a gap notice is never held back", () => {
  const retention = new Retention();
  retention.append(1, new Uint8Array(100), undefined, 0, false);
  retention.notice(2, notice(2));
  add(retention, 3);
  expect(unsent(retention, BYTES)).toEqual([1, -2]);
  expect(retention.unsentCount).toBe(1);
});

test("members of a group share what waits for them", () => {
  const frame = new Uint8Array(10_000);
  const retention = new Retention();
  retention.append(1, frame, undefined, 5, true);
  const chunks: Uint8Array[] = [];
  retention.takeUnsent(chunks, 1);
  expect(chunks.map(({ length }) => length)).toEqual([24, 10_000]);
  expect(chunks[1]?.buffer).toBe(frame.buffer);
});

test("a frame in two parts is written as one in one piece is, short or long", () => {
  for (const length of [40, 20_000]) {
    const frame = Uint8Array.from({ length }, (_, i) => i);
    const written = [15, length].map((end) => {
      const retention = new Retention();
      const tail = end === length ? undefined : frame.subarray(end);
      expect(retention.append(1, frame.subarray(0, end), tail, 5, true)).toBe(24 + length);
      const chunks: Uint8Array[] = [];
      retention.takeUnsent(chunks, 1);
      return join(chunks);
    });
    expect(written[0]).toEqual(written[1]);
    expect(written[0]?.subarray(24)).toEqual(frame);
  }
});

test("whatever happens, the client gets every number once and in order, or is told the range", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("append" as const), count: fc.nat(1_500) }),
    fc.record({ kind: fc.constant("write" as const) }),
    fc.record({ kind: fc.constant("ack" as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
    fc.record({ kind: fc.constant("trim" as const), bytes: fc.nat(2_000), all: fc.boolean() }),
    fc.record({ kind: fc.constant("resume" as const) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const retention = new Retention();
      let last = 0;
      let seen = 0;
      const read = (): void => {
        const first = seen + 1;
        const numbers = unsent(retention);
        expect(numbers).toEqual(numbers.map((_, i) => first + i));
        seen += numbers.length;
      };
      for (const one of steps) {
        if (one.kind === "append") {
          for (let i = 0; i < one.count; i++) retention.append(++last, FRAME, undefined, i % 7 === 0 ? last : 0, false);
        } else if (one.kind === "write") read();
        else if (one.kind === "ack") retention.acknowledge(Math.floor(seen * one.share));
        else if (one.kind === "trim") {
          // Only a detached session loses what waits; it comes back before anything is written again.
          retention.trim(one.bytes, one.all);
          if (one.all) seen = Math.max(seen, retention.resume(seen)?.last ?? 0);
        } else seen = Math.max(seen, retention.resume(seen)?.last ?? 0);
      }
      retention.resume(seen);
      read();
      expect(seen).toBe(last);
      expect(retention.unsentBytes).toBe(0);
    }),
  );
});
