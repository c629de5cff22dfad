import type { NodeId, RegionId, RegionViewId } from "../base/ids.ts";
import { Reader, readU48, readU64, Writer, writeU48, writeU64 } from "../wire/bytes.ts";
import { readText, writeShort, encodeUtf8 } from "../wire/native/fields.ts";
import type {
  Absence,
  Change,
  FinalView,
  GroupChange,
  GroupView,
  NodeAddress,
  NodeInfo,
  RegionChange,
  RegionView,
  ViewFailure,
} from "./views.ts";

/*
 * A change as a daemon tells it to a node (docs/protocols/native-session.md). Lists have their count as a varint before them; ids are u64,
 * view numbers varints, texts UTF-8 behind a length of one byte:
 *
 *   seq varint, n varint, failed, viewsFailed, regionsCreated, regionsChanged, regionsDeleted, groupsCreated, groupsChanged,
 *   groupsDeleted, finals
 *
 * Ids of an ascending list (regions of a group) are varint differences from the one before. Behind the regions of a group, or those that it gains,
 * stands for each of them the group's place there, a varint.
 */

/** Lists are not longer than this: more is malformed. */
const COUNT_MAX = 1 << 20;

export function encodeChange(change: Change): Uint8Array {
  const out = new Writer(512).varint(change.seq).varint(change.n);
  list(out, change.failed, (id) => writeU64(out, id));
  list(out, change.viewsFailed, ({ id, nodes }) => {
    viewId(out, id);
    list(out, nodes, (node) => writeU64(out, node));
  });
  list(out, change.regionsCreated, (region) => writeRegion(out, region));
  list(out, change.regionsChanged, ({ region, view, added, removed, absent }) => {
    writeU64(out, region).varint(view);
    list(out, added, (node) => writeNode(out, node));
    list(out, removed, (node) => writeU64(out, node));
    writeAbsent(out, absent);
  });
  list(out, change.regionsDeleted, (id) => writeU64(out, id));
  list(out, change.groupsCreated, (group) => writeGroup(out, group));
  list(out, change.groupsChanged, ({ group, view, address, added, places, removed }) => {
    writeU64(out, group)
      .varint(view)
      .varint(address === undefined ? 0 : address + 1);
    list(out, added, (region) => writeU64(out, region));
    for (const place of places) out.varint(place);
    list(out, removed, (region) => writeU64(out, region));
  });
  list(out, change.groupsDeleted, (group) => writeU64(out, group));
  list(out, change.finals, (final) => writeFinal(out, final));
  return out.finish();
}

/** `undefined` if the bytes are not exactly one well-formed change. */
export function decodeChange(bytes: Uint8Array): Change | undefined {
  const input = new Reader(bytes);
  const change: Change = {
    seq: input.varint(),
    n: input.varint(),
    failed: readList(input, readU64),
    viewsFailed: readList(input, (): ViewFailure => ({ id: readViewId(input), nodes: readList(input, readU64) })),
    regionsCreated: readList(input, readRegion),
    regionsChanged: readList(
      input,
      (): RegionChange => ({
        region: readU64(input),
        view: input.varint(),
        added: readList(input, readNode),
        removed: readList(input, readU64),
        ...readAbsent(input),
      }),
    ),
    regionsDeleted: readList(input, readU64),
    groupsCreated: readList(input, readGroup),
    groupsChanged: readList(input, (): GroupChange => {
      const [group, view, address] = [readU64(input), input.varint(), readOwnAddress(input)];
      const added = readList(input, readU64);
      const places = readPlaces(input, added);
      return { group, view, ...address, added, places, removed: readList(input, readU64) };
    }),
    groupsDeleted: readList(input, readU64),
    finals: readList(input, readFinal),
  };
  return input.failed || input.remaining > 0 ? undefined : change;
}

/** A node's address: 1 byte length and host, then three ports u16. */
export function writeAddress(out: Writer, { host, controlPort, repairPort, dataPort }: NodeAddress): void {
  writeShort(out, encodeUtf8(host)).u16(controlPort).u16(repairPort).u16(dataPort);
}

