import { assert } from "../base/assert.ts";
import type { DaemonId, NodeId } from "../base/ids.ts";
import { Digest } from "../directory/digest.ts";
import { audiences, type News } from "./changes.ts";
import { type BatchSummary, type FailureCause, summaryOf } from "./happening.ts";
import { changeOf, Lifecycle, type InstalledReport, type Notice } from "./lifecycle.ts";
import type { NodeTelling } from "./node-report.ts";
import { exactRegions, type RegionPolicy } from "./region-policy.ts";
import { type NodeChange, RegionMap } from "./regions.ts";
import { decodeState, encodeState, type NodeState, type ReplicaState } from "./state.ts";
import type { Change, NodeAddress, NodeInfo } from "./views.ts";

/** Who is in which groups, as the daemons' directory has it at this position of the ordered stream. */
export interface Relation {
  /** Names of the groups with quality "scalable" that a session is in; none for a session that is not known. */
  groupsOf(daemon: DaemonId, user: string): Iterable<string>;
}

/** A session that wants to be a node, or that carries on for one after a change of daemons. */
export type Registration = {
  /** The session's name at its daemon. */
  readonly user: string;
  /** What stays the same when the client goes to another daemon: its token; private name where it has none. */
  readonly client: string;
  /** Its private name, for people. */
  readonly name: string;
  readonly address: NodeAddress;
  /** The node that it is already, and the last change that it has. */
  readonly place: { readonly node: NodeId; readonly seq: number } | undefined;
};

export type Registered =
  | { readonly kind: "new"; readonly node: ServedNode }
  /** What comes after its last change is sent to its new place. */
  | { readonly kind: "moved"; readonly node: ServedNode }
  /** The very same session is registered already. */
  | { readonly kind: "known"; readonly node: ServedNode }
  /** It is not a node any more, or never was here: it has to come back as a new one. */
  | { readonly kind: "expelled" };

/** What a node reports: that it has applied changes, views that have ended, and whom it waits for in vain. */
export type NodeReport = InstalledReport & Pick<NodeTelling, "retired">;

/** A change that the node has not reported yet, in parts that it shares with others. */
export type Unreported = {
  readonly seq: number;
  readonly n: number;
  readonly news: News | undefined;
  readonly notice: Notice | undefined;
};

/** A node as the service serves it. */
export class ServedNode {
  readonly info: NodeInfo;
  readonly client: string;
  /** Where the session that carries it is, or was last; and its user there: none (`NOBODY`) if the daemon has been started again since. */
  daemon: DaemonId;
  user: string;
  /** Counts the sessions that have carried the node: who has seen an earlier one cannot judge it. */
  attachment = 1;
  /** `seq` of the last change. */
  told = 0;
  readonly unreported: Unreported[] = [];

  constructor(info: NodeInfo, client: string, daemon: DaemonId, user: string) {
    this.info = info;
    this.client = client;
    this.daemon = daemon;
    this.user = user;
  }

  /** Whether who has this place can be told what comes next. Without one it must not have been told anything yet. */
  isAt(place: Registration["place"]): boolean {
    const reported = this.told - this.unreported.length;
    if (place === undefined) return reported === 0;
    return place.node === this.info.id && place.seq >= reported && place.seq <= this.told;
  }

  /** Changes after the one numbered `seq`, as far as they are not reported. */
  changesAfter(seq: number): Change[] {
    const first = this.unreported.findIndex((change) => change.seq > seq);
    if (first < 0) return [];
    return this.unreported.slice(first).map((one) => changeOf(one.seq, one.n, one.news, one.notice));
  }
}

/**
 * The replicated state of the membership service: nodes and where they are served, regions, and the ends of views. Every method is one
 * position of the ordered stream: replicas to which the same has happened in the same order are equal, byte by byte (`export`).
 *
 * Joins and leaves only collect; `flush` makes one batch of them. They are not exported: `reconcile` finds them anew.
 */
