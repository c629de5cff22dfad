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
const group: fc.Arbitrary<GroupView> = fc
  .record({ group: id, name: fc.constantFrom("red", "grün"), view: small, address: fc.option(small), regions: sorted })
  .map(({ address, ...rest }) => (address === null ? rest : { ...rest, address }));
const list = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 3 });
const change: fc.Arbitrary<Change> = fc.record({
  seq: small,
  n: small,
  failed: ids,
  viewsFailed: list(fc.record({ id: viewId, nodes: ids })),
  regionsCreated: list(fc.record({ id: viewId, groups: sorted, address: small, members: nodes })),
  regionsChanged: list(fc.record({ region: id, view: small, added: nodes, removed: ids })),
  regionsDeleted: ids,
  groupsCreated: list(group),
  groupsChanged: list(fc.record({ group: id, view: small, added: ids, removed: ids })),
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
