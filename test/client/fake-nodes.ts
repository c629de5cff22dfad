import { encodeChange } from "../../src/cms/change-codec.ts";
import { NodeViews } from "../../src/cms/node-views.ts";
import type { SettledStream } from "../../src/cms/settled.ts";
import type { Change, NodeInfo } from "../../src/cms/views.ts";
import type {
  Dissemination,
  NodeApplication,
  NodeSeat,
  NodeSetup,
  NodeWorld,
  RunningNode,
  SeatRequest,
} from "../../src/client/scalable/node-world.ts";
import type { NodeConfig } from "../../src/qsm/config.ts";
import type { TimelyConfig } from "../../src/ricochet/config.ts";
import { encodeGroupFacts, encodeNodeSite } from "../../src/wire/native/node-facts.ts";
import { decodeNodeReport, encodeNodeNews, encodeNodeReport } from "../../src/wire/native/node-frames.ts";
import { NODE_COUNTERS, NODE_GAUGES, noFigures } from "../../src/wire/native/node-statistics.ts";
import type { Repairs } from "../../src/wire/timely/repairs.ts";
import { TypeBit } from "../../src/wire/spread/codes.ts";
import { NO_CHANGE } from "../../src/cms/no-change.ts";
import type { FakeDaemon, Sent } from "./fake-daemon.ts";

/** A node worked by hand: applies changes at once, and keeps what it is given to send. */
export class FakeNode implements NodeSeat {
  readonly address;
  readonly sent: { readonly group: number; readonly text: string; readonly number: number }[] = [];
  readonly views = new NodeViews();
  /** What it was told to have been accepted when it was expelled; and the messages that it finds in that. */
  readonly settled: SettledStream[] = [];
  accepted: readonly number[] = [];
  config: NodeConfig | undefined;
  timelyConfig: Partial<TimelyConfig> | undefined;
  /** The groups that it was told are timely. */
  readonly timely = new Map<number, Repairs>();
  /** And totally ordered: whether optimistically. */
  readonly ordered = new Map<number, boolean>();
  dissemination: Dissemination | undefined;
  application: NodeApplication | undefined;
  isHeld = false;
  isClosed = false;
  /** Whether it takes more after each message. */
  takes = true;

  constructor(number: number) {
    this.address = { host: "10.0.0.1", controlPort: number, repairPort: number + 1, dataPort: number + 2 };
  }

  begin({ node, timely }: NodeSetup, dissemination: Dissemination, application: NodeApplication): RunningNode {
    this.config = node;
    this.timelyConfig = timely;
    this.dissemination = dissemination;
    this.application = application;
    return {
      node: {
        views: this.views,
        regions: [],
        expelled: (settled) => {
          this.settled.push(...settled);
          for (const number of this.accepted) this.application?.stable(number);
        },
      },
      send: (group, payload, number) => {
        this.sent.push({ group, text: new TextDecoder().decode(payload), number });
        return this.takes;
      },
      sendTimely: (group, payload) => {
        this.sent.push({ group, text: new TextDecoder().decode(payload), number: 0 });
        return this.takes;
      },
      isHeldBack: () => false,
      timelyStatistics: () => undefined,
      setTimely: (group, repairs) => this.timely.set(group, repairs),
      setOrdered: (group, repairs, optimistic) => {
        this.timely.set(group, repairs);
        this.ordered.set(group, optimistic);
      },
      apply: (change) => {
        try {
          this.views.apply(change);
        } catch (error) {
          return application.fault(error as Error);
        }
        application.installed(
          change.n,
          change.regionsDeleted.map((region) => ({ id: { region, view: 1 }, last: 5 })),
        );
      },
      statistics: () => ({ figures: noFigures([...NODE_COUNTERS, ...NODE_GAUGES]), regions: [] }),
      reportAgain: () => {},
      hold: (isHeld) => {
        this.isHeld = isHeld;
      },
    };
  }

  disseminate(dissemination: Dissemination): void {
    this.dissemination = dissemination;
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }

  deliver(group: number, sender: number, text: string): void {
    this.application?.deliver(group, sender, new TextEncoder().encode(text));
  }
}

/** Makes fake nodes. */
export class FakeWorld implements NodeWorld {
  readonly nodes: FakeNode[] = [];
  readonly requests: SeatRequest[] = [];
  fault: Error | undefined;
  /** A place is found only then. */
  after: Promise<void> | undefined;

  async seat(request: SeatRequest): Promise<NodeSeat> {
    this.requests.push(request);
    await this.after;
    if (this.fault !== undefined) throw this.fault;
    const node = new FakeNode(100 * (this.nodes.length + 1));
    this.nodes.push(node);
    return node;
  }
}

export function info(id: number, name = `#n${id}#d`): NodeInfo {
  return { id, name, address: { host: "10.0.0.2", controlPort: 1, repairPort: 2, dataPort: 3 } };
}

/** What a daemon of nodes tells its client, in the order in which a test has it happen. */
export class NodeDaemon {
  readonly daemon: FakeDaemon;
  node: number;
  #seq = 0;

  constructor(daemon: FakeDaemon, node = 7) {
    this.daemon = daemon;
    this.node = node;
    daemon.automatic = false;
  }

  /** All SENDs so far are queued, and all but reports ordered. */
  order(): void {
    for (const { number } of this.daemon.sent) this.daemon.send({ kind: "accepted", number });
    for (const { number } of this.daemon.sent) this.daemon.send({ kind: "delivered", number });
  }

  /** The session is the node. */
  register(): void {
    this.daemon.deliver(encodeNodeSite({ cluster: 77, pool: undefined, usesMulticast: false }));
    this.news({});
  }

  news(news: { suspended?: boolean; expelled?: boolean; change?: Uint8Array; node?: number }): void {
    const { node, suspended = false, expelled = false, change = new Uint8Array(0) } = news;
    this.daemon.deliver(encodeNodeNews({ node: node ?? this.node, suspended, expelled, change }));
    if (expelled) this.#seq = 0;
  }

  change(change: Partial<Change>): void {
    const seq = ++this.#seq;
    this.news({ change: encodeChange({ ...NO_CHANGE, seq, n: seq, ...change }) });
  }

  facts(group: string, policy: "wait" | "drop" | "expel" | undefined, repairs?: Repairs, isOrdered = false): void {
    this.daemon.deliver(encodeGroupFacts({ group, policy, repairs, isOrdered }));
  }

  /** Acknowledges the reports that have come. */
  acknowledge(): void {
    for (const report of this.reports) this.daemon.deliver(encodeNodeReport("acknowledged", report));
  }

  get reports(): Uint8Array[] {
    return this.daemon.sent.flatMap(({ frame }) => decodeNodeReport("report", frame, 0) ?? []);
  }

  requests(kind: "join" | "leave"): Sent[] {
    return this.daemon.sent.filter(({ type }) => (type & TypeBit[kind]) !== 0);
  }
}
