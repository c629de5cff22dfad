import fc from "fast-check";
import { expect, test } from "vitest";
import { joined } from "../base/joined.ts";
import { FIRST, FragmentCursor, LAST, writeFragmentHead } from "../wire/fragment.ts";
import { Assemblies } from "./assembly.ts";

const MESSAGE = 5;
const ORIGIN = 1;

/** A cursor at the fragment of these bytes of a message, in a packet of its own. */
function fragment(message: Uint8Array, from: number, to: number): FragmentCursor {
  const packet = new Uint8Array(100 + to - from);
  const flags = (from === 0 ? FIRST : 0) | (to === message.length ? LAST : 0);
  const about = { flags, content: 0, length: to - from, session: 1, previous: 0, message: MESSAGE, offset: from };
  const at = writeFragmentHead(packet, 0, { ...about, total: message.length, dependencyLts: 0, dependencySite: 0 });
  packet.set(message.subarray(from, to), at);
  const cursor = new FragmentCursor();
  cursor.open(packet, 0, at + to - from);
  expect(cursor.advance()).toBe(true);
  return cursor;
}

test("a message comes out as it went in, in whatever order its parts come", () => {
  const parts = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { minLength: 2, maxLength: 6 });
  fc.assert(
    fc.property(parts, fc.infiniteStream(fc.nat()), (pieces, keys) => {
      const message = Uint8Array.from(pieces.flatMap((piece) => [...piece]));
      const places = pieces.map((_, i) => pieces.slice(0, i).reduce((sum, { length }) => sum + length, 0));
      const order = pieces.map((_, i) => ({ i, key: keys.next().value as number })).sort((a, b) => a.key - b.key);
      const assemblies = new Assemblies();
      for (const { i } of order) {
        expect(assemblies.take(ORIGIN, MESSAGE)).toBeUndefined();
        const from = places[i] as number;
        assemblies.add(ORIGIN, fragment(message, from, from + (pieces[i] as Uint8Array).length));
      }
      const whole = assemblies.take(ORIGIN, MESSAGE);
      expect(joined(whole?.head as Uint8Array, whole?.tail)).toEqual(message);
      expect(assemblies.take(ORIGIN, MESSAGE)).toBeUndefined();
    }),
  );
});

test("two parts stay where they are, three are copied", () => {
  const message = Uint8Array.from({ length: 90 }, (_, i) => i);
  const assemblies = new Assemblies();
  const [first, second] = [fragment(message, 0, 30), fragment(message, 30, 90)];
  assemblies.add(ORIGIN, first);
  assemblies.add(ORIGIN, second);
  const apart = assemblies.take(ORIGIN, MESSAGE);
  expect(apart?.head.buffer).toBe(first.data().buffer);
  expect(apart?.tail?.buffer).toBe(second.data().buffer);

  for (const [from, to] of [
    [0, 30],
    [30, 60],
    [60, 90],
  ] as const)
    assemblies.add(ORIGIN, fragment(message, from, to));
  const whole = assemblies.take(ORIGIN, MESSAGE);
  expect([whole?.head, whole?.tail]).toEqual([message, undefined]);
});

test("parts that contradict the first are ignored", () => {
  const message = Uint8Array.from({ length: 50 }, (_, i) => i);
  const assemblies = new Assemblies();
  assemblies.add(ORIGIN, fragment(message, 0, 20));
  assemblies.add(ORIGIN, fragment(new Uint8Array(60), 20, 60));
  expect(assemblies.take(ORIGIN, MESSAGE)).toBeUndefined();
  assemblies.add(ORIGIN, fragment(message, 20, 50));
  const whole = assemblies.take(ORIGIN, MESSAGE);
  expect(joined(whole?.head as Uint8Array, whole?.tail)).toEqual(message);
});
