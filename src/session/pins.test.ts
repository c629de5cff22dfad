import { expect, test } from "vitest";
import { Pins } from "./pins.ts";

const READ_BYTES = 60_000;
const FRAME_BYTES = 100;

/** How many of so many frames are kept as copies, of `perRead` that come with each read. */
function copies(frames: number, perRead: number): number {
  const pins = new Pins();
  let read = new Uint8Array(READ_BYTES);
  let count = 0;
  for (let i = 0; i < frames; i++) {
    if (i % perRead === 0) read = new Uint8Array(READ_BYTES);
    const at = (i % perRead) * FRAME_BYTES;
    if (pins.add(read.subarray(at, at + FRAME_BYTES), undefined, i * FRAME_BYTES)) count++;
  }
  return count;
}

test("where little of each read waits, all but the first frames are copied", () => {
  expect(copies(10_000, 1)).toBeGreaterThan(9_900);
});

test("where nearly all of each read waits nothing is copied", () => {
  expect(copies(10_000, 500)).toBe(0);
});

test("the parts of a frame count both, and what was written does not any more", () => {
  const pins = new Pins();
  const add = (): boolean =>
    pins.add(new Uint8Array(600_000).subarray(0, 100), new Uint8Array(600_000).subarray(0, 100), 0);
  expect(add()).toBe(true);
  expect(pins.add(new Uint8Array(600_000).subarray(0, 100), undefined, 0)).toBe(false);
  expect(add()).toBe(true);
  pins.left(0);
  expect(pins.add(new Uint8Array(900_000).subarray(0, 100), undefined, 0)).toBe(false);
  pins.left(0.5);
  expect(pins.add(new Uint8Array(500_000).subarray(0, 100), undefined, 0)).toBe(false);
});

test("frames out of one slab count it once, also where others between them have memory of their own", () => {
  const pins = new Pins();
  const slab = new Uint8Array(600_000);
  for (let i = 0; i < 100; i++) {
    expect(pins.add(slab.subarray(i * 100, i * 100 + 60), slab.subarray(i * 100 + 60, i * 100 + 100), 0)).toBe(false);
    expect(pins.add(new Uint8Array(100), undefined, 0)).toBe(false);
  }
});

test("memory of three takes turns and counts each time", () => {
  const pins = new Pins();
  const reads = [0, 1, 2].map(() => new Uint8Array(200_000));
  const copied = [0, 1, 2, 0, 1, 2].map((i) => pins.add((reads[i] as Uint8Array).subarray(0, 10), undefined, 0));
  expect(copied).toEqual([false, false, false, false, false, true]);
});
