/*
 * The experiment of "Scalable Process Group Membership for the Spread Toolkit", section 5: 20 daemons with 50 clients each,
 * all of them in all of G groups; the daemons are split and merged, {1} from the others and in halves. All daemons are
 * in this process, over an ideal order of messages; what is measured is the processor time of one daemon's groups layer,
 * without network and without the sockets of clients.
 *
 *   npm run bench -- groups [--groups=100,500,1000] [--repeat=3]
 */
import type { DaemonId } from "../src/base/ids.ts";
import { Groups, type GroupsPhase } from "../src/groups/groups.ts";
import { Content } from "../src/ordering/content.ts";
import type { Delivery } from "../src/ordering/upcall.ts";
import { TypeBit } from "../src/wire/spread/codes.ts";
import { encodeFrame } from "../src/wire/spread/frame.ts";
import { printTable, saveResults } from "./report.ts";

const DAEMONS = 20;
const CLIENTS = 50;
const PHASES = ["prune", "build", "process", "notify", "other"] as const satisfies readonly GroupsPhase[];
type Times = Record<GroupsPhase, number>;

/** One daemon, with the time that its groups layer has taken by kind of work. */
class Daemon {
  readonly id: DaemonId;
  readonly groups: Groups;
  readonly out: Delivery[] = [];
  times: Times = none();
  notices = 0;
  noticeBytes = 0;
  #phase: GroupsPhase = "other";
  #since = 0;
  #lastFrame: Uint8Array | undefined;

  constructor(id: DaemonId) {
    this.id = id;
    this.groups = new Groups(
      {
        me: id,
        daemonName: name(id),
        positionOf: (daemon) => daemon,
        nameOf: name,
        daemonNamed: () => undefined,
        onPhase: (phase) => this.#enter(phase),
      },
      {
        multicast: (service, content, payload) =>
          this.out.push({ sender: id, session: 0, service, content, head: payload, tail: undefined }),
        deliver: () => {},
        notify: (_, notice) => {
          this.notices += 1;
          if (notice.frame !== this.#lastFrame) this.noticeBytes += notice.frame.length;
          this.#lastFrame = notice.frame;
        },
        ordered: () => {},
        refused: () => {},
        ended: () => {},
        nodeJoins: () => {},
        optionsFixed: () => {},
        scalableChanged: () => {},
        clientEnded: () => {},
        toldDaemon: () => {},
        block: () => {},
        unblock: () => {},
        mayJoin: () => {},
        configured: () => {},
      },
    );
  }

  /** Lets it work, and counts the time. */
  work(task: (groups: Groups) => void): void {
    this.#phase = "other";
    this.#since = cpuMs();
    task(this.groups);
    this.#enter("other");
    this.#lastFrame = undefined;
  }

  #enter(phase: GroupsPhase): void {
    const now = cpuMs();
    this.times[this.#phase] += now - this.#since;
    this.#since = now;
    this.#phase = phase;
  }
}

/** Twenty daemons and the order of messages between them. */
class Site {
  readonly daemons: readonly Daemon[] = Array.from({ length: DAEMONS }, (_, i) => new Daemon(i + 1));
  #time = 1_700_000_000;
  /** Components in force. */
  #components: DaemonId[][] = [];

