import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { CuttableWay } from "./cuttable.ts";
import { expectAllOf, NodeClient } from "./node-client.ts";
import { Site } from "./site.ts";
import { sleep, until } from "./until.ts";

const WINDOW_BYTES = 1024 * 1024;
const WAITING_MAX = 500;
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

describe("members of scalable groups, in processes of their own", () => {
  it("get each message once and in order while others come and go", async () => {
    const ann = await start("ann", "alpha");
    const bob = await start("bob", "beta");
    await Promise.all([ann.join("g"), bob.join("g"), ann.join("h")]);
    await ann.untilMembers("g", 2);
    await Promise.all([ann.flood("g", 3), bob.flood("g", 3)]);
    await ann.untilAccepted("g", 100);
    const cyd = await start("cyd", "gamma");
    await cyd.join("g");
    await cyd.flood("g", 3);
    await cyd.untilAccepted("g", 100);
    // In another region than the others from now on, and back again.
    await bob.join("h");
    await bob.untilAccepted("g", 100);
    await bob.leave("h");
    await bob.untilAccepted("g", 100);
    await Promise.all([ann.stop(), bob.stop(), cyd.stop()]);
    await expectAllOf("g", [ann, bob, cyd], [ann, bob, cyd]);
    const { events } = await ann.group("g");
    // Only joins have changed the group: that a member has gone to another region and come back is no change of it.
    expect(new Set(events.map((event) => event.kind === "view" && event.cause))).toEqual(new Set(["join"]));
    expect(events.at(-1)).toMatchObject({ members: expect.toSatisfy((members) => members.length === 3) });
  });

  it("go on without one that is killed, and have the same of it", async () => {
    const [ann, bob, cyd] = await Promise.all([start("ann", "alpha"), start("bob", "beta"), start("cyd", "gamma")]);
    for (const client of [ann, bob, cyd]) await client.join("g");
    for (const client of [ann, bob, cyd]) await client.untilMembers("g", 3);
    for (const client of [ann, bob, cyd]) await client.flood("g", 4);
    await cyd.untilAccepted("g", 200);
    cyd.signal("SIGKILL");
    // A process that is gone without a good-bye is missed for the grace time.
    for (const client of [ann, bob]) await client.untilMembers("g", 2);
    await Promise.all([ann.stop(), bob.stop()]);
    await expectAllOf("g", [ann, bob], [ann, bob]);
    const [a, b] = [await ann.group("g"), await bob.group("g")];
    const ofCyd = ({ streams }: typeof a) => Object.entries(streams).find(([key]) => key.startsWith("#cyd#"))?.[1];
    expect(ofCyd(a)).toEqual(ofCyd(b));
    expect(ofCyd(a)?.faults).toEqual([]);
    for (const { events } of [a, b])
      expect(events.at(-1)).toMatchObject({ kind: "view", cause: "disconnect", left: ["#cyd#gamma"] });
  });

  it("stay members when their daemon is killed or stopped, the first of the configuration too, and miss nothing", async () => {
    const [ann, bob, cyd] = await Promise.all([start("ann", "alpha"), start("bob", "beta"), start("cyd", "gamma")]);
    for (const client of [ann, bob, cyd]) await client.join("g");
    for (const client of [ann, bob, cyd]) await client.untilMembers("g", 3);
    for (const client of [ann, bob, cyd]) await client.flood("g", 4);
    for (const [daemon, signal] of [
      ["gamma", "SIGKILL"],
      ["beta", "SIGTERM"],
      ["alpha", "SIGKILL"],
    ] as const) {
      await ann.untilAccepted("g", 200);
      site.signal(daemon, signal);
      await site.untilTogether(DAEMONS.filter((name) => name !== daemon));
      await ann.untilAccepted("g", 200);
      await site.startDaemon(daemon);
      await site.untilTogether(DAEMONS);
    }
    await until("who was there is elsewhere", async () => {
      const reports = await Promise.all([ann.report(), cyd.report()]);
      return reports.every(({ session }) => session.some(({ kind }) => kind === "reconnected"));
    });
    await cyd.untilAccepted("g", 200);
    await Promise.all([ann.stop(), bob.stop(), cyd.stop()]);
    await expectAllOf("g", [ann, bob, cyd], [ann, bob, cyd]);
    for (const client of [ann, bob, cyd]) {
      const { events, failed } = await client.group("g");
      expect(failed).toBe(0);
      // Nobody has left and come back.
      expect(events.filter(({ kind }) => kind === "view").length).toBeLessThanOrEqual(3);
    }
  });

  it("a member that was away for too long is out, and is told what of its own is not known; it comes back as a new one", async () => {
    const ann = await start("ann", "alpha");
    await using way = await CuttableWay.open(site.sparePort(0), site.port("beta"));
    const bob = await NodeClient.start([way.address], "bob");
    clients.push(bob);
    await Promise.all([ann.join("g"), bob.join("g")]);
    for (const client of [ann, bob]) await client.untilMembers("g", 2);
    await Promise.all([ann.flood("g", 2), bob.flood("g", 2)]);
    await bob.untilAccepted("g", 50);
    // It cannot come back to any daemon for the grace time.
    bob.signal("SIGSTOP");
    way.cut();
    await ann.untilMembers("g", 1);
    bob.signal("SIGCONT");
    await ann.untilMembers("g", 2);
    await bob.untilAccepted("g", 50);
    await Promise.all([ann.stop(), bob.stop()]);

    const [a, b] = [await ann.group("g"), await bob.group("g")];
    expect(a.events.map((event) => event.kind === "view" && event.cause)).toEqual(
      ["join", "disconnect", "join"].slice(-a.events.length),
    );
    const expelled = b.events.find((event) => event.kind === "expelled");
    expect(expelled).toMatchObject({ kind: "expelled", unconfirmed: b.failed });
    expect(b.failed).toBeGreaterThan(0);
    expect(b.failed + b.stable).toBe(b.sent);
    // What is known to be everywhere is; of the rest nothing is doubled. Ann, who stayed, has all of its own.
    const ofBob = Object.entries(a.streams).filter(([key]) => key.startsWith("#bob#"));
    expect(ofBob).toHaveLength(1);
    expect(ofBob[0]?.[1].last).toBe(b.sent);
    expect(ofBob[0]?.[1].count).toBeGreaterThanOrEqual(b.stable);
    expect(Object.values(a.streams).find(({ last }) => last === a.sent)?.faults).toEqual([]);
  });
});

