import { expect, test } from "vitest";
import { ReadMemory } from "./read-memory.ts";

/** A read that brings so much, or what there is room for. */
function read(memory: ReadMemory, wanted: number, value: number): Uint8Array {
  const room = memory.next();
  const count = Math.min(wanted, room.length);
  room.fill(value, 0, count);
  return memory.take(count);
}

test("what was read is never written again", () => {
  const memory = new ReadMemory();
  const reads = Array.from({ length: 200 }, (_, i) => read(memory, 1 + ((i * 977) % 70_000), i));
  for (const [i, bytes] of reads.entries()) expect(bytes.every((byte) => byte === i)).toBe(true);
});

test("who is sent little keeps little; who is sent much reads 64 KB at a time, which is the most that a view keeps alive", () => {
  const idle = new ReadMemory();
  for (let i = 0; i < 1_000; i++) expect(read(idle, 100, 1).buffer.byteLength).toBe(8 * 1024);
  const busy = new ReadMemory();
  for (let i = 0; i < 10; i++) read(busy, 1_000_000, 1);
  const bytes = read(busy, 1_000_000, 1);
  expect(bytes).toHaveLength(64 * 1024);
  expect(bytes.buffer.byteLength).toBe(64 * 1024);
});

test("reads that come one behind the other share memory until less than half of it is left", () => {
  const memory = new ReadMemory();
  const [first, second, third, fourth] = [3_000, 1_000, 1_000, 1].map((count) => read(memory, count, 1));
  expect(second?.buffer).toBe(first?.buffer);
  expect(third?.buffer).toBe(first?.buffer);
  expect(fourth?.buffer).not.toBe(first?.buffer);
});
