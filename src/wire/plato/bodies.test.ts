import fc from "fast-check";
import { expect, test } from "vitest";
import { decodePlato, encodePlato, type PlatoBody } from "./bodies.ts";

const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const seq = fc.integer({ min: 1, max: 2 ** 48 - 1 });
const position = fc.integer({ min: 0, max: 2 ** 40 });
const message = { sender: id, seq };
const payload = fc.uint8Array({ maxLength: 50 });

const body: fc.Arbitrary<PlatoBody> = fc.oneof(
  fc.record({ kind: fc.constant("message" as const), view: id, payload }),
  fc.record({
    kind: fc.constant("order" as const),
    view: id,
    first: fc.integer({ min: 2 ** 41, max: 2 ** 42 }),
    stable: position,
    base: position,
    entries: fc.array(fc.record({ ...message, age: fc.integer({ min: 0, max: 0xffff_ffff }) }), { maxLength: 5 }),
  }),
  fc.record({
    kind: fc.constant("state" as const),
    view: fc.integer({ min: 2 ** 41, max: 2 ** 42 }),
    part: fc.integer({ min: 0, max: 3 }),
    parts: fc.integer({ min: 4, max: 9 }),
    opened: position,
    base: position,
    entries: fc.array(fc.record({ ...message, isOrdered: fc.boolean(), isHeld: fc.boolean(), isVoid: fc.boolean() }), {
      maxLength: 5,
    }),
  }),
  fc.record({ kind: fc.constant("ack" as const), view: id, held: position, stable: position }),
  fc.record({
    kind: fc.constant("fetch" as const),
    view: id,
    wantsState: fc.boolean(),
    from: position,
    messages: fc.array(fc.record(message), { maxLength: 5 }),
  }),
  fc.record({ kind: fc.constant("forward" as const), view: id, ...message, payload }),
);

test("what is encoded decodes to the same, and nothing shorter or longer does", () => {
  fc.assert(
    fc.property(body, (told) => {
      const bytes = encodePlato(told);
      expect(decodePlato(bytes)).toEqual(told);
      if (told.kind === "message" || told.kind === "forward") return;
      expect(decodePlato(bytes.subarray(0, -1))).toBeUndefined();
      expect(decodePlato(Uint8Array.of(...bytes, 0))).toBeUndefined();
    }),
  );
});

test("arbitrary bytes never throw, with a kind and a view or without", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.integer({ min: 0, max: 7 }), (bytes, kind) => {
      decodePlato(bytes);
      decodePlato(Uint8Array.of(kind, 0, 0, 0, 0, 0, 0, 0, 1, ...bytes));
    }),
  );
});
