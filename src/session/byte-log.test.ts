import fc from "fast-check";
import { expect, test } from "vitest";
import { ByteLog } from "./byte-log.ts";

function read(log: ByteLog, length: number): number[] {
  const views: Uint8Array[] = [];
  log.read(length, views);
  return views.flatMap((view) => [...view]);
}

test("what was added in pieces is read as one, and again after a rewind", () => {
  const log = new ByteLog();
  log.add(Uint8Array.of(1, 2));
  const at = log.reserve(2);
  log.memory.set([3, 4], at);
  const views: Uint8Array[] = [];
  log.read(3, views);
  expect(views.map((view) => [...view])).toEqual([[1, 2, 3]]);
  log.add(Uint8Array.of(5));
  expect(read(log, 2)).toEqual([4, 5]);
  log.release(1, true);
  log.rewind();
  expect(read(log, 4)).toEqual([2, 3, 4, 5]);
});

test("a long piece is not copied", () => {
  const log = new ByteLog();
  const long = new Uint8Array(100_000).fill(7);
  log.add(Uint8Array.of(1));
  log.add(long);
  log.add(Uint8Array.of(2));
  const views: Uint8Array[] = [];
  log.read(100_002, views);
  expect(views.map(({ length }) => length)).toEqual([1, 100_000, 1]);
  expect(views[1]?.buffer).toBe(long.buffer);
  // Nor does it begin a new block for what is around it.
  expect(views[2]?.buffer).toBe(views[0]?.buffer);
});

test("memory is used again when all of it was released for that, and only then", () => {
  const buffers = (reuse: boolean): number => {
    const log = new ByteLog();
    const seen = new Set<ArrayBufferLike>();
    for (let i = 0; i < 2_000; i++) {
      log.add(new Uint8Array(1_000).fill(i));
      seen.add(log.memory.buffer);
      if (i < 200) continue;
      expect(read(log, 1_000)[0]).toBe((i - 200) & 0xff);
      log.release(1_000, reuse);
    }
    return seen.size;
  };
  expect(buffers(true)).toBeLessThan(15);
  expect(buffers(false)).toBeGreaterThan(30);
});

test("it is a queue of bytes with a place to read from, whatever is done to it", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("add" as const), length: fc.integer({ min: 1, max: 20_000 }) }),
    fc.record({ kind: fc.constantFrom("read" as const, "skip" as const), share: fc.integer({ min: 0, max: 10 }) }),
    fc.record({ kind: fc.constant("release" as const), share: fc.integer({ min: 0, max: 10 }), reuse: fc.boolean() }),
    fc.record({ kind: fc.constant("rewind" as const) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const log = new ByteLog();
      // Byte n of all that was ever added is n modulo 251.
      let [front, place, end] = [0, 0, 0];
      for (const one of steps) {
        if (one.kind === "add") {
          log.add(Uint8Array.from({ length: one.length }, (_, i) => (end + i) % 251));
          end += one.length;
        } else if (one.kind === "read" || one.kind === "skip") {
          const count = Math.floor(((end - place) * one.share) / 10);
          if (one.kind === "skip") log.skip(count);
          else {
            const views: Uint8Array[] = [];
            log.read(count, views);
            let at = place;
            for (const view of views) {
              expect([view[0], view.at(-1)]).toEqual([at % 251, (at + view.length - 1) % 251]);
              at += view.length;
            }
            expect(at).toBe(place + count);
          }
          place += count;
        } else if (one.kind === "release") {
          const count = Math.floor(((place - front) * one.share) / 10);
          log.release(count, one.reuse);
          front += count;
        } else {
          log.rewind();
          place = front;
        }
      }
    }),
    { numRuns: 300 },
  );
});
