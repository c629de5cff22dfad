import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type GroupReport, NodeClient } from "./node-client.ts";
import { Site } from "./site.ts";
import { sleep, until } from "./until.ts";

const DAEMONS = ["alpha", "beta", "gamma"];

let site: Site;
const clients: NodeClient[] = [];

beforeAll(async () => {
  site = await Site.start(DAEMONS);
}, 60_000);

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
}, 60_000);

afterAll(() => site.close());

async function start(name: string, daemon: string): Promise<NodeClient> {
  const client = await NodeClient.start(site.addressesFrom(daemon), name);
  clients.push(client);
  return client;
}

const join = (client: NodeClient, group = "t", slow?: "drop" | "expel") => client.join(group, slow, "timely");

/** What a member has of a sender, by the sender's life. */
function ofSender({ streams }: GroupReport, life: string): GroupReport["streams"][string] | undefined {
  return Object.entries(streams).find(([key]) => key.endsWith(` ${life}`))?.[1];
}

/** Each member has all of each sender from some message on, once; these have stayed. */
async function expectAll(members: readonly NodeClient[], senders: readonly NodeClient[], group = "t"): Promise<void> {
  const sent = await Promise.all(senders.map((sender) => sender.group(group)));
  for (const member of members) {
    for (const { life, sent: last } of sent) {
      await until(`${member.name} has all of ${life}`, async () => {
        const stream = ofSender(await member.group(group), life);
        return stream?.last === last && stream.count === last - stream.first + 1;
      });
      expect(ofSender(await member.group(group), life)?.faults).toEqual([]);
    }
    const { events } = await member.group(group);
    expect(events.filter(({ kind }) => kind === "gap" || kind === "expelled" || kind === "lost")).toEqual([]);
  }
}

describe("members of timely groups, in processes of their own", () => {
  it("get each message once while others come and go", async () => {
    const [ann, bob] = await Promise.all([start("ann", "alpha"), start("bob", "beta")]);
    await Promise.all([join(ann), join(bob), join(ann, "u")]);
    await ann.untilMembers("t", 2);
    await Promise.all([ann.flood("t", 2), bob.flood("t", 2)]);
    await sleep(200);
    const cyd = await start("cyd", "gamma");
    await join(cyd);
    await cyd.flood("t", 2);
    await sleep(300);
    // Shares two groups with ann from now on, and then one again.
    await join(bob, "u");
    await sleep(300);
    await bob.leave("u");
    await sleep(300);
    await Promise.all([ann.stop(), bob.stop(), cyd.stop()]);
    await expectAll([ann, bob, cyd], [ann, bob, cyd]);
    expect((await ann.group("t")).sent).toBeGreaterThan(200);
    expect((await ann.group("t")).members).toHaveLength(3);
  });

  it("go on when one is killed, and when a daemon is", async () => {
    const [ann, bob, cyd] = await Promise.all([start("ann", "alpha"), start("bob", "beta"), start("cyd", "gamma")]);
    for (const client of [ann, bob, cyd]) await join(client);
    for (const client of [ann, bob, cyd]) await client.untilMembers("t", 3);
    for (const client of [ann, bob, cyd]) await client.flood("t", 2);
    await sleep(300);
    cyd.signal("SIGKILL");
    await ann.untilMembers("t", 2);
    site.signal("beta", "SIGKILL");
    await until("bob is at another daemon", async () =>
      (await bob.report()).session.some(({ kind }) => kind === "reconnected"),
    );
    await sleep(300);
    await site.startDaemon("beta");
    await site.untilTogether(DAEMONS);
    await Promise.all([ann.stop(), bob.stop()]);
    await expectAll([ann, bob], [ann, bob]);
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

  it("a group has one quality, and what a join asks for has to fit", async () => {
    const [ann, bob] = await Promise.all([start("ann", "alpha"), start("bob", "beta")]);
    await Promise.all([join(ann), bob.join("s")]);
    await expect(bob.join("t")).rejects.toThrow('the group\'s quality is "timely", not "scalable"');
    await expect(join(ann, "s")).rejects.toThrow('the group\'s quality is "scalable", not "timely"');
  });
});
