import { describe, expect, test } from "vitest";
import type { Connection, ScalableEvent, TimelyGroup } from "../../src/index.ts";
import { Cluster, type ClusterOptions, type Program } from "../../src/sim/index.ts";

const decoder = new TextDecoder();
const NAMES = ["ann", "bob", "cyd"];

/** Programs beside daemons 1 … 3 that are in one scalable or timely group, and send when they are told to. */
class Members {
  readonly cluster: Cluster;
  readonly events = new Map<string, ScalableEvent[]>();
  readonly programs = new Map<string, Program>();
  readonly send = new Map<string, (text: string) => Promise<unknown>>();

  constructor(quality: "scalable" | "timely", options: ClusterOptions = {}) {
    this.cluster = new Cluster(options);
    for (const [i, name] of NAMES.entries()) {
      const events: ScalableEvent[] = [];
      this.events.set(name, events);
      const program = this.cluster.program(name, 1 + i, async (environment) => {
        const connection = await environment.connect([1 + i, 1, 2, 3], { name });
        const group =
          quality === "scalable"
            ? await connection.join("g", { quality: "scalable" })
            : await connection.join("g", { quality: "timely" });
        this.send.set(name, (text) => group.send(text));
        for await (const event of group) events.push(event);
      });
      this.programs.set(name, program);
    }
  }

  /** What a member has had of another one. */
  texts(name: string, from: string): string[] {
    return (this.events.get(name) ?? []).flatMap((event) =>
      event.kind === "message" && event.sender.startsWith(`#${from}#`) ? [decoder.decode(event.payload)] : [],
    );
  }

  view(name: string): readonly string[] | undefined {
    return this.events.get(name)?.findLast((event) => event.kind === "view")?.members;
  }

