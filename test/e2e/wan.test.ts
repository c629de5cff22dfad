import { afterEach, expect, test } from "vitest";
import { connect } from "../../src/index.ts";
import { Wan } from "../link/wan-site.ts";
import { type Ports, takePorts } from "./ports.ts";
import { ensureBuilt } from "./site.ts";
import { until } from "./until.ts";

let ports: Ports | undefined;
let wan: Wan | undefined;

afterEach(async () => {
  await wan?.close();
  ports?.[Symbol.dispose]();
});

test("daemons of two sites have one order over a link that loses, a cut splits them, and they merge again", async () => {
  ensureBuilt();
  ports = await takePorts();
  wan = await Wan.start({
    sites: { west: ["w1", "w2"], east: ["e1"] },
    port: ports.base,
    link: () => ({ delayMs: 10, jitterMs: 2, megabits: 50, loss: { kind: "uniform", probability: 0.02 } }),
    settings: "Link { SilenceTimeout = 600 Weight = 20 }\n",
  });
  const { daemons } = wan;
  const membersOf = (daemon: string): string | undefined => wan?.change(daemon)?.members.join();
  const isWhole = (): boolean => daemons.every((daemon) => membersOf(daemon) === "w1,w2,e1");
  await until("all daemons are together", isWhole);

  await using west = await connect(wan.address("w2"));
  await using east = await connect(wan.address("e1"));
  const groups = [await west.join("town"), await east.join("town")] as const;
  const heard = groups.map((group) => {
    const log: string[] = [];
    void (async () => {
      for await (const event of group) if (event.kind === "message") log.push(new TextDecoder().decode(event.payload));
    })().catch(() => undefined);
    return log;
  });
  for (let i = 0; i < 200; i++) {
    for (const [at, group] of groups.entries()) {
      await group.send(new TextEncoder().encode(`${at}.${i}`), { service: i % 2 === 0 ? "agreed" : "safe" });
    }
  }
  await until("both have heard everything", () => heard.every((log) => log.length >= 400));
  expect(heard[0]).toEqual(heard[1]);

  const { sites } = await wan.status("w1");
  expect(sites?.own).toBe("west");
  expect(sites?.sites.map(({ name, members, representative }) => [name, members.join(), representative])).toEqual([
    ["west", "w1,w2", "w1"],
    ["east", "e1", "e1"],
  ]);
  expect(sites?.trees.map(({ source, hops }) => [source, ...hops.flat()])).toEqual([
    ["west", "west", "east"],
    ["east", "east", "west"],
  ]);
  const [link] = sites?.links ?? [];
  expect(link).toMatchObject({ site: "east", peer: "e1", isOpen: true });
  expect(link?.roundTripMs).toBeGreaterThanOrEqual(20);
  expect(link?.sentBytes).toBeGreaterThan(1_000);
  expect((await wan.status("w2")).sites?.links).toEqual([]);

  await wan.cutOff("east");
  await until(
    "they are apart",
    () => membersOf("w1") === "w1,w2" && membersOf("w2") === "w1,w2" && membersOf("e1") === "e1",
  );
  expect(wan.change("w1")?.primary).toBe(true);
  expect(wan.change("e1")?.primary).toBe(false);
  await wan.mend("east");
  await until("they are together again", isWhole);
});
