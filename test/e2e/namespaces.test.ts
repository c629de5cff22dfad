import { afterEach, describe, expect, it } from "vitest";
import { Lab, namespacesAvailable } from "../net/namespaces.ts";
import { Load } from "./load.ts";
import { common, longestSilenceMs, Member, numbersOf, upTo } from "./member.ts";
import { Site } from "./site.ts";
import { sleep, until } from "./until.ts";

const NAMES = ["alpha", "beta", "gamma"] as const;
const ALL = ["#ann#alpha", "#bob#beta", "#cyd#gamma"];

let lab: Lab;
let site: Site;
const members: Member[] = [];

/** Daemons in a namespace each, with multicast over a bridge, and a client of each. */
async function start(): Promise<readonly [Member, Member, Member]> {
  lab = Lab.create(NAMES.length);
  site = await Site.start(NAMES, { lab });
  for (const [i, name] of ["ann", "bob", "cyd"].entries()) {
    const one = await Member.connect(site.address(NAMES[i] as string), name);
    members.push(one);
    await one.connection.join("room");
  }
  for (const one of members) await one.untilMembers("room", ALL);
  return members as unknown as readonly [Member, Member, Member];
}

afterEach(async () => {
  await Promise.all(members.splice(0).map(({ connection }) => connection.close()));
  await site.close();
  lab.close();
});

/** Drops a share of what `to` receives from `from`, and of nothing else: a link that is bad in one direction. */
async function loseOneWay(from: number, to: number, share: number): Promise<void> {
  const chance = share < 1 ? `numgen random mod 1000 < ${share * 1000}` : "";
  const rule = `ip saddr ${lab.address(from)} meta l4proto udp ${chance} drop`;
  const table = `table inet one_way {\nchain input {\ntype filter hook input priority 0\n${rule}\n}\n}\n`;
  const nft = lab.spawn(to, "nft", ["-f", "-"], { stdio: ["pipe", "ignore", "inherit"] });
  const ended = new Promise<number | null>((resolve) => nft.once("exit", resolve));
  nft.stdin?.end(share > 0 ? table : "delete table inet one_way\n");
  expect(await ended).toBe(0);
}

/** Waits until everybody has all that was sent, then checks that all have the same. */
async function allAlike(): Promise<void> {
  for (const one of members) {
    for (const { name, sent } of members) {
      await until(`${one.name} has all of ${name}`, () => numbersOf(one.texts.slice(-3_000), name).includes(sent));
    }
  }
  for (const one of members) {
    expect(one.texts).toEqual(members[0]?.texts);
    for (const { name, sent } of members) expect(numbersOf(one.texts, name)).toEqual(upTo(sent));
    expect(one.of("gap")).toEqual([]);
  }
}