  async untilMembers(names: readonly string[], count: number): Promise<void> {
    const holds = () => names.every((name) => this.view(name)?.length === count);
    expect(await this.cluster.runUntil(holds, 30_000)).toBe(true);
  }
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}`);

describe("programs in a simulated cluster", () => {
  test("are members of scalable groups: what is lost is repaired, and who is killed is missed", async () => {
    const members = new Members("scalable", { seed: 7 });
    const { cluster } = members;
    await members.untilMembers(NAMES, 3);
    cluster.loss(0.05);
    for (const text of numbers(200)) for (const name of NAMES) void members.send.get(name)?.(text);
    const all = numbers(200).join();
    const isComplete = () => NAMES.every((name) => NAMES.every((from) => members.texts(name, from).join() === all));
    expect(await cluster.runUntil(isComplete, 30_000)).toBe(true);
    cluster.loss(0);
    members.programs.get("cyd")?.kill();
    await members.untilMembers(["ann", "bob"], 2);
    expect(members.events.get("ann")?.at(-1)).toMatchObject({ kind: "view", left: ["#cyd#d3"] });
  });

  test("are members of timely groups, told what they lack", async () => {
    const members = new Members("timely", { seed: 3 });
    const { cluster } = members;
    await members.untilMembers(NAMES, 3);
    cluster.loss(0.05);
    for (const text of numbers(300)) {
      for (const name of NAMES) void members.send.get(name)?.(text);
      await cluster.run(2);
    }
    const count = (name: string, from: string): number => {
      const lost = (members.events.get(name) ?? []).flatMap((event) =>
        event.kind === "lost" && event.sender.startsWith(`#${from}#`) ? [event.packets] : [],
      );
      return lost.reduce((sum, packets) => sum + packets, new Set(members.texts(name, from)).size);
    };
    const isComplete = () => NAMES.every((name) => NAMES.every((from) => count(name, from) === 300));
    expect(await cluster.runUntil(isComplete, 30_000)).toBe(true);
  });

  test("get one order in a totally ordered group, whatever is lost", async () => {
    const cluster = new Cluster({ seed: 5 });
    const committed = new Map<string, string[]>();
    const groups = new Map<string, Pick<TimelyGroup, "send" | "view">>();
    for (const [i, name] of NAMES.entries()) {
      const stays: string[] = [];
      committed.set(name, stays);
      cluster.program(name, 1 + i, async (environment) => {
        const connection = await environment.connect(1 + i, { name });
        const group = await connection.join("g", { quality: "timely", order: "total", optimistic: i > 0 });
        groups.set(name, group);
        let likely: { readonly position: number; readonly text: string }[] = [];
        for await (const event of group) {
          if (event.kind === "message") likely.push({ position: event.position, text: decoder.decode(event.payload) });
          if (event.kind === "rollback") likely = likely.filter(({ position }) => position <= event.position);
          if (event.kind !== "commit") continue;
          stays.push(...likely.filter(({ position }) => position <= event.position).map(({ text }) => text));
          likely = likely.filter(({ position }) => position > event.position);
        }
      });
    }
    const isTogether = () => NAMES.every((name) => groups.get(name)?.view?.members.length === 3);
    expect(await cluster.runUntil(isTogether, 30_000)).toBe(true);
    cluster.loss(0.02);
    for (const text of numbers(100)) {
      for (const name of NAMES) void groups.get(name)?.send(`${name} ${text}`);
      await cluster.run(3);
    }
    const isComplete = () => NAMES.every((name) => committed.get(name)?.length === 300);
    expect(await cluster.runUntil(isComplete, 60_000)).toBe(true);
    for (const name of NAMES) expect(committed.get(name)).toEqual(committed.get("ann"));
  });

  test("are told that their side of a split is the lesser one, go on among their own, and miss nothing when that was short", async () => {
    const members = new Members("scalable", { seed: 9 });
    const { cluster } = members;
    await members.untilMembers(NAMES, 3);
    cluster.split([1, 2], [3]);
    const kinds = () => members.events.get("cyd")?.map(({ kind }) => kind) ?? [];
    expect(await cluster.runUntil(() => kinds().includes("suspended"), 10_000)).toBe(true);
    for (const name of NAMES) void members.send.get(name)?.(`from ${name}`);
    await cluster.run(500);
    expect(members.texts("cyd", "cyd")).toEqual(["from cyd"]);
    expect(members.texts("cyd", "ann")).toEqual([]);
    cluster.heal();
    const hasAll = () => NAMES.every((name) => NAMES.every((from) => members.texts(name, from).length === 1));
    expect(await cluster.runUntil(() => kinds().includes("resumed") && hasAll(), 30_000)).toBe(true);
  });

  test.each([
    { seed: 9, quality: "scalable" },
    { seed: 9, quality: "timely" },
    { seed: 10, quality: "timely" },
    { seed: 12, quality: "timely" },
  ] as const)(
    "stay members when their daemon is started again at once, before they are back at it ($quality, seed $seed)",
    async ({ seed, quality }) => {
      const members = new Members(quality, { seed });
      const { cluster } = members;
      await members.untilMembers(NAMES, 3);
      const daemon = 1 + (seed % 3);
      cluster.crash(daemon);
      await cluster.run(100);
      cluster.restart(daemon);
      await cluster.run(15_000);
      expect(cluster.isTogether([1, 2, 3])).toBe(true);
      for (const name of NAMES) {
        const views = members.events.get(name)?.filter(({ kind }) => kind === "view" || kind === "left") ?? [];
        expect(views.map((event) => event.kind === "view" && event.left)).toEqual(views.map(() => []));
        void members.send.get(name)?.(`from ${name}`);
      }
      const hasAll = () => NAMES.every((name) => NAMES.every((from) => members.texts(name, from).length === 1));
      expect(await cluster.runUntil(hasAll, 10_000)).toBe(true);
    },
  );

  test.each(["scalable", "timely"] as const)(
    "leave a group whose daemon is lost with the request, and join it again at once ($0)",
    async (quality) => {
      const members = new Members(quality, { seed: 4 });
      const { cluster } = members;
      let group:
        | { leave(): Promise<void>; readonly view: { readonly members: readonly string[] } | undefined }
        | undefined;
      let hasLeft = false;
      cluster.program("dan", 3, async (environment) => {
        const connection = await environment.connect([3, 1, 2], { name: "dan" });
        const join = () =>
          quality === "scalable"
            ? connection.join("g", { quality: "scalable" })
            : connection.join("g", { quality: "timely" });
        const first = await join();
        group = first;
        await first.left;
        hasLeft = true;
        group = await join();
      });
      const areFour = (): boolean => NAMES.every((name) => members.view(name)?.length === 4);
      expect(await cluster.runUntil(() => areFour() && group?.view?.members.length === 4, 30_000)).toBe(true);
      cluster.crash(3);
      void group?.leave();
      const isBack = (): boolean => hasLeft && areFour() && group?.view?.members.length === 4;
      expect(await cluster.runUntil(isBack, 30_000)).toBe(true);
      await cluster.run(15_000);
      expect(isBack()).toBe(true);
    },
  );

  test.each([
    { joins: true, members: 3 },
    { joins: false, members: 2 },
  ])(
    "are missed when they were killed on the lesser side of a split and another one has their name there (joins: $joins)",
    async ({ joins, members: count }) => {
      const members = new Members("scalable", { seed: 2 });
      const { cluster } = members;
      await members.untilMembers(NAMES, 3);
      cluster.split([1, 2], [3]);
      const isSuspended = () => members.events.get("cyd")?.some(({ kind }) => kind === "suspended") === true;
      expect(await cluster.runUntil(isSuspended, 10_000)).toBe(true);
      members.programs.get("cyd")?.kill();
      await cluster.run(500);
      let isThere = false;
      cluster.program("other", 3, async (environment) => {
        const connection = await environment.connect(3, { name: "cyd" });
        isThere = true;
        if (joins) await connection.join("g", { quality: "scalable" });
        else await connection.join("h");
      });
      expect(await cluster.runUntil(() => isThere, 5_000)).toBe(true);
      cluster.heal();
      await cluster.run(20_000);
      for (const name of ["ann", "bob"]) expect(members.view(name)).toHaveLength(count);
    },
  );

  test("live the same life again with the same seed, and another one with another", async () => {
    const life = async (seed: number): Promise<string> => {
      const members = new Members("scalable", { seed });
      await members.untilMembers(NAMES, 3);
      members.cluster.loss(0.1);
      for (const text of numbers(20)) for (const name of NAMES) void members.send.get(name)?.(text);
      await members.cluster.run(2_000);
      return JSON.stringify([members.cluster.now, [...members.events]]);
    };
    const once = await life(1);
    expect(await life(1)).toBe(once);
    expect(await life(2)).not.toBe(once);
  });

  test("have one node each: a second connection is told so, until the first one is out of its groups", async () => {
    const cluster = new Cluster({ daemons: 1 });
    let refusal: unknown;
    let second: Connection | undefined;
    cluster.program("p", 1, async (environment) => {
      const first = await environment.connect(1, { name: "first" });
      await first.join("g", { quality: "scalable" });
      second = await environment.connect(1, { name: "second" });
      refusal = await second.join("g", { quality: "scalable" }).catch((error: unknown) => error);
      await first.close();
      const group = await second.join("g", { quality: "scalable" });
      await group.send("at last");
    });
    await cluster.run(10_000);
    expect(refusal).toMatchObject({ message: expect.stringContaining("a simulated program has one node") });
    expect(second?.connected).toBe(true);
  });
});
