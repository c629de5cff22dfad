import { assert } from "../base/assert.ts";
import { cover } from "../base/coverage.ts";
import { type NodeId, type RegionId, type RegionViewId, regionViewKey } from "../base/ids.ts";
import { ascending } from "./ascending.ts";
import { NO_NEWS, type News, type Told } from "./changes.ts";
import { Departures, type DeparturesState } from "./departures.ts";
import type { Step } from "./region.ts";
import type { RegionMap } from "./regions.ts";
import type { SettledStream } from "./settled.ts";
import { type Sealing, ViewLife } from "./view-life.ts";
import type { Change, FinalView, LastSeq, RegionView, ViewFailure } from "./views.ts";

/** What one node is told of the ends of views, beside the news that it shares with others. */
export type Notice = {
  readonly failed: Set<NodeId>;
  readonly viewsFailed: ViewFailure[];
  readonly finals: FinalView[];
};

/** A node says that it has applied all changes up to `n`, and what it had sent in the views that they ended for it. Cumulative. */
export type InstalledReport = {
  readonly node: NodeId;
  readonly n: number;
  readonly sealed: readonly { readonly id: RegionViewId; readonly last: number }[];
  /** It waits for these, and may not have been told that they have failed. */
  readonly inquired: readonly NodeId[];
  /** As the leader of views: what their members have accepted of senders that failed. */
  readonly settled: readonly SettledStream[];
};

/** All that a `Lifecycle` knows, as plain data; numbers of lives and sealings are places in their lists. */
export type LifecycleState = {
  readonly lives: readonly {
    readonly id: RegionViewId;
    readonly members: readonly NodeId[];
    readonly supersededAt: number | undefined;
    readonly isFinal: boolean;
    readonly owed: number;
    readonly last: readonly LastSeq[];
    readonly failed: readonly NodeId[];
    readonly sealings: readonly number[];
  }[];
  readonly sealings: readonly {
    readonly n: number;
    readonly nodes: readonly NodeId[];
    readonly lives: readonly number[];
  }[];
  readonly reporters: readonly {
    readonly node: NodeId;
    readonly reported: number;
    /** Positions that it has not reported, ascending. */
    readonly due: readonly { readonly n: number; readonly sealing: number | undefined }[];
  }[];
  readonly regions: readonly ({ readonly region: RegionId } & Readonly<RegionEnd>)[];
  readonly tombstones: readonly Tombstone[];
  readonly departures: DeparturesState;
};

/** A node's change, from what it shares with others and what is its own. */
export function changeOf(seq: number, n: number, news: News = NO_NEWS, notice?: Notice): Change {
  if (notice === undefined) return { seq, n, ...news, finals: [] };
  return {
    seq,
    n,
    ...news,
    failed: ascending([...news.failed, ...notice.failed]),
    viewsFailed: [...news.viewsFailed, ...notice.viewsFailed],
    finals: notice.finals,
  };
}

/**
 * The region views that are ending: from the position at which the first sender has to stop until their state is gone everywhere and their
 * address may be used again (region-views.md, rules 2 to 4 and 9; it replaces protocols.md A12, A50).
 *
 * No time takes part. A sender that does not report holds its views open until it reports or is declared failed; nobody else's.
 */
export class Lifecycle {
  /** What became of nodes that have failed. To be read only. */
  readonly departures: Departures;
  readonly #map: RegionMap;
  /** Views that are not retired and of which there is anything to remember, by `regionViewKey`. */
  readonly #lives = new Map<string, ViewLife>();
  /** Regions with superseded views that are remembered, as views or as tombstones. */
  readonly #regions = new Map<RegionId, RegionEnd>();
  /** In the order in which they were retired. */
  readonly #tombstones: Tombstone[] = [];
  readonly #reporters = new Map<NodeId, Reporter>();
  /** Positions at which nodes were told something that not all have reported, ascending. */
  readonly #positions: Position[] = [];
  /** In this step. */
  #notices = new Map<NodeId, Notice>();

  constructor(map: RegionMap, departures = new Departures()) {
    this.#map = map;
    this.departures = departures;
  }

