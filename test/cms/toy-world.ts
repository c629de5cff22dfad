import { expect } from "vitest";
import type { ConfigurationId, DaemonId, NodeId } from "../../src/base/ids.ts";
import type { Random } from "../../src/base/random.ts";
import type { RegularConfiguration } from "../../src/ordering/upcall.ts";
import { wholeChange } from "../../src/cms/changes.ts";
import type { EpochRecord } from "../../src/cms/continuity.ts";
import { NodeViews } from "../../src/cms/node-views.ts";
import { Replica } from "../../src/cms/replica.ts";
import { MembershipService, membershipDefaults } from "../../src/cms/service.ts";
import type { Change, RegionView } from "../../src/cms/views.ts";

type Message =
  | { readonly kind: "command"; readonly sender: DaemonId; readonly bytes: Uint8Array }
  | {
      readonly kind: "group";
      readonly sender: DaemonId;
      readonly user: string;
      readonly group: string;
      readonly joined: boolean;
    }
  | { readonly kind: "kill"; readonly sender: DaemonId; readonly user: string };

/** A configuration of toy daemons: one order of all that is sent in it. */
class Configuration {
  readonly view: RegularConfiguration;
  readonly log: Message[] = [];

  constructor(view: RegularConfiguration) {
    this.view = view;
  }
}

type Directory = Map<DaemonId, Map<string, Set<string>>>;

class ToyDaemon {
  readonly id: DaemonId;
  service: MembershipService;
  configuration: Configuration | undefined;
  /** So many messages of the configuration's order have come here, and are delivered. */
  received = 0;
  delivered = 0;
  directory: Directory = new Map();
  readonly users = new Map<string, ToyClient>();
  durable: EpochRecord | undefined;
  unsaved: EpochRecord | undefined;
  alive = true;

  constructor(id: DaemonId, service: MembershipService) {
    this.id = id;
    this.service = service;
  }
}

/** A process that is a node: it applies and reports what it is told. */
export class ToyClient {
  readonly token: string;
  daemon: DaemonId | undefined;
  user = "";
  node: NodeId | undefined;
  mirror = new NodeViews();
  changes: Change[] = [];
  /** Applied, and not reported, and what is to be repeated until it is acknowledged. */
  sealed = new Map<string, RegionView["id"]>();
  retired = new Map<string, RegionView["id"]>();
  wanted = new Set<string>();
  suspended = false;

  constructor(token: string) {
    this.token = token;
  }
}

const GROUPS = ["A", "B", "C", "D"];
const keyOf = (id: RegionView["id"]): string => `${id.region}.${id.view}`;

/**
 * Daemons' membership services over a toy broadcast with the guarantees of extended virtual synchrony: one order in each configuration; what
 * is delivered in a regular one has come to all its members; who goes on together delivers the same before and after the transitional
 * configuration. For tests.
 */
export class ToyWorld {
  readonly #random: Random;
  readonly #daemons: ToyDaemon[];
  readonly #clients: ToyClient[] = [];
  readonly #views = new Map<string, string>();
  readonly #changes = new Map<string, string>();
  readonly #groupViews = new Map<string, string>();
  readonly #incarnations = new Map<NodeId, string>();
  readonly #chains = new Map<string, string>();
  /** What daemons had received of a configuration when they left it. */
  readonly #departed = new Map<string, number>();
  /** What hosts and clients do about what they are asked: after the step, never within it. */
  readonly #later: (() => void)[] = [];
  #now = 0;
  #times = 0;
  #users = 0;
  #tokens = 0;
  persistsAtOnce = true;
  told = 0;

  constructor(random: Random, daemons: number) {
    this.#random = random;
    this.#daemons = Array.from({ length: daemons }, (_, i) => new ToyDaemon(i + 1, undefined as never));
    for (const daemon of this.#daemons) daemon.service = this.#makeService(daemon);
  }

  serviceOf(id: DaemonId): MembershipService {
    return this.#daemon(id).service;
  }

  // ---- what happens to daemons ------------------------------------------------------------------------------------

  /** Daemons in no list are alone. */
  split(components: readonly (readonly DaemonId[])[]): void {
    const alive = this.#daemons.filter((daemon) => daemon.alive);
    const before = new Map(alive.map((daemon) => [daemon, daemon.configuration]));
    const next = alive
      .filter(({ id }) => !components.some((list) => list.includes(id)))
      .map(({ id }): readonly DaemonId[] => [id])
      .concat(components)
      .map((list) => alive.filter(({ id }) => list.includes(id)))
      .filter((list) => list.length > 0);
    for (const members of next) {
      const olds = new Set(members.map((daemon) => before.get(daemon)));
      for (const old of olds) {
        if (old !== undefined)
          this.#transition(
            old,
            members.filter((daemon) => before.get(daemon) === old),
          );
      }
    }
    for (const members of next) this.#install(members);
  }

