import type { SiteConfig } from "./config/site.ts";
import type { DaemonId, NodeId } from "../base/ids.ts";
import { encodeChange } from "../cms/change-codec.ts";
import type { EpochRecord } from "../cms/continuity.ts";
import { decodeNodeTelling, encodeNodeTelling } from "../cms/node-report.ts";
import { MembershipService, membershipDefaults } from "../cms/service.ts";
import { encodeSettled, type SettledStream } from "../cms/settled.ts";
import type { NodeJoin } from "../directory/join-request.ts";
import type { SessionNumber } from "../groups/outbox.ts";
import type { AttachedSession } from "../session/outbox.ts";
import { encodeNodeSite, type NodeSite } from "../wire/native/node-facts.ts";
import { decodeNodeReport, encodeNodeNews, encodeNodeReport } from "../wire/native/node-frames.ts";
import { decodeNodeStatistics } from "../wire/native/node-statistics.ts";
import { NodeLedger } from "./node-ledger.ts";
import { RegionLog } from "./region-log.ts";
import type { RegionsChange } from "./regions-status.ts";

/** What the nodes of a daemon ask of it. None of it may call back. */
export interface RegionNodesOutbox {
  /** To the daemons of the configuration: safe, in this daemon's order. */
  multicast(command: Uint8Array): void;
  /** `MembershipOutbox.persist`. */
  persist(record: EpochRecord): void;
  /** A message to a session's client, numbered with its deliveries. */
  tell(session: SessionNumber, frame: Uint8Array): void;
  /** What all nodes of the site have in common, now. */
  site(): NodeSite;
  /** For the log. */
  happened(change: RegionsChange): void;
  /** Milliseconds, on the clock that the daemon is driven by, and since 1970. */
  now(): number;
  timeOfDay(): number;
  /** Names of the scalable groups that a client of any daemon is in, in an order that is the same at all daemons. */
  groupsOf(daemon: DaemonId, user: string): Iterable<string>;
}

/** A session that is a node, or has asked to be one. */
type NodeSession = {
  readonly session: AttachedSession;
  readonly address: NodeJoin["address"];
  /** Which node it is, and the last change that it was told. `undefined` until it is one. */
  place: NodeJoin["place"];
  /** It was a node already when it came here. */
  readonly hasMoved: boolean;
  /** Changes that it has been told and has not reported, with the time of telling; ascending. */
  readonly owed: { readonly n: number; readonly at: number }[];
  /** The membership service knows it: it has a connection. */
  isAttached: boolean;
};

/** A session that is a node, for people. */
export type ServedSession = {
  readonly user: string;
  readonly name: string;
  readonly node: NodeId | undefined;
  readonly isAttached: boolean;
  /** Since when it has owed the report of a change; `undefined`: it owes none. */
  readonly owesSince: number | undefined;
};

/**
 * The membership service of a daemon, and the native sessions that are nodes (docs/protocols/regions.md): turns what sessions ask and
 * report into calls of the service, and what it answers into messages to them. A session without its connection is not attached to the
 * service; if it is resumed it goes on as the same node, behind the last change that it was told.
 */
export class RegionNodes {
  readonly service: MembershipService;
  readonly #outbox: RegionNodesOutbox;
  /** By user: the service knows sessions by that. */
  readonly #nodes = new Map<string, NodeSession>();
  /** Sessions without a connection, nodes or not: what they asked for before may be ordered only now. */
  readonly #away = new Set<SessionNumber>();
  /** What nodes say of themselves. To be read only. */
  readonly ledger = new NodeLedger();
  /** What has become of regions. To be read only. */
  readonly log = new RegionLog();
  #malformed = 0;

