import fc from "fast-check";
import { expect, test } from "vitest";
import { Assembler } from "./assembler.ts";

/** Frames of two bytes of length (big endian, the whole) and anything behind them; 0 and 1 are no lengths. */
function assembler(): Assembler {
  return new Assembler(2, (bytes, at) => {
    const length = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
    return length < 2 ? 0 : length;
  });
}

function framesIn(chunks: readonly Uint8Array[]): { frames: string[]; invalid: boolean } {
  const cutter = assembler();
  const frames: string[] = [];
  for (const chunk of chunks) {
    cutter.push(chunk.slice());
    while (cutter.next()) {
      cutter.take();
      frames.push(cutter.bytes.subarray(cutter.offset, cutter.offset + cutter.length).join());
    }
  }
  return { frames, invalid: cutter.invalid };
}

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

const stream = fc
  .array(fc.uint8Array({ maxLength: 400 }), { maxLength: 20 })
  .map((bodies) =>
    Uint8Array.from(bodies.flatMap((body) => [(body.length + 2) >> 8, (body.length + 2) & 0xff, ...body])),
  );

test("chunk boundaries make no difference", () => {
  fc.assert(
    fc.property(
      stream,
      fc.uint8Array({ maxLength: 4 }),
      fc.array(fc.nat(), { maxLength: 30 }),
      (bytes, tail, places) => {
        const whole = Uint8Array.from([...bytes, ...tail]);
        expect(framesIn(cut(whole, places))).toEqual(framesIn([whole]));
      },
    ),
  );
});

test("a frame within one chunk is a view of it, one across chunks is collected", () => {
  const cutter = assembler();
  const chunk = Uint8Array.of(0, 3, 7, 0, 4, 8);
  cutter.push(chunk);
  expect(cutter.next()).toBe(true);
  expect([cutter.bytes === chunk, cutter.offset, cutter.length]).toEqual([true, 0, 3]);
  expect(cutter.next()).toBe(true);
  cutter.take();
  expect(cutter.next()).toBe(false);
  cutter.push(Uint8Array.of(9, 0, 2));
  expect(cutter.next()).toBe(true);
  cutter.take();
  expect([...cutter.bytes.subarray(0, cutter.length)]).toEqual([0, 4, 8, 9]);
  expect(cutter.next()).toBe(true);
});

test("a frame that claims to be huge takes memory only as it arrives", () => {
  const cutter = new Assembler(2, () => 1 << 30);
  cutter.push(new Uint8Array(10));
  cutter.next();
  cutter.push(new Uint8Array(10));
  expect(cutter.next()).toBe(false);
  expect(cutter.invalid).toBe(false);
});

test("behind a head that is refused nothing comes any more", () => {
  expect(framesIn([Uint8Array.of(0, 2, 0, 0, 0, 2)])).toEqual({ frames: ["0,2"], invalid: true });
});
