import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeChange, encodeChange } from "./change-codec.ts";
import type { Change, GroupView } from "./views.ts";

const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const small = fc.nat(1_000_000);
const ids = fc.array(id, { maxLength: 5 });
const sorted = fc.uniqueArray(id, { maxLength: 6 }).map((list) => list.sort((a, b) => a - b));
const viewId = fc.record({ region: id, view: small });
const port = fc.nat(65_535);
const node = fc.record({
  id,
  name: fc.constantFrom("#a#d1", "#ä#d2", ""),
  address: fc.record({ host: fc.constantFrom("10.0.0.1", "::1"), controlPort: port, repairPort: port, dataPort: port }),
});
const nodes = fc.array(node, { maxLength: 4 });
/** For each region of a list a place in it. */
const placed = (regions: fc.Arbitrary<number[]>) =>
  regions.chain((list) =>
    fc.tuple(fc.constant(list), fc.array(small, { minLength: list.length, maxLength: list.length })),
  );
const group: fc.Arbitrary<GroupView> = fc
  .record({
    group: id,
    name: fc.constantFrom("red", "grün"),
    view: small,
    address: fc.option(small),
    placed: placed(sorted),
  })
  .map(({ address, placed: [regions, places], ...rest }) => {
    return { ...rest, ...(address === null ? {} : { address }), regions, places };
  });
const groupChange = fc
  .record({ group: id, view: small, placed: placed(ids), removed: ids })
  .map(({ placed: [added, places], ...rest }) => ({ ...rest, added, places }));
const list = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 3 });
const change: fc.Arbitrary<Change> = fc.record({
  seq: small,
  n: small,
  failed: ids,
  viewsFailed: list(fc.record({ id: viewId, nodes: ids })),
  regionsCreated: list(fc.record({ id: viewId, address: small, members: nodes })),
  regionsChanged: list(fc.record({ region: id, view: small, added: nodes, removed: ids })),
  regionsDeleted: ids,
  groupsCreated: list(group),
  groupsChanged: list(groupChange),
  groupsDeleted: ids,
  finals: list(fc.record({ id: viewId, last: list(fc.record({ sender: id, seq: fc.nat(2 ** 31 - 1) })), failed: ids })),
});

test("a change comes back as it was", () => {
  fc.assert(
    fc.property(change, (value) => {
      expect(decodeChange(encodeChange(value))).toEqual(value);
    }),
  );
});

test("whatever is cut or changed is a change or is refused, and never throws", () => {
  fc.assert(
    fc.property(change, fc.nat(), fc.nat(255), fc.nat(), (value, at, byte, cut) => {
      const bytes = encodeChange(value);
      expect(decodeChange(bytes.subarray(0, cut % bytes.length))).toBeUndefined();
      const changed = bytes.slice();
      changed[at % bytes.length] = byte;
      decodeChange(changed);
    }),
  );
});
