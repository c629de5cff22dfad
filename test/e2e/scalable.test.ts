import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { expectAllOf, NodeClient } from "./node-client.ts";
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
    await sleep(200);
    const cyd = await start("cyd", "gamma");
    await cyd.join("g");
    await cyd.flood("g", 3);
    await sleep(300);
    // In another region than the others from now on, and back again.
    await bob.join("h");
    await sleep(300);
    await bob.leave("h");
    await sleep(300);
    await Promise.all([ann.stop(), bob.stop(), cyd.stop()]);
    await expectAllOf("g", [ann, bob, cyd], [ann, bob, cyd]);
    const { events } = await ann.group("g");
    // Only joins have changed the group: that a member has gone to another region and come back is no change of it.
    expect(new Set(events.map((event) => event.kind === "view" && event.cause))).toEqual(new Set(["join"]));
    expect(events.at(-1)).toMatchObject({ members: expect.toSatisfy((members) => members.length === 3) });
    expect((await ann.group("g")).sent).toBeGreaterThan(300);
  });

  it("go on without one that is killed, and have the same of it", async () => {
    const [ann, bob, cyd] = await Promise.all([start("ann", "alpha"), start("bob", "beta"), start("cyd", "gamma")]);
    for (const client of [ann, bob, cyd]) await client.join("g");
    for (const client of [ann, bob, cyd]) await client.untilMembers("g", 3);
    for (const client of [ann, bob, cyd]) await client.flood("g", 4);
    await sleep(500);
    cyd.signal("SIGKILL");
    // A process that is gone without a good-bye is missed for the grace time.
    await ann.untilMembers("g", 2);
    await Promise.all([ann.stop(), bob.stop()]);
    await expectAllOf("g", [ann, bob], [ann, bob]);
    const [a, b] = [await ann.group("g"), await bob.group("g")];
    const ofCyd = ({ streams }: typeof a) => Object.entries(streams).find(([key]) => key.startsWith("#cyd#"))?.[1];
    expect(ofCyd(a)).toEqual(ofCyd(b));
    expect(ofCyd(a)?.faults).toEqual([]);
    for (const { events } of [a, b])
      expect(events.at(-1)).toMatchObject({ kind: "view", cause: "disconnect", left: ["#cyd#gamma"] });
  });

  it("stay members when their daemon is killed, the first of the configuration too, and miss nothing", async () => {
    const [ann, bob, cyd] = await Promise.all([start("ann", "alpha"), start("bob", "beta"), start("cyd", "gamma")]);
    for (const client of [ann, bob, cyd]) await client.join("g");
    for (const client of [ann, bob, cyd]) await client.untilMembers("g", 3);
    for (const client of [ann, bob, cyd]) await client.flood("g", 4);
    for (const daemon of ["gamma", "alpha"]) {
      await sleep(500);
      site.signal(daemon, "SIGKILL");
      await site.untilTogether(DAEMONS.filter((name) => name !== daemon));
      await sleep(1_500);
      await site.startDaemon(daemon);
      await site.untilTogether(DAEMONS);
    }
    await until("who was there is elsewhere", async () => {
      const reports = await Promise.all([ann.report(), cyd.report()]);
      return reports.every(({ session }) => session.some(({ kind }) => kind === "reconnected"));
    });
    await sleep(500);
    await Promise.all([ann.stop(), bob.stop(), cyd.stop()]);
    await expectAllOf("g", [ann, bob, cyd], [ann, bob, cyd]);
    for (const client of [ann, bob, cyd]) {
      const { events, failed } = await client.group("g");
      expect(failed).toBe(0);
      // Nobody has left and come back.
      expect(events.filter(({ kind }) => kind === "view").length).toBeLessThanOrEqual(3);
    }
  });
});