export function readAddress(input: Reader): NodeAddress {
  return {
    host: readText(input, input.u8()),
    controlPort: input.u16(),
    repairPort: input.u16(),
    dataPort: input.u16(),
  };
}

function writeNode(out: Writer, { id, name, address }: NodeInfo): void {
  writeShort(writeU64(out, id), encodeUtf8(name));
  writeAddress(out, address);
}

function readNode(input: Reader): NodeInfo {
  return { id: readU64(input), name: readText(input, input.u8()), address: readAddress(input) };
}

function writeRegion(out: Writer, { id, address, members, absent }: RegionView): void {
  viewId(out, id);
  out.varint(address);
  list(out, members, (node) => writeNode(out, node));
  writeAbsent(out, absent);
}

function readRegion(input: Reader): RegionView {
  return {
    id: readViewId(input),
    address: input.varint(),
    members: readList(input, readNode),
    ...readAbsent(input),
  };
}

function writeAbsent(out: Writer, absent: readonly Absence[] = []): void {
  list(out, absent, ({ node, groups }) => {
    writeU64(out, node);
    ascending(out, groups);
  });
}

/** Without any, the region is exact. */
function readAbsent(input: Reader): { absent?: readonly Absence[] } {
  const absent = readList(input, (): Absence => ({ node: readU64(input), groups: readAscending(input) }));
  return absent.length === 0 ? {} : { absent };
}

function writeGroup(out: Writer, { group, name, view, address, regions, places }: GroupView): void {
  writeShort(writeU64(out, group), encodeUtf8(name)).varint(view);
  out.varint(address === undefined ? 0 : address + 1);
  ascending(out, regions);
  for (const place of places) out.varint(place);
}

function readGroup(input: Reader): GroupView {
  const group = readU64(input);
  const name = readText(input, input.u8());
  const view = input.varint();
  const address = readOwnAddress(input);
  const regions = readAscending(input);
  return { group, name, view, ...address, regions, places: readPlaces(input, regions) };
}

/** One for each of these regions. */
function readPlaces(input: Reader, regions: readonly RegionId[]): number[] {
  return regions.map(() => input.varint(COUNT_MAX));
}

/** A group's own address plus 1; 0: it has none. */
function readOwnAddress(input: Reader): { address?: number } {
  const address = input.varint();
  return address === 0 ? {} : { address: address - 1 };
}

function writeFinal(out: Writer, { id, last, failed }: FinalView): void {
  viewId(out, id);
  list(out, last, ({ sender, seq }) => writeU48(writeU64(out, sender), seq));
  list(out, failed, (node) => writeU64(out, node));
}

function readFinal(input: Reader): FinalView {
  return {
    id: readViewId(input),
    last: readList(input, () => ({ sender: readU64(input), seq: readU48(input) })),
    failed: readList(input, readU64),
  };
}

function viewId(out: Writer, { region, view }: RegionViewId): void {
  writeU64(out, region).varint(view);
}

function readViewId(input: Reader): RegionViewId {
  return { region: readU64(input), view: input.varint() };
}

function list<T>(out: Writer, items: readonly T[], write: (item: T) => void): void {
  out.varint(items.length);
  for (const item of items) write(item);
}

function readList<T>(input: Reader, read: (input: Reader) => T): T[] {
  const items: T[] = [];
  // Every item has a byte at least: a count that cannot be true reserves nothing.
  const count = input.varint(COUNT_MAX);
  if (count > input.remaining) input.fail();
  for (let i = 0; i < count && !input.failed; i++) items.push(read(input));
  return items;
}

function ascending(out: Writer, ids: readonly NodeId[]): void {
  let before = 0;
  list(out, ids, (id) => {
    out.varint(id - before);
    before = id;
  });
}

function readAscending(input: Reader): number[] {
  let before = 0;
  return readList(input, () => {
    before += input.varint();
    if (!Number.isSafeInteger(before)) input.fail();
    return before;
  });
}
