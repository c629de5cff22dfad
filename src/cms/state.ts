import type { GroupNumber, NodeId, RegionId, RegionViewId } from "../base/ids.ts";
import { Reader, Writer } from "../wire/bytes.ts";
import type { News } from "./changes.ts";
import type { DisseminationRule } from "./dissemination-rule.ts";
import { readAddress, readList, readText, writeAddress, writeList, writeText } from "./fields.ts";
import type { LifecycleState, Notice } from "./lifecycle.ts";
import type { RegionMapState } from "./regions.ts";
import type { Unreported } from "./replica.ts";
import { readSettled, SETTLED_BYTES_MIN, writeSettled } from "./settled.ts";
import type {
  Absence,
  FinalView,
  GroupChange,
  GroupView,
  NodeInfo,
  RegionChange,
  RegionView,
  ViewFailure,
} from "./views.ts";

/*
 * The state of a replica as bytes. All numbers are varints, lists a count and their elements, ascending lists of ids the distances between
 * them, texts u8 length and a byte for each character:
 *
 *   version u8
 *   tables: id lists; nodes; ends of views; failures in views; region views; news
 *   n, chain (text)
 *   map: dissemination u8 (0 regions, 1 hybrid, 2 auto), wasteLimit u32 in millionths, epoch, issued ids, addresses, groups, regions, nodes, what they want
 *   lifecycle: lives, sealings, reporters, regions, tombstones, departures
 *   nodes that are served: with the changes that they have not reported
 *
 * What many share stands once, in a table, and is named by its place there: the groups of a region in all its views, a node in all
 * views, a view and the news in what thousands of nodes are told. Who reads the state shares it again.
 */

const VERSION = 4;
/** Waste limits are kept in millionths. */
const WASTE_UNIT = 1_000_000;
const RULES: readonly DisseminationRule[] = ["regions", "hybrid", "auto"];

export type ReplicaState = {
  readonly n: number;
  readonly chain: string;
  readonly map: RegionMapState;
  readonly lifecycle: LifecycleState;
  readonly nodes: readonly NodeState[];
};

export type NodeState = {
  readonly node: NodeId;
  readonly client: string;
  readonly daemon: number;
  readonly user: string;
  readonly attachment: number;
  readonly told: number;
  readonly unreported: readonly Unreported[];
  readonly failing: boolean;
};

export function encodeState(state: ReplicaState): Uint8Array {
  const tables = new TableWriter();
  const body = new Writer(4096);
  body.varint(state.n);
  writeText(body, state.chain);
  writeMap(body, tables, state.map);
  writeLifecycle(body, state.lifecycle);
  writeList(body, state.nodes, (out, node) => writeNode(out, tables, node));
  return tables.writeTo(new Writer(4096).u8(VERSION)).raw(body.finish()).finish();
}

/** Decodes what `encodeState` wrote; `undefined` if it is not well formed. What it means is not judged. */
export function decodeState(bytes: Uint8Array): ReplicaState | undefined {
  const reader = new Reader(bytes);
  if (reader.u8() !== VERSION) return undefined;
  const tables = new TableReader(reader);
  const n = reader.varint();
  const chain = readText(reader);
  const map = readMap(reader, tables);
  const lifecycle = readLifecycle(reader);
  const nodes = readList(reader, 8, (input) => readNode(input, tables));
  return reader.failed || reader.remaining > 0 ? undefined : { n, chain, map, lifecycle, nodes };
}

// ---- tables ---------------------------------------------------------------------------------------------------------