export class Replica {
  readonly #map: RegionMap;
  readonly #lifecycle: Lifecycle;
  readonly #nodes = new Map<NodeId, ServedNode>();
  readonly #byClient = new Map<string, ServedNode>();
  readonly #bySession = new Map<string, ServedNode>();
  readonly #wanted = new Map<ServedNode, Map<string, boolean>>();
  readonly #failing = new Map<NodeId, FailureCause>();
  #lastBatch: BatchSummary | undefined;
  /** Position in the log: grows with everything that is applied. */
  #n = 0;
  #chain = "";

  constructor(policy: RegionPolicy = exactRegions, map = new RegionMap(policy), lifecycle = new Lifecycle(map)) {
    this.#map = map;
    this.#lifecycle = lifecycle;
  }

  get epoch(): number {
    return this.#map.epoch;
  }

  get n(): number {
    return this.#n;
  }

  /** Tells logs of equal length apart. */
  get chain(): string {
    return this.#chain;
  }

  get nodes(): ReadonlyMap<NodeId, ServedNode> {
    return this.#nodes;
  }

  /** To be read only. */
  get map(): RegionMap {
    return this.#map;
  }

  /** To be read only. */
  get lifecycle(): Lifecycle {
    return this.#lifecycle;
  }

  /** Whether a flush would change anything: at once if a node has failed. */
  get pending(): "none" | "soon" | "now" {
    if (this.#failing.size > 0) return "now";
    return this.#wanted.size > 0 ? "soon" : "none";
  }

  /** What the last `flush` of this replica did, for people. */
  get lastBatch(): BatchSummary | undefined {
    return this.#lastBatch;
  }

  nodeOf(daemon: DaemonId, user: string): ServedNode | undefined {
    return this.#bySession.get(sessionKey(daemon, user));
  }

  /** The node that this very session carries already. */
  carriedBy(daemon: DaemonId, { user, client, place }: Registration): ServedNode | undefined {
    const node = this.nodeOf(daemon, user);
    return node?.client === client && node.isAt(place) ? node : undefined;
  }

  /** A new epoch of a primary configuration begins: everything is as it was, but for the ids that are given out. */
  enter(epoch: number): void {
    this.#advance(new Digest().text("epoch").number(epoch));
    this.#map.enter(epoch);
  }

  /**
   * These daemons have been started again: they know nothing of the sessions that they had. Nodes stay in their groups until a session carries them
   * again and says what it wants, or they are missed for too long; that their daemons name them in no group does not mean that they have left.
   */
  restarted(daemons: readonly DaemonId[]): void {
    if (daemons.length === 0) return;
    const digest = new Digest().text("restarted");
    for (const daemon of daemons) digest.number(daemon);
    this.#advance(digest);
    const gone = new Set(daemons);
    for (const node of this.#nodes.values()) {
      if (!gone.has(node.daemon) || node.user === NOBODY) continue;
      if (this.nodeOf(node.daemon, node.user) === node) this.#bySession.delete(sessionKey(node.daemon, node.user));
      node.user = NOBODY;
    }
  }

  /** The groups of sessions may have changed unseen: what they want is asked anew, of all nodes that these daemons serve. */
  reconcile(daemons: readonly DaemonId[], relation: Relation): void {
    const present = new Set(daemons);
    this.#wanted.clear();
    for (const node of this.#nodes.values()) {
      if (present.has(node.daemon) && node.user !== NOBODY) this.#reconcile(node, relation);
    }
  }

  register(daemon: DaemonId, registration: Registration, relation: Relation): Registered {
    const { user, client, name, address, place } = registration;
    this.#advance(
      new Digest()
        .text("register")
        .number(daemon)
        .text(user)
        .text(client)
        .number(place?.node ?? 0),
    );
    const former = this.#byClient.get(client);
    if (former !== undefined && this.carriedBy(daemon, registration) === former) return { kind: "known", node: former };
    if (place !== undefined) {
      if (former === undefined || !former.isAt(place)) return { kind: "expelled" };
      this.#move(former, daemon, user);
      this.#reconcile(former, relation);
      return { kind: "moved", node: former };
    }
    // The same client without its place has lost what the former node knew.
    if (former !== undefined) this.#fail(former, "replaced");
    const node = new ServedNode(this.#map.register(name, address), client, daemon, user);
    this.#nodes.set(node.info.id, node);
    this.#byClient.set(client, node);
    this.#seat(node);
    this.#reconcile(node, relation);
    return { kind: "new", node };
  }

  /** A session has joined, or left, a scalable group. */
  changed(daemon: DaemonId, user: string, group: string, joined: boolean): void {
    const node = this.nodeOf(daemon, user);
    if (node !== undefined) this.#want(node, group, joined);
  }

  /** A session has ended: the node that it carried has failed. */
  ended(daemon: DaemonId, user: string): void {
    const node = this.nodeOf(daemon, user);
    if (node === undefined) return;
    this.#advance(new Digest().text("ended").number(daemon).text(user));
    this.#fail(node, "session");
  }

  /** A node is declared failed, by who has seen it carried by its `attachment`-th session. */
  failed(id: NodeId, attachment: number): void {
    const node = this.#nodes.get(id);
    if (node === undefined || node.attachment !== attachment) return;
    this.#advance(new Digest().text("failed").number(id));
    this.#fail(node, "absent");
  }

  /** Everything that has collected becomes one batch. Returns the nodes that have failed in it. */
  flush(): readonly ServedNode[] {
    const batch: NodeChange[] = [];
    for (const node of this.#failing.keys()) batch.push({ node, joined: [], left: [], failed: true });
    for (const [node, wanted] of this.#wanted) {
      if (this.#failing.has(node.info.id)) continue;
      const joined: string[] = [];
      const left: string[] = [];
      for (const [group, isWanted] of wanted) (isWanted ? joined : left).push(group);
      batch.push({ node: node.info.id, joined, left, failed: false });
    }
    const causes = new Map(this.#failing);
    this.#failing.clear();
    this.#wanted.clear();
    const step = this.#map.apply(batch, this.#lifecycle.overgrown());
    const { nodes, regions, groups } = this.#map.issued;
    this.#advance(new Digest().text("flush").number(nodes).number(regions).number(groups));

    const gone = step.failed.map((id) => this.#remove(id));
    const failed = gone.map(({ info }) => ({ node: info, cause: causes.get(info.id) ?? ("unknown" as const) }));
    this.#lastBatch = summaryOf(this.#n, step, failed);
    const told = audiences(this.#map, step);
    const notices = new Map(this.#lifecycle.apply(this.#n, step, told));
    for (const audience of told.audiences) {
      for (const { id } of audience.nodes) {
        this.#tell(id, audience.news, notices.get(id));
        notices.delete(id);
      }
    }
    for (const [id, notice] of notices) this.#tell(id, undefined, notice);
    return gone;
  }

  /** Reports of nodes that a daemon serves. Of nodes that it does not serve any more they are passed over. */
  report(daemon: DaemonId, reports: readonly NodeReport[]): void {
    const digest = new Digest().text("report").number(daemon);
    const known = reports.filter(({ node }) => this.#nodes.get(node)?.daemon === daemon);
    for (const { node, n, sealed, retired, inquired, settled } of known) {
      digest.number(node).number(n);
      for (const { id, sender, seq } of settled) digest.number(id.region).number(id.view).number(sender).number(seq);
      for (const id of inquired) digest.number(id);
      for (const { id, last } of sealed) digest.number(id.region).number(id.view).number(last);
      for (const id of retired) digest.number(id.region).number(id.view);
    }
    this.#advance(digest);
    const notices = this.#lifecycle.installed(this.#n, known);
    for (const { node, n, retired } of known) {
      for (const id of retired) this.#lifecycle.retired(this.#n, node, id);
      const { unreported } = this.#nodes.get(node) as ServedNode;
      let reported = 0;
      while (reported < unreported.length && (unreported[reported] as Unreported).n <= n) reported++;
      unreported.splice(0, reported);
    }
    for (const [id, notice] of notices) this.#tell(id, undefined, notice);
  }

  /** The whole state as bytes, the same for equal replicas. */
  export(): Uint8Array {
    const nodes = Array.from(this.#nodes.values(), (node): NodeState => {
      const { info, client, daemon, user, attachment, told, unreported } = node;
      return { node: info.id, client, daemon, user, attachment, told, unreported, failing: this.#failing.has(info.id) };
    });
    return encodeState({
      n: this.#n,
      chain: this.#chain,
      map: this.#map.export(),
      lifecycle: this.#lifecycle.export(),
      nodes,
    });
  }

  /** A replica with the state that `export` told; `undefined` if it is not well formed. */
  static import(bytes: Uint8Array): Replica | undefined {
    const state = decodeState(bytes);
    return state === undefined ? undefined : Replica.#of(state);
  }

  static #of(state: ReplicaState): Replica {
    const map = RegionMap.import(state.map);
    const replica = new Replica(state.map.policy, map, Lifecycle.import(map, state.lifecycle));
    replica.#n = state.n;
    replica.#chain = state.chain;
    for (const { node: id, client, daemon, user, attachment, told, unreported, failing } of state.nodes) {
      const info = map.node(id);
      assert(info !== undefined, "nodes that are served are known");
      const node = new ServedNode(info, client, daemon, user);
      node.attachment = attachment;
      node.told = told;
      node.unreported.push(...unreported);
      replica.#nodes.set(id, node);
      if (failing) replica.#failing.set(id, "unknown");
      else {
        replica.#byClient.set(client, node);
        if (user !== NOBODY) replica.#bySession.set(sessionKey(daemon, user), node);
      }
    }
    return replica;
  }

  #lives(node: ServedNode): boolean {
    return !this.#failing.has(node.info.id);
  }

  #reconcile(node: ServedNode, relation: Relation): void {
    const wanted = new Set(relation.groupsOf(node.daemon, node.user));
    this.#wanted.delete(node);
    for (const number of this.#map.groupsOf(node.info.id)) {
      const name = this.#map.groups.get(number)?.name as string;
      if (!wanted.delete(name)) this.#want(node, name, false);
    }
    for (const name of wanted) this.#want(node, name, true);
  }

  #want(node: ServedNode, group: string, isWanted: boolean): void {
    let wanted = this.#wanted.get(node);
    if (wanted === undefined) {
      wanted = new Map();
      this.#wanted.set(node, wanted);
    }
    wanted.set(group, isWanted);
  }

  #move(node: ServedNode, daemon: DaemonId, user: string): void {
    if (this.nodeOf(node.daemon, node.user) === node) this.#bySession.delete(sessionKey(node.daemon, node.user));
    node.daemon = daemon;
    node.user = user;
    node.attachment++;
    this.#seat(node);
  }

  /** Its session carries it. One under the same name that carried another node has ended while that could not be told. */
  #seat(node: ServedNode): void {
    const other = this.nodeOf(node.daemon, node.user);
    if (other !== undefined && other !== node) this.#fail(other, "session");
    this.#bySession.set(sessionKey(node.daemon, node.user), node);
  }

  /** It goes with the next batch. Its client and its session may be another node from now on. */
  #fail(node: ServedNode, cause: FailureCause): void {
    this.#failing.set(node.info.id, cause);
    this.#wanted.delete(node);
    if (this.#byClient.get(node.client) === node) this.#byClient.delete(node.client);
    if (this.nodeOf(node.daemon, node.user) === node) this.#bySession.delete(sessionKey(node.daemon, node.user));
  }

  #remove(id: NodeId): ServedNode {
    const node = this.#nodes.get(id);
    assert(node !== undefined, "nodes of the map are served");
    this.#nodes.delete(id);
    return node;
  }

  #tell(id: NodeId, news: News | undefined, notice: Notice | undefined): void {
    const node = this.#nodes.get(id);
    assert(node !== undefined, "nodes that are told something are served");
    node.unreported.push({ seq: ++node.told, n: this.#n, news, notice });
    // Who does not report for so long would keep the ends of views, and what it has to be told, for ever.
    if (node.unreported.length > UNREPORTED_MAX && this.#lives(node)) this.#fail(node, "unreported");
  }

  #advance(digest: Digest): void {
    this.#n++;
    this.#chain = digest.text(this.#chain).finish();
  }
}

function sessionKey(daemon: DaemonId, user: string): string {
  return `${daemon} ${user}`;
}

const UNREPORTED_MAX = 4_096;

/** No user has this name. */
const NOBODY = "";
