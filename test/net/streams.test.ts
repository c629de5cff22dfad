import { afterEach, describe, expect, it, vi } from "vitest";
import { Load } from "../e2e/load.ts";
import { Member, numbersOf, upTo } from "../e2e/member.ts";
import { Site } from "../e2e/site.ts";
import { until } from "../e2e/until.ts";
import { Lab, namespacesAvailable } from "./namespaces.ts";

const NAMES = ["alpha", "beta", "gamma"] as const;
const ALL = ["#ann#alpha", "#bob#beta", "#cyd#gamma"];

let lab: Lab;
let site: Site;
const members: Member[] = [];

afterEach(async () => {
  await Promise.all(members.splice(0).map(({ connection }) => connection.close()));
  await site.close();
  lab.close();
});

async function join(): Promise<readonly [Member, Member, Member]> {
  for (const [i, name] of ["ann", "bob", "cyd"].entries()) {
    const one = await Member.connect(site.address(NAMES[i] as string), name);
    members.push(one);
    await one.connection.join("room");
  }
  for (const one of members) await one.untilMembers("room", ALL);
  return members as unknown as readonly [Member, Member, Member];
}

async function disseminations(): Promise<string[]> {
  return Promise.all(NAMES.map(async (name) => (await site.status(name)).site.dissemination));
}

describe.runIf(namespacesAvailable())("Dissemination = auto", () => {
  it("takes streams where no datagrams pass; a split and its end are as with datagrams", async () => {
    lab = Lab.create(NAMES.length);
    for (const host of NAMES.keys()) lab.blockDatagrams(host);
    site = await Site.start(NAMES, { lab, dissemination: "auto" });
    const [ann, bob, cyd] = await join();
    expect(await disseminations()).toEqual(["tcp", "tcp", "tcp"]);
    // They may be together before each has probed every other one.
    const found = "datagrams from here do not get through to beta, gamma";
    await until("it has found that", async () => (await site.status("alpha")).site.disseminationBecause === found);
    expect((await site.status("alpha")).site.streams).toMatchObject([
      { daemon: "beta", isUp: true },
      { daemon: "gamma", isUp: true },
    ]);

    using load = new Load(members, "room", 2);
    await until("the traffic flows", () => members.every(({ delivered }) => delivered.length > 100));
    lab.split([0, 1], [2]);
    for (const one of [ann, bob]) {
      expect(await one.untilMembers("room", ALL.slice(0, 2))).toMatchObject({ cause: "network", primary: true });
    }
    expect(await cyd.untilMembers("room", ALL.slice(2))).toMatchObject({ cause: "network", primary: false });
    lab.merge();
    for (const one of members) {
      const view = await one.untilMembers("room", ALL);
      expect(view.sets.map((set) => set.join(" ")).sort()).toEqual(["#ann#alpha #bob#beta", "#cyd#gamma"]);
    }
    expect(await load.stop()).toEqual([]);
    for (const one of members) await one.number("room", "safe");
    for (const one of members) for (const { name, sent } of members) await one.untilText(`${name} ${sent} safe`);
    expect(bob.texts).toEqual(ann.texts);
    for (const { name, sent } of [ann, bob]) expect(numbersOf(ann.texts, name)).toEqual(upTo(sent));
    expect(numbersOf(cyd.texts, "cyd")).toEqual(upTo(cyd.sent));
  });

  it("takes long datagrams where all links do, and short ones again when they get lost", async () => {
    lab = Lab.create(NAMES.length);
    lab.setMtu(9_000);
    // What the kernel hands over in one piece would count as one long datagram in nft.
    vi.stubEnv("AMALGAM_DATAGRAMS", "portable");
    site = await Site.start(NAMES, { lab, dissemination: "auto" });
    vi.unstubAllEnvs();
    const [ann] = await join();
    const lengths = () => Promise.all(NAMES.map(async (name) => (await site.status(name)).site.datagramBytes));
    await until("datagrams are long", async () => (await lengths()).every((length) => length === 8_900));
    expect((await site.status("alpha")).site.datagramBytesBecause).toBe(
      "the MTU of eth0 is 9000, and datagrams of 8900 bytes reach all that are heard",
    );
    const before = NAMES.map((name) => site.changes(name).length);
    const load = setInterval(() => void ann.send("room", "x".repeat(20_000)), 20);
    // A switch on the way to one of them has another MTU.
    lab.blockDatagrams(2, 1_472);
    await until("datagrams are short", async () => (await lengths()).slice(0, 2).every((length) => length === 1_400));
    clearInterval(load);
    await ann.send("room", "short", { service: "safe" });
    for (const one of members) await one.untilText("short");
    const because = (await site.status("alpha")).site.datagramBytesBecause;
    expect(because).toBe("the MTU of eth0 is 9000, but datagrams of 8900 bytes do not reach gamma");
    process.stderr.write(
      `long datagrams get lost: ${NAMES.map((name, i) => site.changes(name).length - (before[i] ?? 0)).join(", ")} configurations\n`,
    );
  });

  it("takes a stream only to the daemon that datagrams do not reach, and goes on when they end while all run", async () => {
    lab = Lab.create(NAMES.length);
    lab.blockDatagrams(2);
    site = await Site.start(NAMES, { lab, dissemination: "auto" });
    const [ann] = await join();
    const found = "datagrams from here do not get through to gamma; datagrams go to alpha";
    await until("it has found that", async () => (await site.status("beta")).site.disseminationBecause === found);
    expect((await site.status("beta")).site.dissemination).toBe("tcp");
    for (const host of [0, 1]) lab.blockDatagrams(host);
    await until("all have streams to all", async () => {
      const all = await Promise.all(NAMES.map((name) => site.status(name)));
      return all.every(
        ({ site: { streams, disseminationBecause } }) =>
          streams.length === 2 && streams.every(({ isUp }) => isUp) && !disseminationBecause.includes("datagrams go"),
      );
    });
    await site.untilTogether(NAMES);
    for (const one of members) await one.untilMembers("room", ALL);
    await ann.send("room", "over streams", { service: "safe" });
    for (const one of members) await one.untilText("over streams");
  });
});