class TableWriter {
  readonly #lists = new Table<readonly number[]>((out, list) => writeIds(out, list));
  readonly #nodes = new Table<NodeInfo>((out, { id, name, address }) => {
    writeText(out.varint(id), name);
    writeAddress(out, address);
  });
  readonly #finals = new Table<FinalView>((out, { id, last, failed }) => {
    writeList(writeViewId(out, id), last, (to, { sender, seq }) => void to.varint(sender).varint(seq));
    writeIds(out, failed);
  });
  readonly #failures = new Table<ViewFailure>((out, { id, nodes }) => writeIds(writeViewId(out, id), nodes));
  readonly #views = new Table<RegionView>((out, { id, address, members, absent }) => {
    writeViewId(out, id).varint(address);
    writeList(out, members, (to, member) => void to.varint(this.node(member)));
    writeAbsent(out, absent);
  });
  readonly #news = new Table<News>((out, news) => writeNews(out, this, news));

  list(list: readonly number[]): number {
    return this.#lists.place(list);
  }

  node(node: NodeInfo): number {
    return this.#nodes.place(node);
  }

  final(final: FinalView): number {
    return this.#finals.place(final);
  }

  failure(failure: ViewFailure): number {
    return this.#failures.place(failure);
  }

  view(view: RegionView): number {
    return this.#views.place(view);
  }

  news(news: News): number {
    return this.#news.place(news);
  }

  writeTo(out: Writer): Writer {
    const tables = [this.#lists, this.#nodes, this.#finals, this.#failures, this.#views, this.#news];
    for (const table of tables) table.writeTo(out);
    return out;
  }
}

/** Objects that stand once, in the order in which they were first met. */
class Table<T> {
  readonly #places = new Map<T, number>();
  readonly #write: (out: Writer, element: T) => void;
  readonly #out = new Writer();

  constructor(write: (out: Writer, element: T) => void) {
    this.#write = write;
  }

  place(element: T): number {
    let place = this.#places.get(element);
    if (place === undefined) {
      place = this.#places.size;
      this.#places.set(element, place);
      // Elements name only elements of tables before theirs.
      this.#write(this.#out, element);
    }
    return place;
  }

  writeTo(out: Writer): void {
    out.varint(this.#places.size).raw(this.#out.finish());
  }
}

class TableReader {
  readonly #input: Reader;
  readonly #lists: readonly number[][];
  readonly #nodes: readonly NodeInfo[];
  readonly #finals: readonly FinalView[];
  readonly #failures: readonly ViewFailure[];
  readonly #views: readonly RegionView[];
  readonly #news: readonly News[];

  constructor(input: Reader) {
    this.#input = input;
    this.#lists = readList(input, 1, readIds);
    this.#nodes = readList(input, 6, (from) => ({
      id: from.varint(),
      name: readText(from),
      address: readAddress(from),
    }));
    this.#finals = readList(input, 4, (from) => ({
      id: readViewId(from),
      last: readList(from, 2, (each) => ({ sender: each.varint(), seq: each.varint() })),
      failed: readIds(from),
    }));
    this.#failures = readList(input, 3, (from) => ({ id: readViewId(from), nodes: readIds(from) }));
    this.#views = readList(input, 6, (from) => ({
      id: readViewId(from),
      address: from.varint(),
      members: readList(from, 1, () => this.node()),
      ...readAbsent(from),
    }));
    this.#news = readList(input, 8, (from) => readNews(from, this));
  }

  list(): readonly number[] {
    return this.#at(this.#lists) ?? [];
  }

  node(): NodeInfo {
    return this.#at(this.#nodes) ?? NO_NODE;
  }

  final(): FinalView {
    return this.#at(this.#finals) ?? { id: NO_VIEW.id, last: [], failed: [] };
  }

  failure(): ViewFailure {
    return this.#at(this.#failures) ?? { id: NO_VIEW.id, nodes: [] };
  }

  view(): RegionView {
    return this.#at(this.#views) ?? NO_VIEW;
  }

  news(): News | undefined {
    return this.#at(this.#news);
  }

  #at<T>(table: readonly T[]): T | undefined {
    const element = table[this.#input.varint()];
    if (element === undefined) this.#input.fail();
    return element;
  }
}

// ---- the region map -------------------------------------------------------------------------------------------------

