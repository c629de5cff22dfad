import { afterEach, describe, expect, test } from "vitest";
import { ReplicatedMap } from "../../examples/replicated-map.ts";
import { connect, type ConnectionEvent, type Group } from "../../src/index.ts";
import type { Daemon } from "../../src/daemon/index.ts";
import { startSite } from "./site.ts";

let daemons: Daemon[] = [];

afterEach(async () => {
  for (const daemon of daemons) await daemon.stop();
  daemons = [];
});

const decoder = new TextDecoder();

function short(event: ConnectionEvent): string {
  if (event.kind === "message") return decoder.decode(event.payload);
  return event.kind === "view" ? `view ${event.members.join(" ")}` : event.kind;
}

/** Reads a group up to the first event that is `last`. */
async function readTo(group: Group, last: string): Promise<string[]> {
  const events: string[] = [];
  for await (const event of group) {
    events.push(short(event));
    if (events.at(-1) === last) break;
  }
  return events;
}

describe("real daemons and sockets", () => {
  test("native and Spread clients of three daemons see the same views and messages", async () => {
    daemons = await startSite(["a", "b", "c"]);
    const [a, b, c] = daemons.map(({ address }) => address) as [string, string, string];
    await using ann = await connect(a, { name: "ann" });
    await using bob = await connect(b, { name: "bob" });
    await using old = await connect(c, { name: "old", protocol: "spread" });
    const groups = [await ann.join("g"), await bob.join("g"), await old.join("g")] as const;
    expect([ann.protocol, bob.protocol, old.protocol]).toEqual(["native", "native", "spread"]);
    await (await groups[0].send("one", { service: "safe" })).delivered;
    await (await groups[2].send("two", { service: "fifo", type: -7 })).delivered;
    await groups[1].send(
      ["th", "ree"].map((text) => new TextEncoder().encode(text)),
      { service: "causal" },
    );
    const seen = await Promise.all(groups.map((group) => readTo(group, "three")));
    const all = "view #ann#a #bob#b #old#c";
    expect(seen[0]).toEqual(["view #ann#a", "view #ann#a #bob#b", all, "one", "two", "three"]);
    expect(seen[1]).toEqual(seen[0]?.slice(1));
    expect(seen[2]).toEqual(seen[0]?.slice(2));
  });

  test("a program that consumes nothing keeps no more than the window, and meets its group's policy", async () => {
    daemons = await startSite(["a"], "DeliveryWindow = 65536 MaxNativeSessionMessages = 100");
    const [a = ""] = daemons.map(({ address }) => address);
    const stuck = await connect(a, { name: "stuck", reconnect: false });
    const group = await stuck.join("g", { slow: "expel" });
    await using ann = await connect(a, { name: "ann" });
    let isOver = false;
    void stuck.closed.then(() => {
      isOver = true;
    });
    const payload = new Uint8Array(1_000);
    while (!isOver) await ann.send("g", payload);
    expect(await stuck.closed).toMatchObject({ code: "DISCONNECTED" });
    let messages = 0;
    const reading = (async () => {
      for await (const event of group) if (event.kind === "message") messages++;
    })();
    await expect(reading).rejects.toMatchObject({ code: "DISCONNECTED" });
    expect(messages).toBeGreaterThan(20);
    expect(messages * 1_000).toBeLessThan(65_536);
  });

  test("programs that answer within their own loops are not locked up, though their group waits for all", async () => {
    daemons = await startSite(["a", "b"], "DeliveryWindow = 65536 MaxNativeSessionMessages = 100");
    const count = 300;
    const groups = await Promise.all(
      daemons.map(async ({ address }, i) =>
        (await connect(address, { name: `c${i}`, reconnect: false })).join("g", { slow: "wait" }),
      ),
    );
    const payload = (kind: number): Uint8Array => new Uint8Array(1_000).fill(kind);
    const flooding = groups.map(async (group) => {
      for (let n = 0; n < count; n++) await group.send(payload(1));
    });
    const answering = groups.map(async (group) => {
      let seen = 0;
      for await (const event of group) {
        if (event.kind !== "message") continue;
        if (!event.own && event.payload[0] === 1) await group.send(payload(2));
        if (++seen === 4 * count) return seen;
      }
      return seen;
    });
    await Promise.all(flooding);
    expect(await Promise.all(answering)).toEqual([4 * count, 4 * count]);
  });

  test("flush mode works over daemons, in either protocol and with either way to agree", async () => {
    daemons = await startSite(["a", "b"]);
    const [a, b] = daemons.map(({ address }) => address) as [string, string];
    await using ann = await connect(a, { name: "ann" });
    await using bob = await connect(b, { name: "bob", protocol: "spread" });
    const first = await ann.join("vs", { flush: true });
    const joining = bob.join("vs", { flush: true, autoFlush: true });
    const seen: string[] = [];
    for await (const event of first) {
      seen.push(short(event));
      if (event.kind === "flushRequest") {
        await first.send("last words", { service: "reliable" });
        first.flush();
        await expect(first.send("too late")).rejects.toMatchObject({ code: "FLUSHING" });
      }
      if (event.kind === "view" && event.members.length === 2) break;
    }
    expect(seen).toEqual(["view #ann#a", "flushRequest", "last words", "view #ann#a #bob#b"]);
    const second = await joining;
    await (await second.send("hello", { service: "unreliable" })).delivered;
    await first.send("only you", { onlyTo: ["#bob#b"] });
    expect(await readTo(second, "only you")).toEqual(["view #ann#a #bob#b", "hello", "only you"]);
    await bob.close();
    expect(await readTo(first, "flushRequest")).toEqual(["hello", "transitional", "flushRequest"]);
  });

  test("a scalable group is left behind what was sent and can be joined again at once, but not over Spread's protocol", async () => {
    daemons = await startSite(["a"]);
    const [a = ""] = daemons.map(({ address }) => address);
    await using ann = await connect(a, { name: "ann" });
    await using old = await connect(a, { name: "old", protocol: "spread" });
    const group = await ann.join("s", { quality: "scalable" });
    await group.send("last words");
    const leaving = group.leave();
    const again = ann.join("s", { quality: "scalable" });
    await leaving;
    expect((await again).view?.members).toEqual(["#ann#a"]);
    await expect(old.join("s")).rejects.toMatchObject({
      code: "GROUP_REFUSED",
      message: expect.stringContaining("it is a scalable or timely group"),
    });
  });

  test("a client whose daemon crashes goes on elsewhere: nothing is sent twice, nothing is lost", async () => {
    daemons = await startSite(["a", "b", "c"]);
    const [a, b, c] = daemons.map(({ address }) => address) as [string, string, string];
    await using receiver = await connect(c, { name: "receiver" });
    const group = await receiver.join("g");
    await using sender = await connect([a, b], { name: "sender" });
    const sending: Promise<void>[] = [];
    for (let i = 0; i < 400; i++) {
      sending.push(sender.send("g", `${i}`, { service: i % 2 ? "agreed" : "safe" }).then(({ delivered }) => delivered));
      if (i === 200) await (daemons.shift() as Daemon).abort();
      if (i % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await Promise.all(sending);
    expect(sender.privateGroup).toMatch(/#sender#[bc]/);
    await sender.send("g", "end");
    const seen = (await readTo(group, "end")).filter((text) => /^\d+$/.test(text)).map(Number);
    expect(seen.toSorted((x, y) => x - y)).toEqual(Array.from({ length: 400 }, (_, i) => i));
  });

  test("a late copy of a replicated map gets the state, and outlives the daemon of the donor", async () => {
    daemons = await startSite(["a", "b", "c"]);
    const [a, b, c] = daemons.map(({ address }) => address) as [string, string, string];
    await using one = await connect(a);
    await using two = await connect(b);
    await using three = await connect([c, b]);
    const first = await ReplicatedMap.open(one, "map");
    for (let i = 0; i < 50; i++) void first.set(`k${i % 10}`, `${i}`);
    const second = await ReplicatedMap.open(two, "map");
    const writes = Array.from({ length: 50 }, (_, i) => second.set(`k${i % 10}`, `two ${i}`));
    const third = await ReplicatedMap.open(three, "map");
    await Promise.all(writes);
    await third.until(() => third.get("k9") === "two 49");
    expect(third.entries()).toEqual(first.entries());
    await (daemons.shift() as Daemon).abort();
    await second.until(() => second.members.every((member) => member.endsWith("#b") || member.endsWith("#c")));
    expect(await third.set("after", "the crash")).toBe(true);
    await second.until(() => second.get("after") !== undefined);
    expect(second.entries()).toEqual(third.entries());
  });
});
