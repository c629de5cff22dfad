import fc from "fast-check";
import { expect, test } from "vitest";
import type { GroupState, DirectoryState, PartState, RosterState } from "../directory/state.ts";
import { optionsOfCode } from "../directory/options.ts";
import { decodeState, encodeState } from "./state.ts";
import { cutState, decodePiece } from "./state-piece.ts";

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const configuration = fc.record({ leader: u32, time: u32 });
const nameOf = (maxLength: number) =>
  fc.string({ unit: fc.constantFrom("$", "a", "b", "9", "~", "_", "X"), minLength: 1, maxLength });
const token = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => String.fromCharCode(...bytes));

const session = fc
  .tuple(token, fc.nat(), fc.nat(), fc.uniqueArray(fc.integer({ min: 2, max: 2 ** 40 }), { maxLength: 5 }))
  .map(([token, number, used, above]) => {
    const overtaken = above.sort((a, b) => a - b).map((distance) => number + distance);
    return { token, number, used, overtaken };
  });

const roster: fc.Arbitrary<RosterState> = fc.record({
  daemon: u32,
  users: fc.uniqueArray(nameOf(10), { minLength: 1, maxLength: 6 }).map((users) => users.sort()),
});

/** A subset of 0 … length − 1, ascending, not empty. */
function some(length: number): fc.Arbitrary<number[]> {
  return fc
    .uniqueArray(fc.nat(length - 1), { minLength: 1, maxLength: length })
    .map((list) => list.sort((a, b) => a - b));
}

function group(rosters: readonly RosterState[]): fc.Arbitrary<GroupState> {
  const parts = some(rosters.length).chain((indices) =>
    fc.tuple(
      ...indices.map((roster) =>
        fc.record<PartState>({
          roster: fc.constant(roster),
          configuration,
          members: some((rosters[roster] as RosterState).users.length).map((list) => Uint32Array.from(list)),
        }),
      ),
    ),
  );
  return fc.record({
    name: nameOf(31),
    id: fc.record({ configuration, index: fc.nat() }),
    changed: fc.boolean(),
    options: fc.constantFrom(
      ...[0, 1, 2, 3].map((code) => optionsOfCode(code) as NonNullable<ReturnType<typeof optionsOfCode>>),
    ),
    parts,
  });
}

const state: fc.Arbitrary<DirectoryState> = fc
  .uniqueArray(roster, { minLength: 1, maxLength: 4, selector: (r) => r.daemon })
  .chain((rosters) =>
    fc.record({
      sessionClock: fc.nat(),
      sessions: fc
        .uniqueArray(session, { maxLength: 4, selector: (s) => s.token })
        .map((sessions) => sessions.sort((a, b) => (a.token < b.token ? -1 : 1))),
      rosters: fc.constant(rosters),
      groups: fc
        .uniqueArray(group(rosters), { maxLength: 5, selector: (g) => g.name })
        .map((groups) => groups.sort((a, b) => (a.name < b.name ? -1 : 1))),
    }),
  );

test("what is encoded decodes to the same state", () => {
  fc.assert(
    fc.property(state, (told) => {
      expect(decodeState(encodeState(told))).toEqual(told);
    }),
  );
});

test("a stream that was cut short, or goes on, is refused", () => {
  fc.assert(
    fc.property(state, fc.nat(), (told, at) => {
      const stream = encodeState(told);
      expect(decodeState(stream.subarray(0, at % stream.length))).toBeUndefined();
      const longer = new Uint8Array(stream.length + 1);
      longer.set(stream);
      expect(decodeState(longer)).toBeUndefined();
    }),
  );
});

test("arbitrary and damaged bytes never throw", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void decodeState(bytes)));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => void decodePiece(bytes)));
  fc.assert(
    fc.property(state, fc.nat(), fc.nat(255), (told, at, value) => {
      const stream = encodeState(told).slice();
      stream[at % stream.length] = value;
      const decoded = decodeState(stream);
      // What is accepted can be applied: every index is within its roster.
      for (const { parts } of decoded?.groups ?? []) {
        for (const part of parts) {
          const known = decoded?.rosters[part.roster]?.users.length ?? 0;
          expect(Math.max(...part.members)).toBeLessThan(known);
        }
      }
    }),
  );
});

test("names that no client could have are refused", () => {
  const of = (user: string, name: string): DirectoryState => ({
    sessionClock: 0,
    sessions: [],
    rosters: [{ daemon: 1, users: [user] }],
    groups: [
      {
        name,
        id: { configuration: { leader: 1, time: 2 }, index: 1 },
        changed: false,
        options: { slow: undefined, quality: "ordered" },
        parts: [{ roster: 0, configuration: { leader: 1, time: 2 }, members: Uint32Array.of(0) }],
      },
    ],
  });
  expect(decodeState(encodeState(of("ann", "g")))).toBeDefined();
  expect(decodeState(encodeState(of("a#n", "g")))).toBeUndefined();
  expect(decodeState(encodeState(of("elevenchars", "g")))).toBeUndefined();
  expect(decodeState(encodeState(of("ann", "#g")))).toBeUndefined();
});

test("pieces hold the stream in order, and the last one names the set", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), fc.integer({ min: 1, max: 20 }), (stream, pieceBytes) => {
      const id = { leader: 7, time: 9 };
      const pieces = cutState(stream, id, [7, 8], pieceBytes).map((piece) => decodePiece(piece));
      expect(pieces.flatMap((piece) => [...(piece?.bytes ?? [])])).toEqual([...stream]);
      expect(pieces.map((piece) => piece?.index)).toEqual(pieces.map((_, index) => index));
      expect(pieces.map((piece) => piece?.set)).toEqual(
        pieces.map((_, i) => (i === pieces.length - 1 ? [7, 8] : undefined)),
      );
      for (const piece of pieces) {
        expect(piece?.configuration).toEqual(id);
        expect(piece?.bytes.length).toBeLessThanOrEqual(pieceBytes);
      }
    }),
  );
});