function writeMap(out: Writer, tables: TableWriter, map: RegionMapState): void {
  const { nodes, regions, groups } = map.issued;
  out
    .u8(RULES.indexOf(map.policy.dissemination))
    .u32(Math.round(map.policy.wasteLimit * WASTE_UNIT))
    .varint(map.epoch)
    .varint(nodes)
    .varint(regions)
    .varint(groups)
    .varint(map.addresses.taken);
  writeList(out, map.addresses.free, (to, address) => void to.varint(address));
  writeList(out, map.groups, (to, { number, view, address, isHybrid, name }) => {
    writeText(writeOptional(to.varint(number).varint(view), address).u8(isHybrid ? 1 : 0), name);
  });
  writeList(out, map.regions, (to, region) => {
    to.varint(region.id).varint(region.view).varint(region.address).varint(tables.list(region.groups));
    writeIds(to, region.members);
  });
  writeList(out, map.nodes, (to, node) => void to.varint(tables.node(node)));
  writeList(out, map.wanted, (to, { node, groups }) => writeIds(to.varint(node), groups));
}

function readMap(input: Reader, tables: TableReader): RegionMapState {
  const dissemination = RULES[input.u8()];
  const waste = input.u32();
  if (dissemination === undefined || waste >= WASTE_UNIT) input.fail();
  const policy = { dissemination: dissemination ?? "regions", wasteLimit: waste / WASTE_UNIT };
  const epoch = input.varint();
  const issued = { nodes: input.varint(), regions: input.varint(), groups: input.varint() };
  const taken = input.varint();
  const free = readList(input, 1, (from) => from.varint());
  const groups = readList(input, 5, (from) => ({
    number: from.varint(),
    view: from.varint(),
    address: readOptional(from),
    isHybrid: from.u8() === 1,
    name: readText(from),
  }));
  const regions = readList(input, 5, (from) => ({
    id: from.varint(),
    view: from.varint(),
    address: from.varint(),
    groups: tables.list(),
    members: readIds(from),
  }));
  const nodes = readList(input, 1, () => tables.node());
  const wanted = readList(input, 2, (from) => ({ node: from.varint(), groups: readIds(from) }));
  return { policy, epoch, issued, addresses: { taken, free }, groups, regions, nodes, wanted };
}

// ---- the ends of views ----------------------------------------------------------------------------------------------

function writeLifecycle(out: Writer, state: LifecycleState): void {
  writeList(out, state.lives, (to, life) => {
    writeIds(writeViewId(to, life.id), life.members);
    to.varint(life.supersededAt === undefined ? 0 : life.supersededAt + 1);
    to.u8(life.isFinal ? 1 : 0).varint(life.owed);
    writeList(to, life.last, (each, { sender, seq }) => void each.varint(sender).varint(seq));
    writeList(to, life.failed, (each, node) => void each.varint(node));
    writeList(to, life.sealings, (each, sealing) => void each.varint(sealing));
  });
  writeList(out, state.sealings, (to, sealing) => {
    writeIds(to.varint(sealing.n), sealing.nodes);
    writeList(to, sealing.lives, (each, life) => void each.varint(life));
  });
  writeList(out, state.reporters, (to, reporter) => {
    to.varint(reporter.node).varint(reporter.reported);
    writeList(
      to,
      reporter.due,
      (each, { n, sealing }) => void each.varint(n).varint(sealing === undefined ? 0 : sealing + 1),
    );
  });
  writeList(out, state.regions, (to, { region, addresses, views, hasEnded }) => {
    writeList(to.varint(region), addresses, (each, address) => void each.varint(address));
    to.varint(views).u8(hasEnded ? 1 : 0);
  });
  writeList(out, state.tombstones, (to, { id, retiredAt }) => void writeViewId(to, id).varint(retiredAt));
  writeList(out, state.departures, (to, { node, open, settled }) => {
    writeList(to.varint(node), open, (each, id) => void writeViewId(each, id));
    writeList(to, settled, writeSettled);
  });
}