  /** `site.sessions.resumeGraceMs`: how long sessions wait for their clients; a node without a session does not live longer than that. */
  constructor(
    me: DaemonId,
    { regions, sessions }: Pick<SiteConfig, "regions" | "sessions">,
    record: EpochRecord | undefined,
    outbox: RegionNodesOutbox,
  ) {
    this.#outbox = outbox;
    this.service = new MembershipService(
      {
        ...membershipDefaults,
        me,
        regions,
        graceMs: Math.min(membershipDefaults.graceMs, sessions.resumeGraceMs),
        goneMs: Math.min(membershipDefaults.goneMs, sessions.resumeGraceMs),
      },
      {
        multicast: (command) => outbox.multicast(command),
        persist: (epoch) => outbox.persist(epoch),
        registered: (user, node) => this.#registered(user, node),
        change: (user, change) => {
          const one = this.#nodes.get(user);
          if (one?.place === undefined) return;
          one.place = { node: one.place.node, seq: change.seq };
          one.owed.push({ n: change.n, at: outbox.now() });
          this.#tell(one, encodeChange(change));
        },
        acknowledged: (user, report) => {
          const one = this.#nodes.get(user);
          if (one === undefined) return;
          while (one.owed[0] !== undefined && one.owed[0].n <= report.n) one.owed.shift();
          outbox.tell(one.session.number, encodeNodeReport("acknowledged", encodeNodeTelling(report)));
        },
        expelled: (user, settled) => this.#expelled(user, settled),
        suspended: () => {
          for (const one of this.#nodes.values()) this.#tell(one, NOTHING);
        },
        happened: (event) => {
          const change = this.log.add(event, outbox.timeOfDay());
          if (change !== undefined) outbox.happened(change);
        },
      },
      { groupsOf: (daemon, user) => outbox.groupsOf(daemon, user) },
      record,
    );
  }

  /** All sessions that are nodes, or have asked to be. */
  *sessions(): Generator<ServedSession> {
    for (const { session, place, isAttached, owed } of this.#nodes.values()) {
      yield { user: session.user, name: session.privateGroup, node: place?.node, isAttached, owesSince: owed[0]?.at };
    }
  }

  /** Reports of nodes that were not well formed, and commands of daemons. */
  get malformed(): number {
    return this.#malformed + this.service.malformed + this.ledger.malformed;
  }

  /** The session joins a scalable group: it is to be a node. While it is one, what it says of it in further joins is passed over. */
  joins(session: AttachedSession, { address, place, isMore }: NodeJoin): void {
    if (isMore || session.token === undefined || this.#nodes.has(session.user)) return;
    const one: NodeSession = { session, address, place, hasMoved: place !== undefined, owed: [], isAttached: false };
    this.#nodes.set(session.user, one);
    // Its client may have taken the node elsewhere meanwhile: it attaches when it is back.
    if (this.#away.has(session.number)) return;
    if (this.service.isSuspended) this.#tell(one, NOTHING);
    this.#attach(one, session.token);
  }

  /** Nodes may have to send another way. */
  siteChanged(): void {
    const frame = encodeNodeSite(this.#outbox.site());
    for (const { session, place } of this.#nodes.values()) {
      if (place !== undefined) this.#outbox.tell(session.number, frame);
    }
  }

  /** The session is without a connection. `byPeer`: its process has closed it, or is no more. */
  interrupted({ user, number }: AttachedSession, byPeer: boolean, now: number): void {
    this.#away.add(number);
    const one = this.#nodes.get(user);
    if (one === undefined || !one.isAttached) return;
    one.isAttached = false;
    this.service.detach(user, now, byPeer);
  }

  /** It has one again. If changes are lost, its client has to join again and say which is its last one. */
  resumed({ user, number, token }: AttachedSession, isComplete: boolean, now: number): void {
    this.#away.delete(number);
    const one = this.#nodes.get(user);
    if (one === undefined || token === undefined) return;
    if (!isComplete) this.ended(one.session, now);
    else if (!one.isAttached) {
      if (this.service.isSuspended) this.#tell(one, NOTHING);
      this.#attach(one, token);
    }
  }

  /** The session is gone. */
  ended({ user, number }: AttachedSession, now: number): void {
    this.#away.delete(number);
    if (this.#nodes.get(user)?.isAttached) this.service.detach(user, now);
    this.#forget(user);
  }

  /** NODE_STATISTICS of the session; of one that is no node they are passed over. */
  counted({ user }: AttachedSession, statistics: Uint8Array, now: number): void {
    const one = this.#nodes.get(user);
    if (one !== undefined) this.ledger.record(user, decodeNodeStatistics(statistics), one.hasMoved, now);
  }

  /** A message of the session to its daemon has been ordered. */
  told({ user }: AttachedSession, frame: Uint8Array): void {
    const bytes = decodeNodeReport("report", frame, 0);
    // To no group, since its number has to be used up: nothing is lost with it.
    if (bytes === undefined) return;
    const report = decodeNodeTelling(bytes);
    if (report === undefined) this.#malformed++;
    else this.service.report(user, report);
  }

  #forget(user: string): void {
    this.#nodes.delete(user);
    this.ledger.forget(user);
  }

  #attach(one: NodeSession, token: Uint8Array): void {
    one.isAttached = true;
    one.owed.length = 0;
    const { user, privateGroup } = one.session;
    const { address, place } = one;
    this.service.attach({ user, client: hexOf(token), name: privateGroup, address, place });
  }

  #registered(user: string, node: NodeId): void {
    const one = this.#nodes.get(user);
    if (one === undefined) return;
    if (one.place?.node !== node) one.place = { node, seq: 0 };
    this.#outbox.tell(one.session.number, encodeNodeSite(this.#outbox.site()));
    this.#tell(one, NOTHING);
  }

  #expelled(user: string, settled: readonly SettledStream[]): void {
    const one = this.#nodes.get(user);
    if (one === undefined) return;
    this.#forget(user);
    this.#tell(one, encodeSettled(settled), true);
  }

  #tell({ session, place }: NodeSession, change: Uint8Array, expelled = false): void {
    const suspended = this.service.isSuspended;
    this.#outbox.tell(session.number, encodeNodeNews({ node: place?.node ?? 0, suspended, expelled, change }));
  }
}

const NOTHING = new Uint8Array(0);

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