  /** Each daemon alone, its clients in all groups. */
  load(groups: number): void {
    for (const daemon of this.daemons) {
      daemon.groups.regular({
        kind: "regular",
        id: { leader: daemon.id, time: ++this.#time },
        members: [daemon.id],
        primary: false,
      });
      for (let c = 0; c < CLIENTS; c++) daemon.groups.attach(`client${c}`, c + 1);
      for (let g = 0; g < groups; g++) {
        for (let c = 0; c < CLIENTS; c++) {
          const payload = encodeFrame(
            TypeBit.join,
            `#client${c}#${name(daemon.id)}`,
            [`group${g}`],
            0,
            new Uint8Array(0),
          );
          daemon.groups.message({
            sender: daemon.id,
            session: c + 1,
            service: "agreed",
            content: Content.frame,
            head: payload,
            tail: undefined,
          });
        }
      }
    }
    this.#components = this.daemons.map((daemon) => [daemon.id]);
  }

  /** Splits into, or merges to, these components, all daemons at once. */
  change(components: readonly DaemonId[][]): void {
    for (const before of this.#components) {
      for (const after of components) {
        const members = before.filter((id) => after.includes(id));
        const id = { leader: members[0] ?? 0, time: ++this.#time };
        for (const member of members) {
          this.#daemon(member).work((groups) => groups.transitional({ kind: "transitional", id, members }));
        }
      }
    }
    for (const members of components) {
      const configuration = {
        id: { leader: members[0] as DaemonId, time: ++this.#time },
        members,
        primary: members.length > 10,
      };
      for (const member of members) {
        this.#daemon(member).work((groups) => groups.regular({ kind: "regular", ...configuration }));
      }
      const order = members.flatMap((member) => this.#daemon(member).out.splice(0));
      for (const member of members) {
        this.#daemon(member).work((groups) => {
          for (const delivery of order) groups.message(delivery);
        });
      }
    }
    this.#components = components.map((members) => members.slice());
  }

  /** The daemons must agree, or the figures mean nothing. */
  check(groups: number): void {
    const hashes = new Set(this.daemons.map((daemon) => daemon.groups.directory.hash()));
    const members = this.daemons[0]?.groups.directory.get("group0")?.memberCount;
    if (hashes.size !== 1 || members !== DAEMONS * CLIENTS || this.daemons[0]?.groups.directory.groupCount !== groups) {
      throw new Error("the daemons do not agree");
    }
  }

  /** What each daemon has done since the last call. */
  take(): { times: Times; noticeBytes: number; notices: number }[] {
    return this.daemons.map((daemon) => {
      const { times, noticeBytes, notices } = daemon;
      daemon.times = none();
      daemon.noticeBytes = 0;
      daemon.notices = 0;
      return { times, noticeBytes, notices };
    });
  }

  #daemon(id: DaemonId): Daemon {
    return this.daemons[id - 1] as Daemon;
  }
}

type Row = {
  readonly groups: number;
  readonly memberships: number;
  readonly change: string;
  readonly daemon: number;
  /** Milliseconds; the run of median total. */
  readonly times: Times;
  readonly totalMs: number;
  /** The slowest daemon of any run. */
  readonly slowestMs: number;
  readonly noticeBytes: number;
};

const all = Array.from({ length: DAEMONS }, (_, i) => i + 1);
const EXPERIMENTS = [
  { change: "partition {1} / {2..20}", to: [[1], all.slice(1)], daemons: [1, 2] },
  { change: "merge {1} + {2..20}", to: [all], daemons: [1, 2] },
  { change: "partition into halves", to: [all.slice(0, 10), all.slice(10)], daemons: [1, 11] },
  { change: "merge of halves", to: [all], daemons: [1, 11] },
];

function none(): Times {
  return { prune: 0, build: 0, process: 0, notify: 0, other: 0 };
}

/**
 * Processor time of this process in milliseconds, with the collector's threads: other than the time of day it does not
 * count what else the machine is doing. It is cautious, since the heap that is collected is that of twenty daemons.
 */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function name(id: DaemonId): string {
  return `daemon${id}`;
}

function total(times: Times): number {
  return PHASES.reduce((sum, phase) => sum + times[phase], 0);
}

function heapBytes(): number {
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function run(groups: number, repeat: number): { rows: Row[]; bytesPerMembership: number } {
  const memberships = groups * DAEMONS * CLIENTS;
  const before = heapBytes();
  const site = new Site();
  site.load(groups);
  site.change([all]);
  site.check(groups);
  site.take();
  const bytesPerMembership = (heapBytes() - before) / (memberships * DAEMONS);

  const runs = EXPERIMENTS.map((): ReturnType<Site["take"]>[] => []);
  for (let i = 0; i < repeat; i++) {
    for (const [n, experiment] of EXPERIMENTS.entries()) {
      globalThis.gc?.();
      site.change(experiment.to);
      runs[n]?.push(site.take());
    }
    site.check(groups);
  }
  const rows = EXPERIMENTS.flatMap(({ change, daemons }, n) =>
    daemons.map((daemon): Row => {
      const results = runs[n] ?? [];
      const own = results.map((result) => result[daemon - 1] as ReturnType<Site["take"]>[number]);
      const median = own.sort((a, b) => total(a.times) - total(b.times))[Math.floor((own.length - 1) / 2)];
      const { times, noticeBytes } = median ?? { times: none(), noticeBytes: 0 };
      const slowestMs = Math.max(...results.flat().map((result) => total(result.times)));
      return { groups, memberships, change, daemon, times, totalMs: total(times), slowestMs, noticeBytes };
    }),
  );
  return { rows, bytesPerMembership };
}

function option(key: string, otherwise: string): string {
  return process.argv.find((argument) => argument.startsWith(`--${key}=`))?.slice(key.length + 3) ?? otherwise;
}

if (globalThis.gc === undefined) console.error("Without --expose-gc memory is not measured well: use npm run bench.");
const sizes = option("groups", "100,500,1000").split(",").map(Number);
const repeat = Number(option("repeat", "3"));
run(100, 2); // warms up
const rows: Row[] = [];
const memory: { groups: number; bytesPerMembership: number }[] = [];
for (const groups of sizes) {
  const result = run(groups, repeat);
  rows.push(...result.rows);
  memory.push({ groups, bytesPerMembership: result.bytesPerMembership });
}

const ms = (value: number) => value.toFixed(1);
console.log(
  `${DAEMONS} daemons × ${CLIENTS} clients in G groups; ms of processor time at one daemon, median of ${repeat} runs`,
);
printTable(
  ["change", "G", "daemon", ...PHASES, "total", "slowest", "notices MB"],
  rows.map((row) => {
    const { groups, change, daemon, times, totalMs, slowestMs, noticeBytes } = row;
    const split = PHASES.map((phase) => ms(times[phase]));
    return [change, `${groups}`, `${daemon}`, ...split, ms(totalMs), ms(slowestMs), ms(noticeBytes / 1e6)];
  }),
);
for (const { groups, bytesPerMembership } of memory) {
  console.log(
    `${groups} groups: ${bytesPerMembership.toFixed(1)} bytes per membership at each daemon (must: below 100)`,
  );
}
const worst = Math.max(...rows.filter((row) => row.memberships === 1_000_000).map((row) => row.slowestMs));
if (Number.isFinite(worst))
  console.log(`1,000,000 memberships: at most ${worst.toFixed(0)} ms at any daemon (must: below 1000)`);
saveResults("groups", { repeat, rows, memory });