function readLifecycle(input: Reader): LifecycleState {
  const lives = readList(input, 9, (from) => ({
    id: readViewId(from),
    members: readIds(from),
    supersededAt: readOptional(from),
    isFinal: from.u8() === 1,
    owed: from.varint(),
    last: readList(from, 2, (each) => ({ sender: each.varint(), seq: each.varint() })),
    failed: readList(from, 1, (each) => each.varint()),
    sealings: readList(from, 1, (each) => each.varint()),
  }));
  const sealings = readList(input, 3, (from) => ({
    n: from.varint(),
    nodes: readIds(from),
    lives: readList(from, 1, (each) => each.varint()),
  }));
  for (const life of lives) if (life.sealings.some((at) => at >= sealings.length)) input.fail();
  for (const sealing of sealings) if (sealing.lives.some((at) => at >= lives.length)) input.fail();
  const reporters = readList(input, 3, (from) => ({
    node: from.varint(),
    reported: from.varint(),
    due: readList(from, 2, (each) => ({ n: each.varint(), sealing: readOptional(each) })),
  }));
  for (const { due } of reporters) if (due.some(({ sealing }) => (sealing ?? 0) > sealings.length)) input.fail();
  const regions = readList(input, 4, (from) => ({
    region: from.varint(),
    addresses: readList(from, 1, (each) => each.varint()),
    views: from.varint(),
    hasEnded: from.u8() === 1,
  }));
  const tombstones = readList(input, 3, (from) => ({ id: readViewId(from), retiredAt: from.varint() }));
  const departures = readList(input, 3, (from) => ({
    node: from.varint(),
    open: readList(from, 2, readViewId),
    settled: readList(from, SETTLED_BYTES_MIN, readSettled),
  }));
  return { lives, sealings, reporters, regions, tombstones, departures };
}

// ---- what nodes are told --------------------------------------------------------------------------------------------

function writeNode(out: Writer, tables: TableWriter, node: NodeState): void {
  writeText(out.varint(node.node), node.client);
  writeText(out.varint(node.daemon), node.user);
  out
    .varint(node.attachment)
    .varint(node.told)
    .u8(node.failing ? 1 : 0);
  writeList(out, node.unreported, (to, { n, news, notice }) => {
    to.varint(n).u8((news === undefined ? 0 : 1) | (notice === undefined ? 0 : 2));
    if (news !== undefined) to.varint(tables.news(news));
    if (notice !== undefined) writeNotice(to, tables, notice);
  });
}

function readNode(input: Reader, tables: TableReader): NodeState {
  const node = input.varint();
  const client = readText(input);
  const daemon = input.varint();
  const user = readText(input);
  const attachment = input.varint();
  const told = input.varint();
  const failing = input.u8() === 1;
  const changes = readList(input, 2, (from) => {
    const n = from.varint();
    const parts = from.u8();
    const news = (parts & 1) === 0 ? undefined : tables.news();
    return { n, news, notice: (parts & 2) === 0 ? undefined : readNotice(from, tables) };
  });
  // They are numbered without gaps, up to the last.
  const first = told - changes.length + 1;
  if (first < 1) input.fail();
  const unreported = changes.map((change, i) => ({ seq: first + i, ...change }));
  return { node, client, daemon, user, attachment, told, unreported, failing };
}

function writeNews(out: Writer, tables: TableWriter, news: News): void {
  writeIds(out, news.failed);
  writeList(out, news.viewsFailed, (to, failure) => void to.varint(tables.failure(failure)));
  writeList(out, news.regionsCreated, (to, view) => void to.varint(tables.view(view)));
  writeList(out, news.regionsChanged, (to, { region, view, added, removed, absent }) => {
    to.varint(region).varint(view);
    writeList(to, added, (each, node) => void each.varint(tables.node(node)));
    writeIds(to, removed);
    writeAbsent(to, absent);
  });
  writeIds(out, news.regionsDeleted);
  writeList(out, news.groupsCreated, (to, { group, name, view, address, regions, places }) => {
    writeText(writeOptional(to.varint(group).varint(view), address), name);
    writeIds(to, regions);
    writePlaces(to, places);
  });
  writeList(out, news.groupsChanged, (to, { group, view, address, added, places, removed }) => {
    writeIds(writeOptional(to.varint(group).varint(view), address), added);
    writePlaces(to, places);
    writeIds(to, removed);
  });
  writeIds(out, news.groupsDeleted);
}

