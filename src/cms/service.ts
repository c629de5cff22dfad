import type { RegionPolicy } from "./region-policy.ts";
import { assert, unreachable } from "../base/assert.ts";
import type { ConfigurationId, DaemonId, NodeId } from "../base/ids.ts";
import type { RegularConfiguration } from "../ordering/upcall.ts";
import { Beginning, type BeginningOutbox } from "./beginning.ts";
import { type Command, decodeCommand, encodeCommand } from "./command.ts";
import { type EpochRecord, type Standing, WITNESSED_MAX } from "./continuity.ts";
import type { MembershipOutbox } from "./outbox.ts";
import type { NodeTelling } from "./node-report.ts";
import { type NodeReport, type Registration, type Relation, Replica, type ServedNode } from "./replica.ts";
import { PendingReport } from "./reports.ts";
import type { NodeInfo } from "./views.ts";

export type MembershipConfig = {
  readonly me: DaemonId;
  /** How long joins and leaves collect before they become one batch. A failure does not wait. */
  readonly batchMs: number;
  /** How long a node may be without a session before it is declared failed. */
  readonly graceMs: number;
  /** The same, if its process has closed the session's connection: it has ended, or is about to attach elsewhere. */
  readonly goneMs: number;
  /** The same at all daemons. What goes on of an earlier epoch keeps what it began with. */
  readonly regions: RegionPolicy;
  /** How long a node that has failed waits to be told what was accepted of it, while members still find that out. */
  readonly settleMs: number;
  /** How much of the state goes into one message. */
  readonly stateBytes: number;
};

export const membershipDefaults: Omit<MembershipConfig, "me"> = {
  batchMs: 100,
  graceMs: 10_000,
  goneMs: 1_000,
  regions: { dissemination: "auto", wasteLimit: 0 },
  settleMs: 5_000,
  stateBytes: 100_000,
};

type Phase =
  /** In no primary configuration: nothing is computed. */
  | { readonly name: "idle" }
  | { readonly name: "beginning"; readonly beginning: Beginning }
  | { readonly name: "active" };

/** A session of this daemon that is a node, or wants to be. */
type LocalNode = {
  readonly registration: Registration;
  node: NodeId | undefined;
  /** `seq` of the last change that was handed over. */
  sent: number;
  /** Another session carries the node now. This one hears no more, except that it has failed, if it is still there by then. */
  isElsewhere: boolean;
  readonly report: PendingReport;
};

/** A node without a session: who carried it when that was noticed, and when it is declared failed. */
type Absence = { readonly attachment: number; until: number };

/**
 * The membership service of one daemon (protocols.md A7, J2, docs/protocols/regions.md): a replica of the state that all daemons of the
 * primary configuration share, and what this daemon does for the nodes that it serves. Fed, in the order in which they are delivered, with
 * configurations, what the groups layer applies, and commands of all daemons.
 *
 * What is delivered in a transitional configuration is applied as well: another daemon may have got it in the regular one. But nobody is
 * told what came of it before a primary configuration has agreed that it stands, and if another state goes on it is as if it had never been.
 */
export class MembershipService {
  readonly #config: MembershipConfig;
  readonly #outbox: MembershipOutbox;
  readonly #relation: Relation;
  #replica: Replica;
  #phase: Phase = { name: "idle" };
  #configuration: RegularConfiguration | undefined;
  /** The configuration is ending: its last messages come, nobody is told anything, nothing is sent. */
  #isEnding = true;
  #isSuspended = true;
  #attempt: EpochRecord | undefined;
  readonly #witnessed: ConfigurationId[] = [];
  /** An epoch has begun here. */
  #hasBegun = false;
  readonly #local = new Map<string, LocalNode>();
  readonly #absent = new Map<NodeId, Absence>();
  /** Those whose nodes have failed, and until when they wait to hear what was accepted of them. */
  readonly #expelling = new Map<LocalNode, number>();
  #flushAt = Number.POSITIVE_INFINITY;
  #isFlushing = false;
  #reporting: readonly NodeReport[] | undefined;
  #malformed = 0;
  #now = 0;