describe.runIf(namespacesAvailable())("three daemons on a bridge with multicast", () => {
  it("deliver everything in one order while each link loses 5 %", async () => {
    const [ann] = await start();
    for (const host of NAMES.keys()) lab.setLoss(host, 0.05);
    using load = new Load(members, "room", 4);
    await sleep(2_000);
    expect(await load.stop()).toEqual([]);
    await allAlike();
    const { ring, site: ofSite } = await site.status("alpha");
    expect(ofSite.dissemination).toBe("multicast");
    const { requested, unicast, segment, multicast } = ring.retransmissions;
    process.stderr.write(
      `5 % loss: ${ann.delivered.length} messages, longest silence ${Math.round(longestSilenceMs(ann, ann.delivered[0]?.at ?? 0))} ms, ` +
        `alpha asked for ${requested} packets and sent ${unicast + segment + multicast} again; ${site.changes("alpha").length} configurations\n`,
    );
    expect(requested + unicast + segment + multicast).toBeGreaterThan(0);
  });

  it("go on while one link loses a third of its packets in one direction only", async () => {
    const [ann] = await start();
    await loseOneWay(0, 2, 0.33);
    using load = new Load(members, "room", 2);
    await sleep(2_000);
    expect(await load.stop()).toEqual([]);
    await allAlike();
    process.stderr.write(
      `one direction loses 33 %: ${ann.delivered.length} messages, longest silence ${Math.round(longestSilenceMs(ann, ann.delivered[0]?.at ?? 0))} ms, ${site.changes("alpha").length} configurations\n`,
    );
  });

  it.each([
    { from: 0, to: 2, what: "its data" },
    { from: 1, to: 2, what: "the token" },
  ])("agree on views though $what does not get through in one direction, and come together again", async (cut) => {
    const [ann, bob, cyd] = await start();
    using load = new Load(members, "room", 1);
    await sleep(200);
    await loseOneWay(cut.from, cut.to, 1);
    await sleep(3_000);
    await loseOneWay(cut.from, cut.to, 0);
    const lastChange = (name: string): string => JSON.stringify(site.changes(name).at(-1)?.id);
    await until("they are together again", async () => {
      const before = NAMES.map(lastChange).join();
      await sleep(600);
      const now = NAMES.map(lastChange);
      return (
        now.join() === before &&
        new Set(now).size === 1 &&
        members.every((one) => one.view("room")?.members.join() === ALL.join())
      );
    });
    expect(await load.stop()).toEqual([]);
    for (const one of members) await one.number("room", "safe");
    for (const one of members) for (const { name, sent } of members) await one.untilText(`${name} ${sent} safe`);
    process.stderr.write(
      `${cut.what} cut in one direction for 3 s: longest silence of alpha ${Math.round(longestSilenceMs(ann, ann.delivered[0]?.at ?? 0))} ms; ${NAMES.map((name) => `${name} ${site.changes(name).length}`).join(", ")} configurations\n`,
    );
    // Each pair has what both have in one order, each its own complete, and the same members in views of one id.
    for (const one of members) {
      expect(new Set(one.texts).size).toBe(one.texts.length);
      expect(numbersOf(one.texts, one.name)).toEqual(upTo(one.sent));
    }
    for (const [a, b] of [
      [ann, bob],
      [bob, cyd],
      [ann, cyd],
    ] as const) {
      expect(common(a.texts, b.texts)).toEqual(common(b.texts, a.texts));
      const views = new Map(a.of("view").map((view) => [JSON.stringify(view.id), view]));
      for (const view of b.of("view")) {
        const same = views.get(JSON.stringify(view.id));
        if (same === undefined) continue;
        expect(view.members).toEqual(same.members);
        expect(view.primary).toBe(same.primary);
      }
    }
  });

  it("split into a side that is primary and one that is not, each with its own order, and merge by sets", async () => {
    const [ann, bob, cyd] = await start();
    using load = new Load(members, "room", 2);
    const safeOf = (one: Member) => one.delivered.filter(({ message }) => message.service === "safe").length;
    await until("safe messages are everywhere", () => members.every((one) => safeOf(one) > 30));
    lab.split([0, 1], [2]);
    const splitAt = performance.now();
    for (const one of [ann, bob]) {
      expect(await one.untilMembers("room", ["#ann#alpha", "#bob#beta"])).toMatchObject({
        cause: "network",
        primary: true,
        left: ["#cyd#gamma"],
      });
    }
    expect(await cyd.untilMembers("room", ["#cyd#gamma"])).toMatchObject({ cause: "network", primary: false });
    const toldMs = performance.now() - splitAt;
    const atSplit = members.map(({ delivered }) => delivered.length);
    await until("each side delivers its own", () =>
      members.every(({ delivered }, i) => delivered.length > (atSplit[i] as number) + 50),
    );
    const mergedAt = performance.now();
    lab.merge();
    for (const one of members) {
      const view = await one.untilMembers("room", ALL);
      expect(view).toMatchObject({ cause: "network", primary: true });
      expect(view.sets.map((set) => set.join(" ")).sort()).toEqual(["#ann#alpha #bob#beta", "#cyd#gamma"]);
      expect(view.ownSet).toEqual(one === cyd ? ["#cyd#gamma"] : ["#ann#alpha", "#bob#beta"]);
      // The signal before the split's view, and none at the merge, which nobody has left.
      expect(one.of("transitional")).toHaveLength(1);
    }
    process.stderr.write(
      `split: views after ${Math.round(toldMs)} ms; merge: after ${Math.round(performance.now() - mergedAt)} ms\n`,
    );
    await sleep(300);
    expect(await load.stop()).toEqual([]);
    for (const one of members) await one.number("room", "safe");
    for (const one of members) for (const { name, sent } of members) await one.untilText(`${name} ${sent} safe`);

    expect(bob.texts).toEqual(ann.texts);
    for (const sender of [ann, bob]) expect(numbersOf(ann.texts, sender.name)).toEqual(upTo(sender.sent));
    expect(numbersOf(cyd.texts, "cyd")).toEqual(upTo(cyd.sent));
    expect(common(cyd.texts, ann.texts)).toEqual(common(ann.texts, cyd.texts));
    // While they were apart each side delivered what the other one has not.
    expect(ann.texts.length).toBeGreaterThan(common(ann.texts, cyd.texts).length);
    expect(cyd.texts.length).toBeGreaterThan(common(ann.texts, cyd.texts).length);
    // What was safe before the split is on both sides.
    const before = (one: Member): string[] => {
      const end = one.events.findIndex(({ kind }) => kind === "transitional");
      const events = new Set(one.events.slice(0, end));
      return one.delivered
        .filter(({ message }) => events.has(message) && message.service === "safe")
        .map(({ text }) => text);
    };
    expect(before(ann).length).toBeGreaterThan(20);
    expect(common(before(ann), cyd.texts)).toEqual(before(ann));
    expect(common(before(cyd), ann.texts)).toEqual(before(cyd));
  });
});
