import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { envelopeBytes } from "./envelope.ts";
import { decodeNative, encodeNative, type NativeMessage } from "./messages.ts";

const bytes = (max: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength: max });
const ticket = fc.uint8Array({ minLength: 24, maxLength: 24 });
const eight = fc.uint8Array({ minLength: 8, maxLength: 8 });
const number = fc.maxSafeNat();
const text = fc.string({ unit: "grapheme", maxLength: 20 });
const u8 = fc.nat(255);
const k = <K extends string>(kind: K): fc.Arbitrary<K> => fc.constant(kind);

const message: fc.Arbitrary<NativeMessage> = fc.oneof(
  fc.record({
    kind: k("hello"),
    version: u8,
    membership: fc.boolean(),
    priority: fc.nat(15),
    user: text,
    ticket,
    lastDelivered: number,
    method: text,
    credentials: bytes(60),
  }),
  fc.record({
    kind: k("welcome"),
    version: u8,
    resumption: fc.constantFrom("new" as const, "resumed" as const, "interrupted" as const),
    primary: fc.boolean(),
    statistics: fc.boolean(),
    answersKill: fc.boolean(),
    privateGroup: text,
    ticket,
    lastOrdered: number,
    payloadBytesMax: fc.nat(0xffff_ffff),
    windowBytes: fc.nat(0xffff_ffff),
    daemons: fc.array(text, { maxLength: 5 }),
  }),
  fc.record({ kind: k("refused"), code: fc.integer({ min: -128, max: 127 }), text }),
  fc.record({ kind: k("send"), number, frame: bytes(100) }),
  fc.record({ kind: k("accepted"), number }),
  fc.record({ kind: k("delivered"), number }),
  fc.record({
    kind: k("deliver"),
    deliveryNumber: number,
    ownNumber: number,
    primary: fc.boolean(),
    frame: bytes(100),
  }),
  fc.record({ kind: k("ack"), deliveryNumber: number }),
  fc.record({
    kind: k("gap"),
    group: text,
    reason: fc.constantFrom("slow" as const, "elsewhere" as const, "window" as const),
    count: fc.nat(),
    first: number,
    last: number,
  }),
  fc.record({ kind: k("configuration"), deliveryNumber: number, primary: fc.boolean(), daemons: fc.nat(0xffff) }),
  fc.record({ kind: k("goAway"), text }),
  fc.record({ kind: k("ping"), opaque: eight }),
  fc.record({ kind: k("pong"), opaque: eight }),
  fc.record({ kind: k("status"), whole: fc.boolean() }),
  fc.record({ kind: k("statusReport"), json: text }),
  fc.record({ kind: k("groupRefused"), number, group: text, text }),
);

describe("native envelopes", () => {
  test("what one side writes the other reads", () => {
    fc.assert(
      fc.property(message, (original) => {
        const encoded = encodeNative(original);
        expect(envelopeBytes(encoded, 0)).toBe(encoded.length);
        expect(decodeNative(encoded)).toEqual(original);
      }),
      { numRuns: 500 },
    );
  });

  test("cut or lengthened envelopes are refused", () => {
    fc.assert(
      fc.property(message, fc.nat(), (original, cut) => {
        const encoded = encodeNative(original);
        expect(decodeNative(encoded.subarray(0, cut % encoded.length))).toBeUndefined();
        const longer = new Uint8Array(encoded.length + 1);
        longer.set(encoded);
        expect(decodeNative(longer)).toBeUndefined();
      }),
    );
  });

  test("damaged envelopes are refused or read, never an exception", () => {
    fc.assert(
      fc.property(message, fc.nat(), u8, (original, at, byte) => {
        const encoded = encodeNative(original);
        encoded[at % encoded.length] = byte;
        expect(() => decodeNative(encoded)).not.toThrow();
      }),
      { numRuns: 500 },
    );
  });
});