function readNews(input: Reader, tables: TableReader): News {
  return {
    failed: readIds(input),
    viewsFailed: readList(input, 1, () => tables.failure()),
    regionsCreated: readList(input, 1, () => tables.view()),
    regionsChanged: readList(input, 5, (from): RegionChange => {
      const [region, view] = [from.varint(), from.varint()];
      const [added, removed] = [readList(from, 1, () => tables.node()), readIds(from)];
      return { region, view, added, removed, ...readAbsent(from) };
    }),
    regionsDeleted: readIds(input),
    groupsCreated: readList(input, 5, (from): GroupView => {
      const [group, view, address, name] = [from.varint(), from.varint(), readOwnAddress(from), readText(from)];
      const regions = readIds(from);
      return { group, name, view, ...address, regions, places: readPlaces(from, regions) };
    }),
    groupsChanged: readList(input, 5, (from): GroupChange => {
      const [group, view, address] = [from.varint(), from.varint(), readOwnAddress(from)];
      const added = readIds(from);
      return { group, view, ...address, added, places: readPlaces(from, added), removed: readIds(from) };
    }),
    groupsDeleted: readIds(input),
  };
}

function writeNotice(out: Writer, tables: TableWriter, notice: Notice): void {
  writeList(out, [...notice.failed], (to, node) => void to.varint(node));
  writeList(out, notice.viewsFailed, (to, failure) => void to.varint(tables.failure(failure)));
  writeList(out, notice.finals, (to, final) => void to.varint(tables.final(final)));
}

function readNotice(input: Reader, tables: TableReader): Notice {
  return {
    failed: new Set(readList(input, 1, (from) => from.varint())),
    viewsFailed: readList(input, 1, () => tables.failure()),
    finals: readList(input, 1, () => tables.final()),
  };
}

// ---- fields ---------------------------------------------------------------------------------------------------------

/** An ascending list. */
function writeIds(out: Writer, ids: readonly number[]): void {
  let before = 0;
  writeList(out, ids, (to, id) => {
    to.varint(id - before);
    before = id;
  });
}

function readIds(input: Reader): GroupNumber[] {
  let before = 0;
  return readList(input, 1, (from) => {
    before += from.varint();
    if (!Number.isSafeInteger(before)) from.fail();
    return before;
  });
}

/** One for each region of a list that was written before. */
function writePlaces(out: Writer, places: readonly number[]): void {
  for (const place of places) out.varint(place);
}

function readPlaces(input: Reader, regions: readonly RegionId[]): number[] {
  return regions.map(() => input.varint());
}

function writeViewId(out: Writer, { region, view }: RegionViewId): Writer {
  return out.varint(region).varint(view);
}

function readViewId(input: Reader): RegionViewId {
  return { region: input.varint(), view: input.varint() };
}

function writeAbsent(out: Writer, absent: readonly Absence[] = []): void {
  writeList(out, absent, (to, { node, groups }) => writeIds(to.varint(node), groups));
}

function readAbsent(input: Reader): { absent?: readonly Absence[] } {
  const absent = readList(input, 2, (from): Absence => ({ node: from.varint(), groups: readIds(from) }));
  return absent.length === 0 ? {} : { absent };
}

function writeOptional(out: Writer, value: number | undefined): Writer {
  return out.varint(value === undefined ? 0 : value + 1);
}

function readOwnAddress(input: Reader): { address?: number } {
  const address = readOptional(input);
  return address === undefined ? {} : { address };
}

function readOptional(input: Reader): number | undefined {
  const value = input.varint();
  return value === 0 ? undefined : value - 1;
}

/** Stand for what was malformed; the whole state is refused then. */
const NO_NODE: NodeInfo = { id: 0, name: "", address: { host: "", controlPort: 0, repairPort: 0, dataPort: 0 } };
const NO_VIEW: RegionView = { id: { region: 0, view: 0 }, address: 0, members: [] };
