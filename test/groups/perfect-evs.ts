import { type ConfigurationId, configurationKey, type DaemonId } from "../../src/base/ids.ts";
import type { Random } from "../../src/base/random.ts";
import { Groups } from "../../src/groups/groups.ts";
import type { GroupsOutbox } from "../../src/groups/outbox.ts";
import { Content } from "../../src/ordering/content.ts";
import { type Service, serviceRank } from "../../src/ordering/service.ts";
import type { Delivery, RegularConfiguration } from "../../src/ordering/upcall.ts";

/** A regular configuration with the messages ordered in it, first to last. */
export class Configuration implements RegularConfiguration {
  readonly kind = "regular";
  readonly id: ConfigurationId;
  readonly members: readonly DaemonId[];
  readonly primary: boolean;
  readonly log: Delivery[] = [];
  /** It is ending: nothing new is ordered in it. */
  frozen = false;

  constructor(id: ConfigurationId, members: readonly DaemonId[], primary: boolean) {
    this.id = id;
    this.members = members;
    this.primary = primary;
  }
}

/** How a configuration ends for those of its members that go on together. */
type Ending = {
  readonly id: ConfigurationId;
  readonly members: readonly DaemonId[];
  /** Messages from here on are delivered in the transitional configuration. */
  readonly cut: number;
  /** Lost to these members. */
  readonly lost: ReadonlySet<number>;
  next: Configuration | undefined;
};

/** What a test wants to see of a daemon. */
export type Observer = {
  outbox(node: Node): Omit<GroupsOutbox, "multicast" | "block" | "unblock" | "mayJoin">;
  /** After each upcall. `position` is equal at daemons that have had the same. */
  stepped(node: Node, position: string): void;
};

/** One daemon: its groups layer and where it stands in the history. */
export class Node {
  readonly id: DaemonId;
  /** Grows with each start of the daemon. */
  readonly incarnation: number;
  readonly groups: Groups;
  configuration: Configuration | undefined;
  blocked = false;
  alive = true;
  readonly #evs: PerfectEvs;
  #position = 0;
  #ahead = new Set<number>();
  #ending: Ending | undefined;
  #inTransition = false;
  /** Waits for a configuration in which it can be ordered: clients' messages also for the end of an exchange. */
  #waiting: Delivery[] = [];
  #cuts = 0;

  constructor(id: DaemonId, incarnation: number, evs: PerfectEvs, observer: Observer, pieceBytes: number) {
    this.id = id;
    this.incarnation = incarnation;
    this.#evs = evs;
    const names = { positionOf: (daemon: DaemonId) => daemon, nameOf: daemonName, daemonNamed: () => undefined };
    this.groups = new Groups(
      { me: id, daemonName: daemonName(id), ...names, statePieceBytes: pieceBytes },
      {
        ...observer.outbox(this),
        multicast: (service, content, payload) =>
          this.submit({ sender: id, session: 0, service, content, head: payload, tail: undefined }),
        block: () => {
          this.blocked = true;
        },
        unblock: () => {
          this.blocked = false;
          this.#flush();
        },
        mayJoin: () => {},
      },
    );
  }

  get position(): number {
    return this.#position;
  }

  get ahead(): ReadonlySet<number> {
    return this.#ahead;
  }

  get isEnding(): boolean {
    return this.#ending !== undefined;
  }

  /** Gives a message to the ring, which orders it now or when it can. */
  submit(delivery: Delivery): void {
    this.#waiting.push(delivery);
    this.#flush();
  }

  end(ending: Ending): void {
    this.#ending = ending;
  }

  /** Makes one upcall, if one is due; `chance` lets weak messages overtake. */
  step(random: Random | undefined): boolean {
    const { configuration } = this;
    const ending = this.#ending;
    if (configuration === undefined) return ending?.next !== undefined && this.#install(ending.next);
    const limit = ending === undefined || this.#inTransition ? configuration.log.length : ending.cut;
    if (random !== undefined && ending === undefined && random.chance(0.3) && this.#overtake(random)) return true;
    while (this.#position < limit) {
      const at = this.#position++;
      if (this.#ahead.delete(at) || (this.#inTransition && ending?.lost.has(at))) continue;
      return this.#deliver(configuration.log[at] as Delivery);
    }
    if (ending === undefined) return false;
    if (!this.#inTransition) {
      this.#inTransition = true;
      this.groups.transitional({ kind: "transitional", id: ending.id, members: ending.members });
      return this.#done();
    }
    return ending.next !== undefined && this.#install(ending.next);
  }

  #overtake(random: Random): boolean {
    const { log } = this.configuration as Configuration;
    const weak: number[] = [];
    for (let at = this.#position + 1; at < log.length; at++) {
      if (!this.#ahead.has(at) && serviceRank((log[at] as Delivery).service) < serviceRank("fifo")) weak.push(at);
    }
    if (weak.length === 0) return false;
    const at = random.pick(weak);
    this.#ahead.add(at);
    return this.#deliver(log[at] as Delivery);
  }

  #deliver(delivery: Delivery): boolean {
    this.groups.message(this.#cut(delivery));
    return this.#done();
  }

  /** As if it lay in two packets, with the end of the first at all places by turns. */
  #cut(delivery: Delivery): Delivery {
    const { head } = delivery;
    const at = (this.#cuts += 7) % head.length;
    return at === 0 ? delivery : { ...delivery, head: head.slice(0, at), tail: head.slice(at) };
  }

  #install(next: Configuration): boolean {
    this.configuration = next;
    this.#position = 0;
    this.#ahead = new Set();
    this.#ending = this.#evs.endingOf(next, this.id);
    this.#inTransition = false;
    this.groups.regular(next);
    this.#flush();
    return this.#done();
  }

  #done(): boolean {
    const within = this.#inTransition ? this.#ending?.id : this.configuration?.id;
    if (within !== undefined) this.#evs.observer.stepped(this, `${configurationKey(within)} ${this.#position}`);
    return true;
  }