describe("a member of a scalable group that reads too slowly", () => {
  async function slowOne(policy: "wait" | "drop" | "expel"): Promise<readonly [NodeClient, NodeClient, NodeClient]> {
    const ann = await NodeClient.start(site.addressesFrom("alpha"), "ann", { node: { windowBytesMax: WINDOW_BYTES } });
    clients.push(ann);
    const bob = await start("bob", "beta");
    const slow = await NodeClient.start(site.addressesFrom("gamma"), "slow", { node: { waitingMax: WAITING_MAX } });
    clients.push(slow);
    await ann.join("s", policy);
    await Promise.all([bob.join("s"), slow.join("s")]);
    for (const client of [ann, bob, slow]) await client.untilMembers("s", 3);
    await slow.pause();
    return [ann, bob, slow];
  }

  it("makes who sends to it wait, and then gets everything", async () => {
    const [ann, bob, slow] = await slowOne("wait");
    await ann.flood("s", 50, 2_000);
    let sent = -1;
    await until("the sender stands still", async () => {
      const { accepted } = await ann.group("s");
      const stands = accepted === sent && accepted > 0;
      sent = accepted;
      await sleep(300);
      return stands;
    });
    // What made the reader's queue too long, and a window after that.
    expect(sent * 2_000).toBeLessThan(WAITING_MAX * 2_000 + 4 * WINDOW_BYTES);
    await slow.resume();
    await until("the sender goes on", async () => (await ann.group("s")).accepted > sent);
    await ann.stop();
    await until("all is read", async () => {
      const { streams } = await slow.group("s");
      return Object.values(streams)[0]?.last === (await ann.group("s")).sent;
    });
    await expectAllOf("s", [bob, slow], [ann]);
  });

  it("misses messages and is told how many of whom, without any harm to others", async () => {
    const [ann, bob, slow] = await slowOne("drop");
    await ann.flood("s", 20);
    await until("much is sent", async () => (await ann.group("s")).stable > 2_000);
    await slow.resume();
    await ann.stop();
    await expectAllOf("s", [bob], [ann]);
    const { sent } = await ann.group("s");
    await until("all is read or missed", async () => {
      const { streams, events } = await slow.group("s");
      const missed = events.reduce((sum, event) => sum + (event.kind === "gap" ? (event.count ?? 0) : 0), 0);
      return missed > 0 && missed + (Object.values(streams)[0]?.count ?? 0) === sent;
    });
    const gap = (await slow.group("s")).events.find((event) => event.kind === "gap");
    expect(gap).toMatchObject({ reason: "slow", senders: { "#ann#alpha": expect.any(Number) } });
  });

  it("leaves, and says why", async () => {
    const [ann, bob, slow] = await slowOne("expel");
    await ann.flood("s", 20);
    await ann.untilMembers("s", 2);
    await ann.stop();
    await slow.resume();
    await until("it knows", async () => (await slow.group("s")).events.some(({ kind }) => kind === "left"));
    expect((await slow.group("s")).events.at(-1)).toEqual({ kind: "left", group: "s", reason: "slow" });
    await expectAllOf("s", [bob], [ann]);
  });
});