  heal(): void {
    this.split([this.#daemons.map(({ id }) => id)]);
  }

  crash(id: DaemonId): void {
    const daemon = this.#daemon(id);
    daemon.alive = false;
    for (const client of daemon.users.values()) client.daemon = undefined;
    daemon.users.clear();
    const others = daemon.configuration?.view.members.filter((other) => other !== id && this.#daemon(other).alive);
    if (others !== undefined && others.length > 0) this.split(this.#components(id).concat([others]));
  }

  restart(id: DaemonId): void {
    const daemon = this.#daemon(id);
    daemon.alive = true;
    daemon.unsaved = undefined;
    daemon.configuration = undefined;
    daemon.directory = new Map();
    daemon.service = this.#makeService(daemon);
    this.#install([daemon]);
  }

  finishPersisting(id: DaemonId): void {
    const daemon = this.#daemon(id);
    const record = daemon.unsaved;
    if (record === undefined) return;
    daemon.durable = record;
    daemon.unsaved = undefined;
    daemon.service.persisted(record);
  }

  // ---- what happens to clients ------------------------------------------------------------------------------------

  client(): ToyClient {
    const client = new ToyClient(`token${++this.#tokens}`);
    this.#clients.push(client);
    return client;
  }

  attach(client: ToyClient, id: DaemonId): void {
    this.#detach(client);
    const daemon = this.#daemon(id);
    const user = `u${++this.#users}`;
    client.daemon = id;
    client.user = user;
    client.suspended = daemon.service.isSuspended;
    daemon.users.set(user, client);
    const place = client.node === undefined ? undefined : { node: client.node, seq: client.mirror.seq };
    const address = { host: client.token, controlPort: 1, repairPort: 2, dataPort: 3 };
    daemon.service.attach({ user, client: client.token, name: `#${user}#d${id}`, address, place });
    for (const group of client.wanted) this.#send({ kind: "group", sender: id, user, group, joined: true });
    // What has not been acknowledged is said again.
    if (client.node !== undefined) this.#report(client);
  }

  join(client: ToyClient, group: string, joined = true): void {
    if (joined) client.wanted.add(group);
    else client.wanted.delete(group);
    if (client.daemon !== undefined)
      this.#send({ kind: "group", sender: client.daemon, user: client.user, group, joined });
  }

  /** The process ends: the session's end is ordered. It may start again, as another client. */
  kill(client: ToyClient): void {
    if (client.daemon === undefined) return;
    const { daemon, user } = client;
    this.#detach(client);
    this.#send({ kind: "kill", sender: daemon, user });
    this.#clients.splice(this.#clients.indexOf(client), 1);
  }

  // ---- time -------------------------------------------------------------------------------------------------------

  /** All that has been sent is delivered, and what comes of it. */
  deliverAll(): void {
    for (let busy = true; busy; ) {
      busy = false;
      for (const daemon of this.#daemons) {
        if (daemon.alive && daemon.configuration !== undefined) daemon.received = daemon.configuration.log.length;
      }
      for (const daemon of this.#daemons) while (this.#deliverOne(daemon)) busy = true;
    }
  }

  pass(ms: number): void {
    this.#now += ms;
    this.#tick();
    this.deliverAll();
  }

  /** Time passes in small steps, with everything delivered. */
  settle(ms = 500): void {
    for (let i = 0; i < 5; i++) {
      this.deliverAll();
      this.pass(ms / 5);
    }
  }

  /** Something, at random. */
  step(): void {
    const random = this.#random;
    const alive = this.#daemons.filter((daemon) => daemon.alive);
    const client = this.#clients.length === 0 ? undefined : random.pick(this.#clients);
    const daemon = random.pick(this.#daemons);
    // The dead start again, and clients without a daemon look for one, before long.
    if (!daemon.alive && random.chance(0.2)) this.restart(daemon.id);
    if (client?.daemon === undefined && client !== undefined && daemon.alive && random.chance(0.5))
      this.attach(client, daemon.id);
    const dice = random.integer(1, 100);
    if (dice <= 2) this.split(this.#randomComponents(alive));
    else if (dice <= 5) {
      if (daemon.alive) this.crash(daemon.id);
    } else if (dice <= 14) {
      if (daemon.alive && this.#clients.length < 8) this.attach(this.client(), daemon.id);
    } else if (dice <= 16) {
      if (daemon.alive && client !== undefined) this.attach(client, daemon.id);
    } else if (dice <= 35) {
      if (client !== undefined) this.join(client, random.pick(GROUPS), random.chance(0.7));
    } else if (dice <= 36) {
      if (client !== undefined) this.kill(client);
    } else if (dice <= 50) {
      this.#now += random.pick([50, 100, 100, 1_000, 1_000, 11_000]);
      this.#tick();
    } else if (dice <= 60) {
      this.persistsAtOnce = random.chance(0.7);
      this.finishPersisting(daemon.id);
    } else if (dice <= 75) this.deliverAll();
    else this.#progress(alive);
  }

  /** Everyone is together again, and everything comes to rest. */
  finish(): void {
    for (const daemon of this.#daemons) if (!daemon.alive) this.restart(daemon.id);
    this.persistsAtOnce = true;
    for (const daemon of this.#daemons) this.finishPersisting(daemon.id);
    this.heal();
    // Whoever was expelled comes back, and that may expel what was before.
    for (let round = 0; round < 3; round++) {
      for (const client of this.#clients)
        if (client.node === undefined || client.daemon === undefined) this.attach(client, 1);
      this.settle(1_000);
      this.settle(30_000);
    }
  }

  // ---- what must hold ---------------------------------------------------------------------------------------------

  /** All daemons have the same state, byte by byte, and reading it gives it again. */
  checkAgreement(): void {
    const [first, ...others] = this.#daemons.map(({ service }) => service);
    expect(first?.isActive).toBe(true);
    const state = (first as MembershipService).replica.export();
    for (const other of others) {
      expect(other.isActive).toBe(true);
      expect(other.replica.export()).toEqual(state);
    }
    expect(Replica.import(state)?.export()).toEqual(state);
    for (const { service } of this.#daemons) expect(service.malformed).toBe(0);
  }

  /** Each client is a node, knows what the state says of its groups, and is in those that it wants. */
  checkViews(): void {
    const { replica } = this.serviceOf(1);
    expect(replica.nodes.size).toBe(this.#clients.length);
    for (const { node, mirror, wanted } of this.#clients) {
      const fresh = new NodeViews();
      fresh.apply(wholeChange(replica.map, node as NodeId, 1, replica.n));
      expect(mirror.regions).toEqual(fresh.regions);
      expect(mirror.groups).toEqual(fresh.groups);
      expect([...mirror.groups.values()].map(({ name }) => name).sort()).toEqual([...wanted].sort());
    }
    expect(replica.lifecycle.endingViews).toBe(0);
    expect(replica.lifecycle.tombstones).toBe(0);
  }

  // ---- the toy broadcast ------------------------------------------------------------------------------------------

  /** Everyone receives and delivers a little, not the same. */
  #progress(alive: readonly ToyDaemon[]): void {
    const random = this.#random;
    for (const daemon of alive) {
      const sent = daemon.configuration?.log.length ?? 0;
      daemon.received = Math.min(sent, daemon.received + random.integer(0, 6));
    }
    for (const daemon of alive) for (let count = random.integer(0, 6); count > 0; count--) this.#deliverOne(daemon);
    if (random.chance(0.3)) this.#tick();
  }

  /** Delivered in the regular configuration: it has come to all its members. */
  #deliverOne(daemon: ToyDaemon): boolean {
    const { configuration } = daemon;
    if (!daemon.alive || configuration === undefined) return false;
    const stable = Math.min(...configuration.view.members.map((id) => this.#receivedBy(id, configuration)));
    if (daemon.delivered >= stable) return false;
    this.#deliver(daemon, configuration.log[daemon.delivered++] as Message);
    if (daemon.service.isActive) this.#compareLogs(daemon, configuration);
    this.#afterStep();
    return true;
  }

  #receivedBy(id: DaemonId, configuration: Configuration): number {
    const daemon = this.#daemon(id);
    if (daemon.alive && daemon.configuration === configuration) return daemon.received;
    return this.#departed.get(`${id} ${configuration.view.id.time}`) ?? 0;
  }

  /** These go on together from `old`: to the same place, then the transitional configuration, then the rest that they have. */
  #transition(old: Configuration, together: readonly ToyDaemon[]): void {
    const most = Math.max(...together.map((daemon) => daemon.delivered));
    const stable = Math.min(...old.view.members.map((id) => this.#receivedBy(id, old)));
    const cut = this.#random.integer(most, Math.max(most, stable));
    const received = Math.max(...together.map((daemon) => daemon.received));
    const ids = together.map(({ id }) => id);
    const rest = old.log.filter(({ sender }, at) => at >= cut && (at < received || ids.includes(sender)));
    for (const daemon of together) {
      this.#departed.set(`${daemon.id} ${old.view.id.time}`, daemon.received);
      while (daemon.delivered < cut) this.#deliver(daemon, old.log[daemon.delivered++] as Message);
      daemon.service.transitional();
      for (const message of rest) this.#deliver(daemon, message);
    }
  }

  #install(members: readonly ToyDaemon[]): void {
    const id: ConfigurationId = { leader: (members[0] as ToyDaemon).id, time: ++this.#times };
    const ids = members.map((daemon) => daemon.id).sort((a, b) => a - b);
    const primary = ids.length * 2 > this.#daemons.length;
    const configuration = new Configuration({ kind: "regular", id, members: ids, primary });
    const directories = new Map(members.map((daemon) => [daemon.id, daemon.directory.get(daemon.id) ?? new Map()]));
    for (const daemon of members) {
      daemon.directory = new Map([...directories].map(([owner, users]) => [owner, copyOf(users)]));
      daemon.configuration = configuration;
      daemon.received = 0;
      daemon.delivered = 0;
    }
    for (const daemon of members) {
      daemon.service.regular(configuration.view);
      daemon.service.settled();
    }
    this.#afterStep();
  }

  #deliver(daemon: ToyDaemon, message: Message): void {
    const { service, directory } = daemon;
    if (message.kind === "command") {
      service.command(message.sender, message.bytes, this.#now);
      return;
    }
    const users = directory.get(message.sender) ?? new Map<string, Set<string>>();
    directory.set(message.sender, users);
    if (message.kind === "kill") {
      users.delete(message.user);
      service.ended(message.sender, message.user, this.#now);
      return;
    }
    const groups = users.get(message.user) ?? new Set();
    users.set(message.user, groups);
    if (message.joined) groups.add(message.group);
    else groups.delete(message.group);
    service.changed(message.sender, message.user, message.group, message.joined, this.#now);
  }

  /** Active services that have delivered the same are equal. */
  #compareLogs(daemon: ToyDaemon, configuration: Configuration): void {
    const key = `${configuration.view.id.time} ${daemon.delivered}`;
    const { chain, n, epoch } = daemon.service.replica;
    const here = `${epoch} ${n} ${chain}`;
    expect(this.#chains.get(key) ?? here).toBe(here);
    this.#chains.set(key, here);
  }

  #send(message: Message): void {
    this.#daemon(message.sender).configuration?.log.push(message);
  }

  #tick(): void {
    for (const { alive, service } of this.#daemons) if (alive && service.deadline <= this.#now) service.tick(this.#now);
    this.#afterStep();
  }

  #components(except: DaemonId): DaemonId[][] {
    const lists = new Map<Configuration, DaemonId[]>();
    for (const { id, alive, configuration } of this.#daemons) {
      if (!alive || configuration === undefined || configuration.view.members.includes(except)) continue;
      lists.set(configuration, [...(lists.get(configuration) ?? []), id]);
    }
    return [...lists.values()];
  }

  #randomComponents(alive: readonly ToyDaemon[]): DaemonId[][] {
    const lists: DaemonId[][] = [[], []];
    for (const { id } of alive) (lists[this.#random.chance(0.75) ? 0 : 1] as DaemonId[]).push(id);
    return lists.filter((list) => list.length > 0);
  }

  #daemon(id: DaemonId): ToyDaemon {
    return this.#daemons[id - 1] as ToyDaemon;
  }

  // ---- a daemon and its clients -----------------------------------------------------------------------------------

  #makeService(daemon: ToyDaemon): MembershipService {
    const clientOf = (user: string): ToyClient | undefined => daemon.users.get(user);
    const outbox = {
      multicast: (bytes: Uint8Array) => this.#send({ kind: "command", sender: daemon.id, bytes }),
      persist: (record: EpochRecord) => {
        daemon.unsaved = record;
        if (this.persistsAtOnce) this.#later.push(() => this.finishPersisting(daemon.id));
      },
      registered: (user: string, node: NodeId) => this.#onRegistered(clientOf(user), node),
      change: (user: string, change: Change) => this.#onChange(daemon, clientOf(user), change),
      acknowledged: (
        user: string,
        report: { sealed: readonly { id: RegionView["id"] }[]; retired: readonly RegionView["id"][] },
      ) => {
        const client = clientOf(user);
        for (const { id } of report.sealed) client?.sealed.delete(keyOf(id));
        for (const id of report.retired) client?.retired.delete(keyOf(id));
      },
      expelled: (user: string) => {
        const client = clientOf(user);
        if (client !== undefined) this.#later.push(() => this.#forget(client));
      },
      suspended: (suspended: boolean) => {
        for (const client of daemon.users.values()) client.suspended = suspended;
      },
      happened: () => {},
    };
    const relation = { groupsOf: (owner: DaemonId, user: string) => daemon.directory.get(owner)?.get(user) ?? [] };
    return new MembershipService(
      { me: daemon.id, ...membershipDefaults, stateBytes: 300 },
      outbox,
      relation,
      daemon.durable,
    );
  }

  #afterStep(): void {
    for (let next = this.#later.shift(); next !== undefined; next = this.#later.shift()) next();
  }

  #onRegistered(client: ToyClient | undefined, node: NodeId): void {
    if (client === undefined || client.node === node) return;
    expect(client.node).toBeUndefined();
    expect(this.#incarnations.has(node)).toBe(false);
    this.#incarnations.set(node, client.token);
    client.node = node;
    client.mirror = new NodeViews();
    client.changes = [];
  }

  #onChange(daemon: ToyDaemon, client: ToyClient | undefined, change: Change): void {
    expect(daemon.configuration?.view.primary).toBe(true);
    if (client === undefined) return;
    this.told++;
    this.#unique(this.#changes, `${client.node} ${change.seq}`, change);
    const { opened, superseded } = client.mirror.apply(change);
    for (const view of opened) this.#unique(this.#views, keyOf(view.id), view);
    for (const { id } of superseded) client.sealed.set(keyOf(id), id);
    for (const { id } of change.finals) client.retired.set(keyOf(id), id);
    for (const view of client.mirror.groups.values())
      this.#unique(this.#groupViews, `${view.group}.${view.view}`, view);
    client.changes.push(change);
    this.#later.push(() => this.#report(client));
  }

  #unique(known: Map<string, string>, key: string, value: unknown): void {
    const text = JSON.stringify(value);
    expect(known.get(key) ?? text).toBe(text);
    known.set(key, text);
  }

  #report(client: ToyClient): void {
    if (client.daemon === undefined) return;
    const sealed = [...client.sealed.values()].map((id) => ({ id, last: 0 }));
    this.serviceOf(client.daemon).report(client.user, {
      n: client.mirror.n,
      sealed,
      retired: [...client.retired.values()],
      inquired: [],
      settled: [],
    });
  }

  #detach(client: ToyClient): void {
    if (client.daemon === undefined) return;
    const daemon = this.#daemon(client.daemon);
    daemon.users.delete(client.user);
    daemon.service.detach(client.user, this.#now);
    client.daemon = undefined;
  }

  #forget(client: ToyClient): void {
    client.node = undefined;
    client.mirror = new NodeViews();
    client.changes = [];
    client.sealed.clear();
    client.retired.clear();
    this.#detach(client);
  }
}

function copyOf(users: ReadonlyMap<string, ReadonlySet<string>>): Map<string, Set<string>> {
  return new Map([...users].map(([user, groups]) => [user, new Set(groups)]));
}