  #flush(): void {
    const { configuration } = this;
    if (configuration === undefined || configuration.frozen || this.#ending !== undefined || !this.alive) return;
    const kept: Delivery[] = [];
    for (const delivery of this.#waiting) {
      if (delivery.content === Content.groupState || !this.blocked) configuration.log.push(delivery);
      else kept.push(delivery);
    }
    this.#waiting = kept;
  }
}

/**
 * Extended virtual synchrony as the specification has it, without a network: configurations split and merge at random
 * or by command, each daemon is told at its own pace, and what daemons that go on together deliver is the same.
 */
export class PerfectEvs {
  readonly observer: Observer;
  readonly nodes = new Map<DaemonId, Node>();
  readonly #pieceBytes: number;
  /** Ends of configurations that have been decided and whose members have not been put into a next one. */
  #open: Ending[] = [];
  readonly #endings = new Map<Configuration, Ending[]>();
  readonly #configurations: Configuration[] = [];
  #time = 1000;
  #incarnation = 0;

  constructor(observer: Observer, pieceBytes = 100_000) {
    this.observer = observer;
    this.#pieceBytes = pieceBytes;
  }

  get live(): Node[] {
    return [...this.nodes.values()].filter((node) => node.alive);
  }

  /** Configurations that are in force and can be split. */
  get current(): Configuration[] {
    return this.#configurations.filter((configuration) => !configuration.frozen);
  }

  /** Members that wait for their next configuration, by who goes on together. */
  get waiting(): readonly (readonly DaemonId[])[] {
    return this.#open.map((ending) => ending.members);
  }

  /** Starts a daemon, or starts one again that has crashed. It waits for its first configuration. */
  start(id: DaemonId): Node {
    const node = new Node(id, ++this.#incarnation, this, this.observer, this.#pieceBytes);
    this.nodes.set(id, node);
    const ending = { id: { leader: 0, time: 0 }, members: [id], cut: 0, lost: new Set<number>(), next: undefined };
    node.end(ending);
    this.#open.push(ending);
    return node;
  }

  /** Ends a configuration: each part goes on together, daemons in none have crashed. */
  split(configuration: Configuration, parts: readonly (readonly DaemonId[])[], random?: Random): void {
    configuration.frozen = true;
    const endings = parts.map((members): Ending => {
      const nodes = members
        .map((id) => this.nodes.get(id) as Node)
        .filter((node) => node.configuration === configuration);
      const length = configuration.log.length;
      const had = Math.max(0, ...nodes.map((node) => node.position));
      const cut = random?.integer(had, length) ?? had;
      const hole = random === undefined || random.chance(0.3) ? length : random.integer(cut, length);
      const lost = new Set<number>();
      for (let at = hole; at < length; at++) {
        const known = members.includes((configuration.log[at] as Delivery).sender);
        if (!known && !nodes.some((node) => node.ahead.has(at))) lost.add(at);
      }
      const id = { leader: members[0] as DaemonId, time: ++this.#time };
      const ending: Ending = { id, members, cut, lost, next: undefined };
      for (const node of nodes) node.end(ending);
      return ending;
    });
    this.#endings.set(configuration, endings);
    this.#open.push(...endings);
    for (const id of configuration.members) {
      if (!parts.some((part) => part.includes(id))) (this.nodes.get(id) as Node).alive = false;
    }
  }

  /** Puts the waiting parts that have any of these members together into a new configuration. */
  merge(ids: readonly DaemonId[]): Configuration {
    const together = this.#open.filter((ending) => ending.members.some((id) => ids.includes(id)));
    this.#open = this.#open.filter((ending) => !together.includes(ending));
    const members = together.flatMap((ending) => ending.members).sort((a, b) => a - b);
    const id = { leader: members[0] as DaemonId, time: ++this.#time };
    const configuration = new Configuration(id, members, members.length * 2 > this.nodes.size);
    this.#configurations.push(configuration);
    for (const ending of together) ending.next = configuration;
    return configuration;
  }

  endingOf(configuration: Configuration, id: DaemonId): Ending | undefined {
    return this.#endings.get(configuration)?.find((ending) => ending.members.includes(id));
  }

  /** Lets all daemons have all that is due. */
  settle(random?: Random): void {
    for (let busy = true; busy; ) {
      busy = false;
      for (const node of this.live) if (node.step(random)) busy = true;
    }
  }
}

export function daemonName(id: DaemonId): string {
  return `d${id}`;
}

/** A client's message as it is ordered: a frame, behind token and number if it has them. */
export function clientDelivery(
  sender: DaemonId,
  session: number,
  service: Service,
  frame: Uint8Array,
  numbered?: { readonly token: Uint8Array; readonly number: number },
): Delivery {
  if (numbered === undefined) return { sender, session, service, content: Content.frame, head: frame, tail: undefined };
  const payload = new Uint8Array(24 + frame.length);
  payload.set(numbered.token);
  const view = new DataView(payload.buffer);
  view.setBigUint64(16, BigInt(numbered.number));
  payload.set(frame, 24);
  return { sender, session, service, content: Content.numberedFrame, head: payload, tail: undefined };
}
