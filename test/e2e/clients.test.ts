import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { SERVICES } from "../../src/index.ts";
import { CuttableWay } from "./cuttable.ts";
import { Load } from "./load.ts";
import { Member, numbersOf, upTo } from "./member.ts";
import { Site } from "./site.ts";
import { sleep, until } from "./until.ts";

let site: Site;
const members: Member[] = [];

async function member(daemon: string, name: string, options?: Parameters<typeof Member.connect>[2]): Promise<Member> {
  const one = await Member.connect(site.address(daemon), name, options);
  members.push(one);
  return one;
}

beforeAll(async () => {
  site = await Site.start(["alpha", "beta", "gamma"]);
});

afterEach(async () => {
  await Promise.all(members.splice(0).map(({ connection }) => connection.close()));
  await site.untilNoClients();
});

afterAll(() => site.close());

describe("clients of three daemons", () => {
  it("may use their names again as soon as they have closed, and nobody sees them any more", async () => {
    const bob = await member("beta", "bob");
    await bob.connection.join("names");
    for (const protocol of ["native", "spread"] as const) {
      for (let round = 1; round <= 3; round++) {
        const ann = await Member.connect(site.address("alpha"), "ann", { protocol });
        await ann.connection.join("names");
        for (let n = 1; n <= 50; n++) void ann.connection.send("names", `${protocol} ${round} ${n}`);
        await ann.connection.close();
        await bob.untilText(`${protocol} ${round} 50`);
        await bob.untilMembers("names", ["#bob#beta"]);
      }
    }
  });

  it("come back to the same daemon when their connection is cut, with nothing lost and nothing twice", async () => {
    await using way = await CuttableWay.open(site.sparePort(0), site.port("alpha"));
    const ann = await Member.connect(way.address, "ann");
    members.push(ann);
    const bob = await member("beta", "bob");
    for (const { connection } of [ann, bob]) await connection.join("cuts");
    await ann.untilMembers("cuts", ["#ann#alpha", "#bob#beta"]);
    using load = new Load([ann, bob], "cuts", 4);
    for (let cut = 1; cut <= 3; cut++) {
      await sleep(150);
      way.cut();
      await until("ann is back", () => ann.of("reconnected").length === cut);
    }
    expect(await load.stop()).toEqual([]);
    for (const one of [ann, bob]) {
      for (const { name, sent } of [ann, bob]) {
        await until("all has arrived", () => numbersOf(one.texts, name).includes(sent));
        expect(numbersOf(one.texts, name)).toEqual(upTo(sent));
      }
    }
    expect(ann.texts).toEqual(bob.texts);
    expect(ann.of("reconnected").every(({ resumed, privateGroup }) => resumed && privateGroup === "#ann#alpha")).toBe(
      true,
    );
    expect(ann.of("gap")).toEqual([]);
    // Nobody saw it go.
    expect(bob.of("view")).toHaveLength(1);
    // Before the way is closed: a session that has lost its daemon keeps its name for the time of grace.
    await ann.connection.close();
  });

  it("get each of the six services across two groups, and one copy of what goes to both", async () => {
    const ann = await member("alpha", "ann");
    const bob = await member("beta", "bob");
    const cyd = await member("gamma", "cyd");
    await ann.connection.join("red");
    await ann.connection.join("blue");
    await bob.connection.join("red");
    await cyd.connection.join("blue");
    await ann.untilMembers("red", ["#ann#alpha", "#bob#beta"]);
    await ann.untilMembers("blue", ["#ann#alpha", "#cyd#gamma"]);
    for (const service of SERVICES) {
      for (const [i, from] of [ann, bob, cyd].entries()) {
        await from.connection.send("red", `red ${service} ${from.name}`, { service, type: i });
        await from.connection.send("blue", `blue ${service} ${from.name}`, { service, type: -i });
        await from.connection.send(["red", "blue"], `both ${service} ${from.name}`, { service });
      }
    }
    const expected = (groups: readonly string[]): string[] =>
      groups
        .flatMap((group) =>
          SERVICES.flatMap((service) => ["ann", "bob", "cyd"].map((who) => `${group} ${service} ${who}`)),
        )
        .sort();
    await until("all has arrived", () => ann.texts.length >= 54 && bob.texts.length >= 36 && cyd.texts.length >= 36);
    expect(ann.texts.toSorted()).toEqual(expected(["red", "blue", "both"]));
    expect(bob.texts.toSorted()).toEqual(expected(["red", "both"]));
    expect(cyd.texts.toSorted()).toEqual(expected(["blue", "both"]));
    for (const one of [ann, bob, cyd]) {
      for (const { text, message } of one.delivered) {
        const [group, service, who] = text.split(" ");
        expect(message.service).toBe(service);
        expect(message.groups).toEqual(group === "both" ? ["red", "blue"] : [group]);
        expect(message.own).toBe(who === one.name);
        if (group !== "both") expect(Math.abs(message.type)).toBe(["ann", "bob", "cyd"].indexOf(who as string));
      }
    }
    // Agreed and safe messages are in one order, over both groups.
    const ordered = (one: Member, other: string): string[] =>
      one.texts.filter((text) => / (agreed|safe) /.test(text) && (text.startsWith(other) || text.startsWith("both")));
    expect(ordered(bob, "red")).toEqual(ordered(ann, "red"));
    expect(ordered(cyd, "blue")).toEqual(ordered(ann, "blue"));
  });

  it("send to each other privately, to groups they are not in, and without a copy for themselves", async () => {
    const ann = await member("alpha", "ann");
    const bob = await member("beta", "bob");
    const cyd = await member("gamma", "cyd");
    await bob.connection.join("team");
    await ann.send("#bob#beta", "for bob", { service: "safe" });
    await bob.send(["#ann#alpha", "#cyd#gamma"], "for both");
    await cyd.send(["team", "#bob#beta"], "once", { service: "fifo" });
    await bob.send("team", "not for me", { selfDiscard: true });
    await bob.send("team", "for me");
    await ann.send("#no#alpha", "for nobody");
    await ann.send("#ann#alpha", "for myself");
    await bob.untilText("for me");
    await ann.untilText("for myself");
    await cyd.untilText("for both");
    await bob.untilText("once");
    await bob.untilText("for bob");
    expect(bob.texts.toSorted()).toEqual(["for bob", "for me", "once"]);
    expect(bob.delivered.find(({ text }) => text === "for bob")?.message).toMatchObject({
      sender: "#ann#alpha",
      groups: ["#bob#beta"],
      service: "safe",
    });
    expect(ann.texts.toSorted()).toEqual(["for both", "for myself"]);
    expect(cyd.texts).toEqual(["for both"]);
  });

  it("of high priority are served while one of low priority floods the daemon", async () => {
    const low = await member("alpha", "low", { priority: 0 });
    const high = await member("alpha", "high", { priority: 15 });
    const bob = await member("beta", "bob");
    await bob.connection.join("prio");
    let flooding = true;
    let flooded = 0;
    const flood = (async () => {
      const payload = new Uint8Array(1_400);
      while (flooding) {
        const batch = Array.from({ length: 200 }, () => low.connection.send("prio", payload, { service: "fifo" }));
        await Promise.all(batch);
        flooded += batch.length;
      }
    })();
    const latencies: number[] = [];
    for (let i = 0; i < 30; i++) {
      const sentAt = performance.now();
      await high.send("prio", `urgent ${i}`, { service: "agreed" });
      await bob.untilText(`urgent ${i}`);
      latencies.push(performance.now() - sentAt);
    }
    flooding = false;
    await flood;
    latencies.sort((a, b) => a - b);
    process.stderr.write(
      `priority 15 beside ${flooded} messages of priority 0: median ${latencies[15]?.toFixed(1)} ms, longest ${latencies[29]?.toFixed(1)} ms\n`,
    );
    expect(flooded).toBeGreaterThan(200);
    await until("the flood has arrived", () => bob.texts.length === flooded + 30);
  });
});
