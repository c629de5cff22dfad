import fc from "fast-check";
import { expect, test } from "vitest";
import { Splitter } from "./splitter.ts";

/** Units of one length byte (all of the unit, at least 2), another byte, and the rest. */
function split(chunks: readonly Uint8Array[]): { units: string[]; isWhole: boolean } {
  const units: string[] = [];
  const splitter = new Splitter({
    headBytes: 2,
    lengthAt: (bytes, at) => ((bytes[at] as number) < 2 ? undefined : bytes[at]),
    unit: (bytes, at, length) => units.push([...bytes.subarray(at, at + length)].join(" ")),
  });
  return { units, isWhole: chunks.every((chunk) => splitter.push(chunk)) };
}

const unit = fc.uint8Array({ minLength: 1, maxLength: 20 }).map((body) => Uint8Array.of(body.length + 1, ...body));

test("units come out whole however the stream is cut", () => {
  fc.assert(
    fc.property(fc.array(unit), fc.array(fc.nat(400)), (units, cuts) => {
      const bytes = Uint8Array.from(units.flatMap((part) => [...part]));
      const at = [0, ...cuts.filter((cut) => cut < bytes.length), bytes.length].toSorted((a, b) => a - b);
      const chunks = at.slice(1).map((end, i) => bytes.subarray(at[i], end));
      const result = split(chunks);
      expect(result).toEqual({ units: units.map((part) => part.join(" ")), isWhole: true });
    }),
  );
});

test("a malformed length ends the stream, in one chunk or in several", () => {
  expect(split([Uint8Array.of(2, 9, 1, 0)])).toEqual({ units: ["2 9"], isWhole: false });
  expect(split([Uint8Array.of(2, 9, 1), Uint8Array.of(0)])).toEqual({ units: ["2 9"], isWhole: false });
});
