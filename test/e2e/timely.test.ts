import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  connect,
  type Connection,
  type OrderedTimelyEvent,
  type OrderedTimelyJoinOptions,
  type TimelyGroup,
} from "../../src/index.ts";
import { type GroupReport, NodeClient } from "./node-client.ts";
import { Site } from "./site.ts";
import { sleep, until } from "./until.ts";

const DAEMONS = ["alpha", "beta", "gamma"];

let site: Site;
const clients: NodeClient[] = [];

beforeAll(async () => {
  site = await Site.start(DAEMONS);
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});

afterAll(() => site.close());

async function start(name: string, daemon: string): Promise<NodeClient> {
  const client = await NodeClient.start(site.addressesFrom(daemon), name);
  clients.push(client);
  return client;
}

const join = (client: NodeClient, group = "t", slow?: "drop" | "expel") => client.join(group, slow, "timely");

/** A member of a totally ordered group in this process, and what it may rely on. */
class OrderedMember {
  readonly connection: Connection;
  readonly group: TimelyGroup<OrderedTimelyEvent>;
  readonly committed: string[] = [];
  readonly faults: string[] = [];
  rollbacks = 0;
  #likely: { readonly position: number; readonly text: string }[] = [];

  constructor(connection: Connection, group: TimelyGroup<OrderedTimelyEvent>) {
    this.connection = connection;
    this.group = group;
    void this.#read().catch((error: unknown) => this.faults.push(String(error)));
  }

