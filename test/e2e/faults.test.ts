import { afterEach, describe, expect, it } from "vitest";
import { Load } from "./load.ts";
import { common, longestSilenceMs, Member, numbersOf, upTo } from "./member.ts";
import { Site } from "./site.ts";
import { sleep, until } from "./until.ts";

let site: Site | undefined;
let load: Load | undefined;
const members: Member[] = [];

afterEach(async () => {
  load?.[Symbol.dispose]();
  await site?.close();
  for (const { connection } of members.splice(0)) void connection.close();
  site = load = undefined;
});

/** Three daemons, and a client of each that is in `room`. */
async function start(): Promise<readonly [Site, Member, Member, Member]> {
  const daemons = await Site.start(["alpha", "beta", "gamma"]);
  site = daemons;
  const ann = await Member.connect(daemons.address("alpha"), "ann", { reconnect: false });
  const bob = await Member.connect(daemons.addressesFrom("beta"), "bob");
  const cyd = await Member.connect(daemons.address("gamma"), "cyd", { reconnect: false });
  members.push(ann, bob, cyd);
  for (const { connection } of members) await connection.join("room");
  for (const member of members) await member.untilMembers("room", ["#ann#alpha", "#bob#beta", "#cyd#gamma"]);
  return [daemons, ann, bob, cyd];
}

function report(what: string, figures: Readonly<Record<string, number>>): void {
  const text = Object.entries(figures).map(([name, ms]) => `${name} ${Math.round(ms)} ms`);
  process.stderr.write(`${what}: ${text.join(", ")}\n`);
}

/** Waits until members have the last message of each of them. */
async function settled(all: readonly Member[], senders: readonly Member[]): Promise<void> {
  for (const member of all) {
    for (const { name, sent } of senders) {
      await until(`${member.name} has message ${sent} of ${name}`, () =>
        numbersOf(member.texts.slice(-2_000), name).includes(sent),
      );
    }
  }
}