  /** `record`: what was persisted last, in an earlier life. */
  constructor(config: MembershipConfig, outbox: MembershipOutbox, relation: Relation, record?: EpochRecord) {
    this.#config = config;
    this.#replica = new Replica(config.regions);
    this.#outbox = outbox;
    this.#relation = relation;
    this.#attempt = record;
  }

  /** To be read only. */
  get replica(): Replica {
    return this.#replica;
  }

  /** Whether changes are computed here now. */
  get isActive(): boolean {
    return this.#phase.name === "active" && !this.#isEnding;
  }

  get isSuspended(): boolean {
    return this.#isSuspended;
  }

  /** Nodes that this daemon misses: nobody carries them here, or anywhere as far as it knows; and when they are declared failed. */
  *absent(): Generator<{ readonly node: NodeInfo; readonly until: number }> {
    if (!this.isActive) return;
    for (const [id, { attachment, until }] of this.#absent) {
      const node = this.#replica.nodes.get(id);
      if (node?.attachment === attachment && this.#answersFor(node)) yield { node: node.info, until };
    }
  }

  /** Commands dropped because they were not well formed, or cannot have been sent by a correct daemon. */
  get malformed(): number {
    return this.#malformed;
  }

  get deadline(): number {
    let deadline = this.#flushAt;
    if (!this.isActive) return deadline;
    for (const { until } of this.#absent.values()) deadline = Math.min(deadline, until);
    for (const until of this.#expelling.values()) deadline = Math.min(deadline, until);
    return deadline;
  }

  tick(now: number): void {
    if (!this.isActive) return;
    if (this.#flushAt <= now) this.#flush();
    for (const [local, until] of this.#expelling) if (until <= now) this.#expel(local);
    for (const [id, absence] of this.#absent) {
      if (absence.until > now) continue;
      absence.until = now + this.#config.graceMs;
      const node = this.#replica.nodes.get(id);
      if (node?.attachment !== absence.attachment) this.#absent.delete(id);
      else if (this.#answersFor(node)) this.#send({ kind: "failed", node: id, attachment: absence.attachment });
    }
  }

  // ---- what is delivered ------------------------------------------------------------------------------------------

  /** The configuration ends: what is delivered from here on may not have been delivered to all as it was here. */
  transitional(): void {
    this.#isEnding = true;
    if (this.#phase.name === "beginning") this.#phase.beginning.end();
    this.#flushAt = Number.POSITIVE_INFINITY;
  }

  regular(configuration: RegularConfiguration): void {
    this.#configuration = configuration;
    this.#isEnding = false;
    this.#isFlushing = false;
    this.#absent.clear();
    this.#takeBackReports();
    if (configuration.primary) {
      const { me, stateBytes } = this.#config;
      const beginning = new Beginning(configuration, me, stateBytes, this.#beginningOutbox());
      this.#phase = { name: "beginning", beginning };
      return;
    }
    this.#phase = { name: "idle" };
    this.#suspend(true);
  }

  /** The groups layer has the groups of the new configuration together. */
  settled(): void {
    if (this.#phase.name !== "beginning" || this.#isEnding || this.#configuration === undefined) return;
    this.#phase.beginning.greet(this.#standing());
    this.#witness(this.#configuration.id);
  }

  /** A session of this daemon or another has joined, or left, a group with quality "scalable". */
  changed(daemon: DaemonId, user: string, group: string, joined: boolean, now: number): void {
    if (this.#phase.name !== "active") return;
    this.#replica.changed(daemon, user, group, joined);
    this.#schedule(now);
  }

  /** A session's end has been ordered. */
  ended(daemon: DaemonId, user: string, now: number): void {
    if (this.#phase.name !== "active") return;
    this.#replica.ended(daemon, user);
    this.#schedule(now);
  }

  /** A command. The bytes are never changed. */
  command(sender: DaemonId, bytes: Uint8Array, now: number): void {
    const command = decodeCommand(bytes);
    if (command === undefined) {
      this.#malformed++;
      return;
    }
    switch (command.kind) {
      case "hello":
      case "state":
      case "recorded":
        this.#now = now;
        if (this.#phase.name === "beginning" && !this.#phase.beginning.receive(sender, command)) this.#malformed++;
        return;
      case "register":
      case "flush":
      case "report":
      case "failed":
        // Those of a configuration before are repeated by who sent them, where there is still need.
        if (this.#phase.name === "active") this.#apply(sender, command, now);
        return;
      default:
        return unreachable(command);
    }
  }

  // ---- sessions of this daemon ------------------------------------------------------------------------------------

  /** A session wants to be a node, or to carry on for one. Its user name is not in use here. */
  attach(registration: Registration): void {
    const local = { registration, node: undefined, sent: 0, isElsewhere: false, report: new PendingReport() };
    this.#local.set(registration.user, local);
    if (!this.isActive) return;
    this.#welcome(local);
    this.#tell();
  }

  /**
   * The session is not connected any more. It may come back, here or at another daemon; its end is ordered by the groups layer. `byPeer`: its
   * process has closed the connection, or is no more; it is waited for only as long as it takes to attach elsewhere.
   */
  detach(user: string, now: number, byPeer = false): void {
    const local = this.#local.get(user);
    this.#local.delete(user);
    const node = local?.node === undefined ? undefined : this.#replica.nodes.get(local.node);
    const { graceMs, goneMs } = this.#config;
    if (node !== undefined && local?.isElsewhere === false && this.isActive)
      this.#miss(node, now, byPeer ? goneMs : graceMs);
  }

  /** What a node reports; it may do so before its session is known to carry it. Of a session that is no node it is passed over. */
  report(user: string, report: NodeTelling): void {
    const local = this.#local.get(user);
    if (local === undefined || local.isElsewhere || (local.node ?? local.registration.place) === undefined) return;
    local.report.add(report);
    this.#sendReports();
  }

  /** The host has found that the process behind a session does not answer any more. */
  fail(user: string): void {
    const local = this.#local.get(user);
    const id = local?.isElsewhere === true ? undefined : local?.node;
    const node = id === undefined ? undefined : this.#replica.nodes.get(id);
    if (node !== undefined && this.isActive)
      this.#send({ kind: "failed", node: node.info.id, attachment: node.attachment });
  }

  /** The record is durable. */
  persisted(record: EpochRecord): void {
    if (this.#phase.name === "beginning") this.#phase.beginning.persisted(record);
  }

  // ---- how a primary configuration begins -------------------------------------------------------------------------

  #standing(): Standing {
    const { epoch, n, chain } = this.#replica;
    return { attempt: this.#attempt, witnessed: this.#witnessed.slice(), isNew: !this.#hasBegun, epoch, n, chain };
  }

  /** Noted when nothing of it can be known yet: who is in it will know at its end. */
  #witness(configuration: ConfigurationId): void {
    this.#witnessed.push(configuration);
    if (this.#witnessed.length > WITNESSED_MAX) this.#witnessed.shift();
  }

  #beginningOutbox(): BeginningOutbox {
    return {
      send: (command) => this.#send(command),
      persist: (record) => this.#outbox.persist(record),
      attempted: (record) => {
        this.#attempt = record;
      },
      exportState: () => this.#replica.export(),
      adopt: (state) => {
        const adopted = Replica.import(state);
        assert(adopted !== undefined, "the state that another daemon tells is well formed");
        this.#replica = adopted;
      },
      begin: (record, anew, newcomers) => this.#begin(record, anew, newcomers),
    };
  }

  #begin({ epoch }: EpochRecord, anew: boolean, newcomers: readonly DaemonId[]): void {
    if (anew) this.#replica = new Replica(this.#config.regions);
    this.#hasBegun = true;
    this.#replica.enter(epoch);
    this.#replica.restarted(newcomers);
    this.#replica.reconcile(this.#configuration?.members ?? [], this.#relation);
    this.#phase = { name: "active" };
    this.#outbox.happened({ kind: "epoch", epoch, anew });
    if (!this.#isEnding) this.#resume(this.#now);
  }

  /** The state is that of the primary configuration: nodes are told what is new to them. */
  #resume(now: number): void {
    this.#suspend(false);
    const members = this.#configuration?.members ?? [];
    for (const node of this.#replica.nodes.values()) {
      const isHere = node.daemon === this.#config.me;
      if (isHere ? !this.#carries(node) : !members.includes(node.daemon)) this.#miss(node, now);
    }
    for (const local of this.#local.values()) if (local.node === undefined) this.#welcome(local);
    this.#tell();
    this.#sendReports();
    this.#schedule(now);
  }

  #suspend(suspended: boolean): void {
    if (this.#isSuspended === suspended) return;
    this.#isSuspended = suspended;
    if (suspended) this.#outbox.happened({ kind: "suspended" });
    this.#outbox.suspended(suspended);
  }

  // ---- the log ----------------------------------------------------------------------------------------------------

  #apply(sender: DaemonId, command: Command & { kind: "register" | "flush" | "report" | "failed" }, now: number): void {
    const isOwn = sender === this.#config.me;
    this.#now = now;
    switch (command.kind) {
      case "register":
        this.#onRegister(sender, command.registration, now);
        break;
      case "flush":
        this.#isFlushing = false;
        for (const { info } of this.#replica.flush()) this.#absent.delete(info.id);
        this.#tellBatch();
        break;
      case "report":
        this.#replica.report(sender, command.reports);
        if (isOwn && !this.#isEnding) this.#acknowledge();
        break;
      case "failed":
        this.#replica.failed(command.node, command.attachment);
        break;
    }
    if (this.#isEnding) return;
    this.#tell();
    this.#sendReports();
    this.#schedule(now);
  }

  #onRegister(daemon: DaemonId, registration: Registration, now: number): void {
    const registered = this.#replica.register(daemon, registration, this.#relation);
    if (registered.kind === "moved") this.#absent.delete(registered.node.info.id);
    if (daemon !== this.#config.me || this.#isEnding) return;
    const local = this.#local.get(registration.user);
    if (local === undefined) {
      // The session has gone while it was being registered.
      const node = this.#replica.nodeOf(daemon, registration.user);
      if (node !== undefined) this.#miss(node, now);
    } else if (registered.kind === "expelled") {
      local.node = registration.place?.node;
      if (local.node !== undefined) this.#expelSettled(local, local.node);
    } else if (registered.node.client === local.registration.client) this.#welcome(local);
  }

  /** The node is gone: its session hears of it when it is known what was accepted of it. */
  #expelSettled(local: LocalNode, node: NodeId): void {
    if (this.#replica.lifecycle.departures.isSettled(node)) this.#expel(local);
    else if (!this.#expelling.has(local)) this.#expelling.set(local, this.#now + this.#config.settleMs);
  }

  #tellBatch(): void {
    const batch = this.#replica.lastBatch;
    if (batch !== undefined) this.#outbox.happened({ kind: "batch", batch });
  }

  /** Nodes of this daemon are told what they have not been told. */
  #tell(): void {
    for (const local of this.#local.values()) {
      if (local.node === undefined) continue;
      const { user } = local.registration;
      const node = this.#replica.nodes.get(local.node);
      if (node === undefined) {
        this.#expelSettled(local, local.node);
        continue;
      }
      if (node.daemon !== this.#config.me || node.user !== user) {
        // Its client has taken it elsewhere; or has come from there, and what it asked for there was ordered later.
        local.isElsewhere = true;
      }
      if (local.isElsewhere) continue;
      if (node.told === local.sent) continue;
      assert(node.told > local.sent, "what a node has been told stands");
      for (const change of node.changesAfter(local.sent)) this.#outbox.change(user, change);
      local.sent = node.told;
    }
  }

  /** The session is the node that the state says it is, or asks to become one. */
  #welcome(local: LocalNode): void {
    const { registration } = local;
    if (local.node !== undefined) return;
    const node = this.#replica.carriedBy(this.#config.me, registration);
    if (node === undefined) {
      this.#send({ kind: "register", registration });
      return;
    }
    local.node = node.info.id;
    local.sent = registration.place?.seq ?? 0;
    this.#outbox.registered(registration.user, node.info.id);
  }

  #expel(local: LocalNode): void {
    const { user } = local.registration;
    this.#expelling.delete(local);
    if (this.#local.get(user) !== local) return;
    this.#local.delete(user);
    this.#outbox.expelled(user, local.node === undefined ? [] : this.#replica.lifecycle.departures.of(local.node));
  }

  // ---- what this daemon asks for ----------------------------------------------------------------------------------

  /** The first member of the configuration says when a batch is complete. */
  #schedule(now: number): void {
    if (this.#isEnding || this.#isFlushing || this.#configuration?.members[0] !== this.#config.me) return;
    const { pending } = this.#replica;
    if (pending === "now") this.#flush();
    else if (pending === "soon") this.#flushAt = Math.min(this.#flushAt, now + this.#config.batchMs);
  }

  #flush(): void {
    this.#flushAt = Number.POSITIVE_INFINITY;
    this.#isFlushing = true;
    this.#send({ kind: "flush" });
  }

  /** One command at a time: while it is under way what nodes report adds up. */
  #sendReports(): void {
    if (!this.isActive || this.#reporting !== undefined) return;
    const reports: NodeReport[] = [];
    for (const { node, report, isElsewhere } of this.#local.values()) {
      if (node !== undefined && !isElsewhere && report.isOpen && reports.length < REPORTS_MAX)
        reports.push(report.take(node));
    }
    if (reports.length === 0) return;
    this.#reporting = reports;
    this.#send({ kind: "report", reports });
  }

  /** What became of the reports under way is not known here: they are sent again. */
  #takeBackReports(): void {
    for (const report of this.#reporting ?? []) {
      for (const local of this.#local.values()) if (local.node === report.node) local.report.add(report);
    }
    this.#reporting = undefined;
  }

  #acknowledge(): void {
    for (const report of this.#reporting ?? []) {
      const node = this.#replica.nodes.get(report.node);
      if (node?.daemon === this.#config.me) this.#outbox.acknowledged(node.user, report);
    }
    this.#reporting = undefined;
  }

  /** From now on the node's session is missed. */
  #miss(node: ServedNode, now: number, waitMs = this.#config.graceMs): void {
    this.#absent.set(node.info.id, { attachment: node.attachment, until: now + waitMs });
  }

  /** Whether it is this daemon that has to declare a node failed: it serves it, or is the first of those who do not. */
  #answersFor(node: ServedNode): boolean {
    if (node.daemon === this.#config.me) return !this.#carries(node);
    const members = this.#configuration?.members ?? [];
    return members[0] === this.#config.me && !members.includes(node.daemon);
  }

  /** Whether a session of this daemon is the node's. */
  #carries({ user, client }: ServedNode): boolean {
    const local = this.#local.get(user);
    return local?.isElsewhere === false && local.registration.client === client;
  }

  #send(command: Command): void {
    this.#outbox.multicast(encodeCommand(command));
  }
}

/** How many nodes report in one command. */
const REPORTS_MAX = 1_000;
