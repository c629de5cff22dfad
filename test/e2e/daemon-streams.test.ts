import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { streamPort } from "../../src/daemon/site-network.ts";
import { Load } from "./load.ts";
import { common, Member, numbersOf, upTo } from "./member.ts";
import { Site } from "./site.ts";
import { until } from "./until.ts";

const NAMES = ["alpha", "beta", "gamma"];
const ALL = ["#ann#alpha", "#bob#beta", "#cyd#gamma"];
let site: Site | undefined;
const members: Member[] = [];

afterEach(async () => {
  for (const { connection } of members.splice(0)) void connection.close();
  await site?.close();
  site = undefined;
});

async function start(): Promise<readonly [Site, Member, Member, Member]> {
  const daemons = await Site.start(NAMES, { dissemination: "tcp" });
  site = daemons;
  for (const [i, name] of ["ann", "bob", "cyd"].entries()) {
    const one = await Member.connect(daemons.address(NAMES[i] as string), name, { reconnect: false });
    members.push(one);
    await one.connection.join("room");
  }
  for (const one of members) await one.untilMembers("room", ALL);
  return [daemons, ...(members as [Member, Member, Member])];
}

describe("three daemons over TCP", () => {
  it("deliver everything in one order, go on when one is killed, and take it back", async () => {
    const [daemons, ann, bob, cyd] = await start();
    for (const name of NAMES) {
      const { site: ofSite } = await daemons.status(name);
      expect(ofSite).toMatchObject({
        dissemination: "tcp",
        disseminationSetting: "tcp",
        disseminationBecause: "the configuration says so",
      });
      expect(ofSite.streams.map(({ daemon, isUp }) => [daemon, isUp])).toEqual(
        NAMES.filter((other) => other !== name).map((other) => [other, true]),
      );
    }
    const load = new Load(members, "room", 3);
    await until("the traffic flows", () => cyd.delivered.length > 1_000);
    daemons.signal("gamma", "SIGKILL");
    for (const one of [ann, bob]) await one.untilMembers("room", ALL.slice(0, 2));
    await load.stop();
    for (const one of [ann, bob])
      for (const { name, sent } of [ann, bob])
        await one.untilText(`${name} ${sent} ${sent % 2 === 1 ? "agreed" : "safe"}`);
    expect(bob.texts).toEqual(ann.texts);
    for (const { name, sent } of [ann, bob]) expect(numbersOf(ann.texts, name)).toEqual(upTo(sent));
    expect(common(cyd.texts, ann.texts)).toEqual(common(ann.texts, cyd.texts));

    await daemons.startDaemon("gamma");
    await daemons.untilTogether(NAMES);
    const dan = await Member.connect(daemons.address("gamma"), "dan");
    members.push(dan);
    await dan.connection.join("room");
    for (const one of [ann, bob, dan]) await one.untilMembers("room", [...ALL.slice(0, 2), "#dan#gamma"]);
    await ann.send("room", "welcome", { service: "safe" });
    await dan.untilText("welcome");
    const told = daemons.networkEvents("alpha").map(({ what, daemon }) => `${what} ${daemon}`);
    expect(told).toContain("down gamma");
    expect(told.at(-1)).toBe("up gamma");
  });

  it("are not disturbed by what strangers send to the port", async () => {
    const [daemons, ann, , cyd] = await start();
    const port = streamPort(daemons.port("gamma"));
    const before = daemons.changes("gamma").length;
    const sent = ["GET / HTTP/1.1\r\n\r\n", "\u0041\u006d", "Am\x01\x13".padEnd(300, "\0"), ""];
    const strangers = await Promise.all(
      sent.map(async (text) => {
        const socket = connect(port, "127.0.0.1");
        socket.on("error", () => undefined);
        await new Promise((resolve) => socket.once("connect", resolve));
        socket.write(Buffer.from(text, "latin1"));
        return new Promise((resolve) => socket.resume().once("close", resolve));
      }),
    );
    expect(strangers).toHaveLength(4);
    await ann.send("room", "still here", { service: "safe" });
    await cyd.untilText("still here");
    expect(daemons.changes("gamma")).toHaveLength(before);
    const refused = () => daemons.networkEvents("gamma").filter(({ what }) => what === "refused");
    await until("it has said so", () => refused().length > 0);
    expect(refused().map(({ message }) => message)).toEqual(["127.0.0.1 sends what is no packet of a daemon"]);
  });
});

describe("two daemons that are told different things", () => {
  const pair = async (beta: "unicast" | "auto", apart: boolean): Promise<Site> => {
    site = await Site.start(["alpha", "beta"], { dissemination: "tcp", otherwise: { beta }, apart });
    return site;
  };

  it("both say that they do not hear each other", async () => {
    const daemons = await pair("unicast", true);
    const told = (name: string) => daemons.networkEvents(name).find(({ what }) => what === "disagreement")?.message;
    await until("both have said so", () => told("alpha") !== undefined && told("beta") !== undefined);
    expect(told("alpha")).toBe(
      "beta has Dissemination = unicast, and here it is tcp: they do not hear each other. All daemons of a site need tcp, or auto",
    );
    expect(told("beta")).toMatch(/^alpha has Dissemination = tcp, and here it is unicast/);
  });

  it("come together if one of them may choose", async () => {
    const daemons = await pair("auto", false);
    const { site: ofBeta } = await daemons.status("beta");
    expect(ofBeta).toMatchObject({ dissemination: "tcp", disseminationBecause: "Dissemination is tcp at alpha" });
  });
});