  /** Superseded views that are not retired. */
  get endingViews(): number {
    let count = 0;
    for (const life of this.#lives.values()) if (life.supersededAt !== undefined) count++;
    return count;
  }

  get tombstones(): number {
    return this.#tombstones.length;
  }

  /** Position up to which this node has reported; 0 at first. */
  reportedBy(node: NodeId): number {
    return this.#reporters.get(node)?.reported ?? 0;
  }

  /** A batch at position `n`: views are superseded, nodes fail. What is told beside the news is returned by node. */
  apply(n: number, step: Step, told: Told): ReadonlyMap<NodeId, Notice> {
    this.#notices = new Map();
    const due = new Set<ViewLife>();
    for (const node of step.failed) this.#excuse(node, due);
    for (const { before, after } of step.regions) {
      if (before !== undefined) due.add(this.#supersede(before, n, after === undefined));
    }
    for (const { group, removed } of step.groups.values()) {
      if (group.regions.size > 0 || group.address === undefined) continue;
      // The group ends with its last regions, and what is sent to its address with what is sent to theirs.
      const end = removed[0] && this.#regions.get(removed[0].id);
      assert(end !== undefined, "a group ends with a region");
      end.addresses.push(group.address);
    }
    for (const { view, failed } of told.losses) {
      const life = this.#lifeOf(view);
      for (const node of failed) life.failed.add(node);
    }
    const sealings = told.audiences.map(({ nodes, sealed }): Sealing => {
      const sealing = { n, nodes, views: sealed.map((view) => this.#lifeOf(view)) };
      for (const life of sealing.views) life.owe(sealing);
      return sealing;
    });
    if (step.failed.length > 0) this.#tellOldViews(step.failed, told);
    for (const node of step.failed) this.departures.add(node, this.#viewsOf(node));
    this.#close(due, n);
    if (step.failed.length > 0) this.#retireDeserted(n);
    this.#expectReports(n, sealings);
    this.#release();
    return this.#notices;
  }

  /** Reports that are ordered at position `n`. Of a node that is not known they are passed over. */
  installed(n: number, reports: readonly InstalledReport[]): ReadonlyMap<NodeId, Notice> {
    this.#notices = new Map();
    const due = new Set<ViewLife>();
    for (const report of reports) {
      this.#onReport(report, due);
      for (const stream of report.settled) {
        if (this.#lives.get(regionViewKey(stream.id))?.hasMember(report.node) === true) this.departures.settled(stream);
      }
      for (const node of report.inquired)
        if (this.#map.node(node) === undefined) this.#notice(report.node).failed.add(node);
    }
    this.#close(due, n);
    this.#expectReports(n, []);
    this.#release();
    return this.#notices;
  }

  /** A member says that the view has ended everywhere. False if that cannot be: it is not final, or not known any more. */
  retired(n: number, node: NodeId, id: RegionViewId): boolean {
    const life = this.#lives.get(regionViewKey(id));
    if (life === undefined || !life.isFinal || !life.hasMember(node)) return false;
    this.#retire(life, n);
    this.#release();
    return true;
  }

  /** Nodes that may still send in a view that they were told to leave, by id. Whoever knows it as current may, too. */
  lateSenders(id: RegionViewId): NodeId[] {
    const late: NodeId[] = [];
    for (const { n, nodes } of this.#lives.get(regionViewKey(id))?.sealings ?? []) {
      for (const node of nodes) if ((this.#reporters.get(node.id)?.reported ?? n) < n) late.push(node.id);
    }
    return ascending(late);
  }

  /**
   * Regions whose current view has so much to remember of nodes that came and went that it should be replaced by one with the same
   * members: what is remembered of a view goes when it is retired. Ascending.
   */
  overgrown(): RegionId[] {
    const found: RegionId[] = [];
    for (const life of this.#lives.values()) {
      const remembered = life.failed.size + life.last.size + life.sealings.length;
      if (life.supersededAt === undefined && remembered > REMEMBERED_MAX) found.push(life.id.region);
    }
    return found.sort((a, b) => a - b);
  }

  /** How many changes this node has not reported yet. */
  unreported(node: NodeId): number {
    return this.#reporters.get(node)?.due.length ?? 0;
  }

  export(): LifecycleState {
    const lives = new Map<ViewLife, number>();
    for (const life of this.#lives.values()) lives.set(life, lives.size);
    const sealings = new Map<Sealing, number>();
    const place = (sealing: Sealing): number => {
      const known = sealings.get(sealing) ?? sealings.size;
      sealings.set(sealing, known);
      return known;
    };
    const told = [...lives.keys()].map((life) => ({
      id: life.id,
      members: life.members.map(({ id }) => id),
      supersededAt: life.supersededAt,
      isFinal: life.isFinal,
      owed: life.owed,
      last: Array.from(life.last, ([sender, seq]) => ({ sender, seq })),
      failed: [...life.failed],
      sealings: life.sealings.map(place),
    }));
    const reporters = Array.from(this.#reporters, ([node, { reported, due }]) => ({
      node,
      reported,
      due: due.map(({ position, sealing }) => ({ n: position.n, sealing: sealing && place(sealing) })),
    }));
    return {
      lives: told,
      sealings: Array.from(sealings.keys(), ({ n, nodes, views }) => ({
        n,
        nodes: nodes.map(({ id }) => id),
        lives: views.map((life) => lives.get(life)).filter((at) => at !== undefined),
      })),
      reporters,
      regions: Array.from(this.#regions, ([region, end]) => ({ region, ...end, addresses: end.addresses.slice() })),
      tombstones: this.#tombstones.slice(),
      departures: this.departures.export(),
    };
  }

  /** A lifecycle that knows what `export` told, for the map of the same state. */
  static import(map: RegionMap, state: LifecycleState): Lifecycle {
    const made = new Lifecycle(map, Departures.import(state.departures));
    const lives = state.lives.map((told) => {
      const life = new ViewLife(told.id, told.members.map(asMember));
      life.supersededAt = told.supersededAt;
      life.isFinal = told.isFinal;
      life.owed = told.owed;
      for (const { sender, seq } of told.last) life.last.set(sender, seq);
      for (const node of told.failed) life.failed.add(node);
      made.#lives.set(regionViewKey(told.id), life);
      return life;
    });
    const sealings = state.sealings.map(({ n, nodes, lives: places }): Sealing => {
      return { n, nodes: nodes.map(asMember), views: places.map((at) => lives[at] as ViewLife) };
    });
    for (const [at, told] of state.lives.entries()) {
      for (const sealing of told.sealings) lives[at]?.sealings.push(sealings[sealing] as Sealing);
    }
    const positions = new Map<number, Position>();
    for (const { node, reported, due } of state.reporters) {
      const reporter: Reporter = { reported, due: [] };
      for (const { n, sealing } of due) {
        const position = positions.get(n) ?? { n, owed: 0 };
        positions.set(n, position);
        position.owed++;
        reporter.due.push({ position, sealing: sealing === undefined ? undefined : sealings[sealing] });
      }
      made.#reporters.set(node, reporter);
    }
    made.#positions.push(...[...positions.values()].sort((a, b) => a.n - b.n));
    for (const { region, addresses, views, hasEnded } of state.regions) {
      made.#regions.set(region, { addresses: [...addresses], views, hasEnded });
    }
    made.#tombstones.push(...state.tombstones);
    return made;
  }

  // ---- failures ---------------------------------------------------------------------------------------------------

  /** Nothing more is expected of the node. */
  #excuse(node: NodeId, due: Set<ViewLife>): void {
    const reporter = this.#reporters.get(node);
    if (reporter === undefined) return;
    this.#reporters.delete(node);
    if (reporter.due.length > 0) cover("regions life excused");
    for (const { position, sealing } of reporter.due) {
      position.owed--;
      for (const life of sealing?.views ?? []) {
        life.excuse(node);
        due.add(life);
      }
    }
  }

  /**
   * Members of views in which a node was, or could send, hear of its failure, whether they share a group with it now or not; and who could
   * send in a view of which it was a member, since that may wait for an acknowledgement. `told` has those that shared a group until now.
   */
  #tellOldViews(failed: readonly NodeId[], told: Told): void {
    const losses = new Map(told.losses.map((loss) => [regionViewKey(loss.view.id), loss.failed]));
    for (const [key, life] of this.#lives) {
      const known = losses.get(key);
      const nodes = failed.filter(
        (node) => known?.includes(node) !== true && (life.hasMember(node) || life.hasSealed(node)),
      );
      if (nodes.length === 0) continue;
      const failure = { id: life.id, nodes };
      const concerned = this.#living(life);
      for (const member of concerned) this.#notice(member).viewsFailed.push(failure);
      if (nodes.some((node) => life.hasMember(node))) concerned.push(...this.#livingSenders(life));
      for (const one of concerned) for (const node of nodes) this.#notice(one).failed.add(node);
    }
  }

  /** Views in which the node could send, or was. */
  #viewsOf(node: NodeId): RegionViewId[] {
    const views: RegionViewId[] = [];
    for (const life of this.#lives.values()) {
      const isOf = life.failed.has(node) || life.hasMember(node) || life.hasSealed(node);
      if (isOf && this.#living(life).length > 0) views.push(life.id);
    }
    return views;
  }

  /** Final views that have no member any more, who could say that they are retired. */
  #retireDeserted(n: number): void {
    for (const life of this.#lives.values()) {
      if (!life.isFinal || this.#living(life).length > 0) continue;
      cover("regions life deserted");
      this.#retire(life, n);
    }
  }

  // ---- from current to retired ------------------------------------------------------------------------------------

  #lifeOf(view: RegionView): ViewLife {
    const key = regionViewKey(view.id);
    let life = this.#lives.get(key);
    if (life === undefined) {
      life = new ViewLife(view.id, view.members);
      this.#lives.set(key, life);
    }
    return life;
  }

  #supersede(view: RegionView, n: number, isLast: boolean): ViewLife {
    const life = this.#lifeOf(view);
    assert(life.supersededAt === undefined, "a view is superseded once");
    life.supersededAt = n;
    let end = this.#regions.get(view.id.region);
    if (end === undefined) {
      end = { addresses: [view.address], views: 0, hasEnded: false };
      this.#regions.set(view.id.region, end);
    }
    end.views++;
    end.hasEnded ||= isLast;
    return life;
  }

  #onReport({ node, n, sealed }: InstalledReport, due: Set<ViewLife>): void {
    const reporter = this.#reporters.get(node);
    if (reporter === undefined || n <= reporter.reported) return;
    reporter.reported = n;
    const last = new Map(sealed.map((view) => [regionViewKey(view.id), view.last]));
    let met = 0;
    for (const { position, sealing } of reporter.due) {
      if (position.n > n) break;
      met++;
      position.owed--;
      for (const life of sealing?.views ?? []) {
        life.report(node, last.get(regionViewKey(life.id)) ?? 0);
        due.add(life);
      }
    }
    reporter.due.splice(0, met);
  }

  #close(due: ReadonlySet<ViewLife>, n: number): void {
    for (const life of due) {
      if (!life.isDue) continue;
      cover("regions life final");
      const final = life.close();
      const members = this.#living(life);
      for (const member of members) this.#notice(member).finals.push(final);
      if (members.length === 0) this.#retire(life, n);
    }
  }

  #retire(life: ViewLife, n: number): void {
    cover("regions life retired");
    this.#lives.delete(regionViewKey(life.id));
    this.departures.retired(life.id);
    this.#tombstones.push({ id: life.id, retiredAt: n });
  }

  /** Tombstones go when everything told before has been reported: then nobody acts on older knowledge. */
  #release(): void {
    let settled = 0;
    while (this.#positions[settled]?.owed === 0) settled++;
    this.#positions.splice(0, settled);
    const oldest = this.#positions[0]?.n ?? Number.POSITIVE_INFINITY;
    let gone = 0;
    for (const { id, retiredAt } of this.#tombstones) {
      if (retiredAt >= oldest) break;
      gone++;
      const end = this.#regions.get(id.region);
      assert(end !== undefined && end.views > 0, "a region is remembered as long as its views");
      if (--end.views > 0) continue;
      this.#regions.delete(id.region);
      if (!end.hasEnded) continue;
      cover("regions address recycled");
      for (const address of end.addresses) this.#map.recycle(address);
    }
    this.#tombstones.splice(0, gone);
  }

  // ---- who is told, and owes a report -----------------------------------------------------------------------------

  #expectReports(n: number, sealings: readonly Sealing[]): void {
    const position: Position = { n, owed: 0 };
    const expect = (node: NodeId, sealing: Sealing | undefined): void => {
      let reporter = this.#reporters.get(node);
      if (reporter === undefined) {
        reporter = { reported: 0, due: [] };
        this.#reporters.set(node, reporter);
      }
      reporter.due.push({ position, sealing });
      position.owed++;
    };
    for (const sealing of sealings) for (const { id } of sealing.nodes) expect(id, sealing);
    for (const node of this.#notices.keys()) {
      if (this.#reporters.get(node)?.due.at(-1)?.position !== position) expect(node, undefined);
    }
    if (position.owed > 0) this.#positions.push(position);
  }

  #living(life: ViewLife): NodeId[] {
    const living: NodeId[] = [];
    for (const { id } of life.members) if (this.#map.node(id) !== undefined) living.push(id);
    return living;
  }

  /** Who was told to stop sending in a view, without its members. */
  #livingSenders(life: ViewLife): NodeId[] {
    const senders = new Set(life.sealings.flatMap(({ nodes }) => nodes.map(({ id }) => id)));
    return [...senders].filter((id) => !life.hasMember(id) && this.#map.node(id) !== undefined);
  }

  #notice(node: NodeId): Notice {
    let notice = this.#notices.get(node);
    if (notice === undefined) {
      notice = { failed: new Set(), viewsFailed: [], finals: [] };
      this.#notices.set(node, notice);
    }
    return notice;
  }
}

function asMember(id: NodeId): { id: NodeId } {
  return { id };
}

/** Nodes, or groups of nodes, that have come and gone while a view was current. */
const REMEMBERED_MAX = 1_000;

type Position = { readonly n: number; owed: number };
type Due = { readonly position: Position; readonly sealing: Sealing | undefined };
type Reporter = { reported: number; readonly due: Due[] };
type Tombstone = { readonly id: RegionViewId; readonly retiredAt: number };
type RegionEnd = { readonly addresses: number[]; views: number; hasEnded: boolean };