describe("three daemons in processes of their own", () => {
  it("go on after a SIGKILL under load: safe messages are everywhere, in one order, with right views", async () => {
    const [daemons, ann, bob, cyd] = await start();
    load = new Load(members, "room", 4);
    await until("the traffic flows", () => cyd.delivered.length > 2_000);
    const killedAt = performance.now();
    daemons.signal("gamma", "SIGKILL");
    for (const one of [ann, bob]) await one.untilMembers("room", ["#ann#alpha", "#bob#beta"]);
    await sleep(300);
    const failed = await load.stop();
    await settled([ann, bob], [ann, bob]);
    report("outage after a SIGKILL", {
      ann: longestSilenceMs(ann, killedAt),
      bob: longestSilenceMs(bob, killedAt),
      told: daemons.changes("alpha").at(-1)?.outageMs ?? 0,
    });

    // The order, and nothing lost or doubled of those who stayed.
    expect(bob.texts).toEqual(ann.texts);
    expect(new Set(ann.texts).size).toBe(ann.texts.length);
    expect(numbersOf(ann.texts, "ann")).toEqual(upTo(ann.sent));
    expect(numbersOf(ann.texts, "bob")).toEqual(upTo(bob.sent));
    expect(common(cyd.texts, ann.texts)).toEqual(common(ann.texts, cyd.texts));
    const survived = new Set(ann.texts);
    const safe = cyd.delivered.filter(({ message }) => message.service === "safe");
    expect(safe.length).toBeGreaterThan(500);
    expect(safe.filter(({ text }) => !survived.has(text))).toEqual([]);
    // What failed was sent by the client of the daemon that is gone.
    expect(failed.every((error) => (error as { code?: string }).code === "DISCONNECTED")).toBe(true);
    expect(cyd.error).toMatchObject({ code: "DISCONNECTED" });

    for (const one of [ann, bob]) {
      expect(one.of("transitional")).toHaveLength(1);
      const view = one.view("room");
      expect(view).toMatchObject({ cause: "network", primary: true, joined: [], left: ["#cyd#gamma"] });
      expect(view?.sets).toEqual([["#ann#alpha", "#bob#beta"]]);
      expect(view?.ownSet).toEqual(["#ann#alpha", "#bob#beta"]);
    }
    expect(bob.view("room")?.id).toEqual(ann.view("room")?.id);

    // Back again: the daemons merge, and a client of the new one is seen.
    await daemons.startDaemon("gamma");
    await daemons.untilTogether(daemons.names);
    expect(daemons.changes("alpha").at(-1)).toMatchObject({ primary: true, joined: ["gamma"], left: [] });
    const dan = await Member.connect(daemons.address("gamma"), "dan");
    members.push(dan);
    await dan.connection.join("room");
    const all = ["#ann#alpha", "#bob#beta", "#dan#gamma"];
    for (const one of [ann, bob, dan]) {
      expect(await one.untilMembers("room", all)).toMatchObject({ cause: "join", primary: true });
    }
    await dan.number("room", "safe");
    for (const one of [ann, bob, dan]) await one.untilText("dan 1 safe");
  });

  it("tell a group that lost nobody when its side of a split is primary no more, and when it is again", async () => {
    const [daemons, ann] = await start();
    const alone = await ann.connection.join("alone");
    expect([ann.connection.primary, alone.view?.primary]).toEqual([true, true]);
    for (const other of ["beta", "gamma"]) daemons.signal(other, "SIGSTOP");
    await until("ann's side is known not to be primary", () => ann.connection.primary === false);
    await until("so is the group's", () => alone.view?.primary === false);
    // In its place: what is sent now comes behind it.
    await ann.send("alone", "not primary");
    await ann.untilText("not primary");
    for (const other of ["beta", "gamma"]) daemons.signal(other, "SIGCONT");
    await until("ann's side is primary again", () => ann.connection.primary === true);
    await until("so is the group's", () => alone.view?.primary === true);
    expect(ann.of("view").filter(({ group }) => group === "alone")).toHaveLength(1);
    const kinds = ann.of("primary").map(({ primary }) => primary);
    expect(kinds.slice(-2)).toEqual([false, true]);
    for (let i = 1; i < kinds.length; i++) expect(kinds[i]).toBe(!kinds[i - 1]);
    await daemons.untilTogether(daemons.names);
  });

  it("hardly notice a SIGTERM: the client of the stopped daemon goes elsewhere and sends nothing twice", async () => {
    const [daemons, ann, bob, cyd] = await start();
    load = new Load(members, "room", 4);
    await until("the traffic flows", () => bob.delivered.length > 2_000);
    const stoppedAt = performance.now();
    daemons.signal("beta", "SIGTERM");
    expect(await daemons.exit("beta")).toBe(0);
    await until("bob is connected again", () => bob.of("reconnected").length === 1);
    const back = bob.connection.privateGroup;
    await until("bob is a member again", () => ann.view("room")?.members.includes(back) === true);
    await sleep(300);
    expect(await load.stop()).toEqual([]);
    await settled([ann, bob, cyd], [ann, bob, cyd]);
    report("silence at a SIGTERM", {
      ann: longestSilenceMs(ann, stoppedAt),
      cyd: longestSilenceMs(cyd, stoppedAt),
      bob: longestSilenceMs(bob, stoppedAt),
      told: daemons.changes("alpha").at(-1)?.outageMs ?? 0,
    });

    expect(daemons.changes("alpha").at(-1)).toMatchObject({ left: ["beta"], cause: { kind: "leave", daemon: "beta" } });
    expect(cyd.texts).toEqual(ann.texts);
    for (const sender of [ann, bob, cyd]) expect(numbersOf(ann.texts, sender.name)).toEqual(upTo(sender.sent));
    // Bob is a new member elsewhere: told so by a gap, with nothing twice and in the same order as the others.
    expect(bob.of("reconnected")).toMatchObject([{ resumed: false, privateGroup: back }]);
    expect(bob.of("gap")).toMatchObject([{ group: "room", reason: "reconnected" }]);
    expect(new Set(bob.texts).size).toBe(bob.texts.length);
    expect(bob.texts).toEqual(common(ann.texts, bob.texts));
  });

  it("take back a daemon that was frozen for three seconds; both sides converge without a safe message lost", async () => {
    const [daemons, ann, bob, cyd] = await start();
    load = new Load([ann, bob], "room", 2);
    const frozen = new Load([cyd], "room", 1);
    await until("the traffic flows", () => cyd.delivered.length > 1_000);
    daemons.signal("gamma", "SIGSTOP");
    await sleep(3_000);
    for (const one of [ann, bob]) {
      const view = await one.untilMembers("room", ["#ann#alpha", "#bob#beta"]);
      expect(view).toMatchObject({ cause: "network", primary: true });
    }
    const wokenAt = performance.now();
    daemons.signal("gamma", "SIGCONT");
    const all = ["#ann#alpha", "#bob#beta", "#cyd#gamma"];
    // A merge of two sides, unlike the first view of all, which came by a join.
    await until("all are together again", () =>
      members.every((one) => one.view("room")?.members.join() === all.join() && one.view("room")?.sets.length === 2),
    );
    report("a frozen daemon is back", { after: performance.now() - wokenAt });
    await sleep(300);
    expect(await load.stop()).toEqual([]);
    expect(await frozen.stop()).toEqual([]);
    for (const one of members) await one.number("room", "safe");
    await settled(members, members);

    expect(bob.texts).toEqual(ann.texts);
    expect(numbersOf(ann.texts, "ann")).toEqual(upTo(ann.sent));
    expect(numbersOf(ann.texts, "bob")).toEqual(upTo(bob.sent));
    expect(common(cyd.texts, ann.texts)).toEqual(common(ann.texts, cyd.texts));
    // Cyd's own messages: all at its side, each once; safe ones that it delivered before the split are at the others too.
    expect(numbersOf(cyd.texts, "cyd")).toEqual(upTo(cyd.sent));
    for (const one of members) expect(new Set(one.texts).size).toBe(one.texts.length);
    const others = new Set(ann.texts);
    const split = cyd.events.findIndex(({ kind }) => kind === "transitional");
    const before = new Set(cyd.events.slice(0, split));
    const safe = cyd.delivered.filter(({ message }) => before.has(message) && message.service === "safe");
    expect(safe.length).toBeGreaterThan(0);
    expect(safe.filter(({ text }) => !others.has(text))).toEqual([]);
    // From the merge on all deliver the same.
    const since = (member: Member): string[] => {
      const merge = member.events.findLastIndex(({ kind }) => kind === "view");
      const after = new Set(member.events.slice(merge));
      return member.delivered.filter(({ message }) => after.has(message)).map(({ text }) => text);
    };
    expect(since(bob)).toEqual(since(ann));
    expect(since(cyd)).toEqual(since(ann));
    for (const one of members) {
      expect(one.view("room")).toMatchObject({ cause: "network", primary: true });
      expect(
        one
          .view("room")
          ?.sets.map((set) => set.join())
          .sort(),
      ).toEqual(["#ann#alpha,#bob#beta", "#cyd#gamma"]);
    }
    expect(cyd.view("room")?.ownSet).toEqual(["#cyd#gamma"]);
    expect(cyd.view("room")?.id).toEqual(ann.view("room")?.id);
  });
});