  async #read(): Promise<void> {
    for await (const event of this.group) {
      if (event.kind === "message") {
        const { position } = event;
        const text = `${event.sender} ${new TextDecoder().decode(event.payload)}`;
        if (position <= (this.#likely.at(-1)?.position ?? 0)) this.faults.push(`${text} at ${position}`);
        this.#likely.push({ position, text });
      } else if (event.kind === "commit") {
        const stays = this.#likely.filter(({ position }) => position <= event.position);
        this.#likely = this.#likely.filter(({ position }) => position > event.position);
        this.committed.push(...stays.map(({ text }) => text));
      } else if (event.kind === "rollback") {
        this.rollbacks++;
        this.#likely = this.#likely.filter(({ position }) => position <= event.position);
      } else if (event.kind !== "view" && event.kind !== "left") this.faults.push(event.kind);
    }
  }
}

/** What a member has of a sender, by the sender's life. */
function ofSender({ streams }: GroupReport, life: string): GroupReport["streams"][string] | undefined {
  return Object.entries(streams).find(([key]) => key.endsWith(` ${life}`))?.[1];
}

/**
 * Each member has all of each sender, once; these have stayed. Who joined while others sent has all of theirs from `since` on: of just before it may
 * have some. `killed`: what such a sender was sending as it ended has come to some and not to others, who are told.
 */
async function expectAll(
  members: readonly NodeClient[],
  senders: readonly NodeClient[],
  {
    since = new Map(),
    killed,
  }: {
    readonly since?: ReadonlyMap<string, number>;
    readonly killed?: { readonly name: string; readonly life: string };
  } = {},
): Promise<void> {
  const group = "t";
  const sent = await Promise.all(senders.map((sender) => sender.group(group)));
  for (const member of members) {
    for (const { life, sent: last } of sent) {
      const from = since.get(`${member.name} of ${life}`) ?? 1;
      await until(`${member.name} has all of ${life}`, async () => {
        const stream = ofSender(await member.group(group), life);
        return stream?.last === last && stream.first <= from && stream.missing.every((number) => number < from);
      });
      expect(ofSender(await member.group(group), life)?.faults).toEqual([]);
    }
    const report = await member.group(group);
    const isOfKilled = (event: GroupReport["events"][number]): boolean =>
      event.kind === "lost" && event.sender === killed?.name;
    const unexpected = report.events.filter(({ kind }) => kind === "gap" || kind === "expelled" || kind === "lost");
    expect(unexpected.filter((event) => !isOfKilled(event))).toEqual([]);
    if (killed !== undefined) await expectAllOrTold(member, killed);
  }
}

/** Whether or not a member has all that the killed one has sent, nothing came twice, and it is told of what has not come between other messages. */
async function expectAllOrTold(
  member: NodeClient,
  { name, life }: { readonly name: string; readonly life: string },
): Promise<void> {
  await until(`${member.name} has been told what it lacks of ${name}`, async () => {
    const report = await member.group("t");
    const told = report.events.reduce((sum, event) => {
      return sum + (event.kind === "lost" && event.sender === name ? event.packets : 0);
    }, 0);
    return told >= (ofSender(report, life)?.missing.length ?? 0);
  });
  expect(ofSender(await member.group("t"), life)?.faults).toEqual([]);
}

describe("members of timely groups, in processes of their own", () => {
  it("get each message once while others come and go", async () => {
    const [ann, bob] = await Promise.all([start("ann", "alpha"), start("bob", "beta")]);
    await Promise.all([join(ann), join(bob), join(ann, "u")]);
    await ann.untilMembers("t", 2);
    await Promise.all([ann.flood("t", 2), bob.flood("t", 2)]);
    await ann.untilAccepted("t", 50);
    const cyd = await start("cyd", "gamma");
    await join(cyd);
    const since = new Map<string, number>();
    for (const one of [ann, bob]) {
      await one.untilMembers("t", 3);
      const { life, sent } = await one.group("t");
      since.set(`cyd of ${life}`, sent + 1);
    }
    await cyd.flood("t", 2);
    await cyd.untilAccepted("t", 100);
    // Shares two groups with ann from now on, and then one again.
    await join(bob, "u");
    await bob.untilAccepted("t", 100);
    await bob.leave("u");
    await bob.untilAccepted("t", 100);
    await Promise.all([ann.stop(), bob.stop(), cyd.stop()]);
    await expectAll([ann, bob, cyd], [ann, bob, cyd], { since });
    expect((await ann.group("t")).members).toHaveLength(3);
  });

  it("go on when one is killed, and when a daemon is", async () => {
    const [ann, bob, cyd] = await Promise.all([start("ann", "alpha"), start("bob", "beta"), start("cyd", "gamma")]);
    for (const client of [ann, bob, cyd]) await join(client);
    for (const client of [ann, bob, cyd]) await client.untilMembers("t", 3);
    for (const client of [ann, bob, cyd]) await client.flood("t", 2);
    await cyd.untilAccepted("t", 100);
    const { life } = await cyd.group("t");
    cyd.signal("SIGKILL");
    await ann.untilMembers("t", 2);
    site.signal("beta", "SIGKILL");
    await until("bob is at another daemon", async () =>
      (await bob.report()).session.some(({ kind }) => kind === "reconnected"),
    );
    await bob.untilAccepted("t", 100);
    await site.startDaemon("beta");
    await site.untilTogether(DAEMONS);
    await Promise.all([ann.stop(), bob.stop()]);
    await expectAll([ann, bob], [ann, bob], { killed: { name: "#cyd#gamma", life } });
    const { events } = await ann.group("t");
    expect(events.at(-1)).toMatchObject({ kind: "view", cause: "disconnect", left: ["#cyd#gamma"] });
  });

  it("a member that does not read keeps no more than it may, and hears what it has missed", async () => {
    const ann = await start("ann", "alpha");
    const slow = await NodeClient.start(site.addressesFrom("gamma"), "slow", { node: { waitingMax: 100 } });
    clients.push(slow);
    await Promise.all([join(ann), join(slow)]);
    await ann.untilMembers("t", 2);
    await slow.pause();
    await ann.flood("t", 5);
    await until("much is sent", async () => (await ann.group("t")).accepted > 500);
    await slow.resume();
    await ann.stop();
    const { life, sent } = await ann.group("t");
    await until("all is read or missed", async () => {
      const report = await slow.group("t");
      const missed = report.events.reduce((sum, event) => sum + (event.kind === "gap" ? (event.count ?? 0) : 0), 0);
      return missed > 0 && missed + (ofSender(report, life)?.count ?? 0) === sent;
    });
  });

  it("of a totally ordered group commit the same messages in one order, also when the one that orders them leaves", async () => {
    const members = await Promise.all(
      DAEMONS.map(async (daemon, i) => {
        const connection = await connect(site.addressesFrom(daemon), { name: `m${i}` });
        const group = await connection.join("o", { quality: "timely", order: "total", optimistic: i !== 2 });
        return new OrderedMember(connection, group);
      }),
    );
    const [first, second, third] = members as [OrderedMember, OrderedMember, OrderedMember];
    await until("all see all", () => members.every(({ group }) => group.view?.members.length === 3));
    const flood = async (member: OrderedMember, from: number): Promise<void> => {
      for (let i = from; i < from + 60; i++) {
        await member.group.send(`${i}`);
        if (i % 4 === 0) await sleep(2);
      }
    };
    await Promise.all(members.map((member) => flood(member, 0)));
    await until("all is committed", () => members.every(({ committed }) => committed.length >= 180));
    await first.connection.close();
    await Promise.all([second, third].map((member) => flood(member, 60)));
    const inAll = () => Math.min(second.committed.length, third.committed.length);
    await until("what was sent after that is committed", () => inAll() >= 300);
    for (const member of [first, second, third]) {
      expect(member.faults).toEqual([]);
      const last = Math.min(member.committed.length, second.committed.length);
      expect(member.committed.slice(0, last)).toEqual(second.committed.slice(0, last));
    }
    // Who wants nothing taken back has nothing taken back.
    expect(third.rollbacks).toBe(0);
    const unfit = { quality: "timely", order: "total", slow: "drop" } as unknown as OrderedTimelyJoinOptions;
    await expect(third.connection.join("o2", unfit)).rejects.toThrow("drop");
    await Promise.all([second, third].map(({ connection }) => connection.close()));
  });

  it("a group has one quality, and what a join asks for has to fit", async () => {
    const [ann, bob] = await Promise.all([start("ann", "alpha"), start("bob", "beta")]);
    await Promise.all([join(ann), bob.join("s")]);
    await expect(bob.join("t")).rejects.toThrow('the group\'s quality is "timely", not "scalable"');
    const dan = await connect(site.addressesFrom("alpha"), { name: "dan" });
    await expect(dan.join("t", { quality: "timely", order: "total" })).rejects.toMatchObject({ code: "GROUP_REFUSED" });
    await expect(dan.join("t", { quality: "timely", repairs: { copies: 2 } })).rejects.toThrow(
      "(8, 5) auto, not (8, 2)",
    );
    await dan.close();
    await expect(join(ann, "s")).rejects.toThrow('the group\'s quality is "scalable", not "timely"');
  });
});
