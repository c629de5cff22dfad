import { describe, expect, test } from "vitest";
import { Cluster, type ProgramEnvironment } from "../../src/sim/index.ts";
import type { Group } from "../../src/client/group.ts";

/** Adds up what its group sends; `groups` has the group of each daemon's program. */
class Counters {
  readonly totals = new Map<number, number>();
  readonly groups = new Map<number, Group>();
  readonly cluster: Cluster;

  constructor(cluster: Cluster, protocol: "native" | "spread" = "native") {
    this.cluster = cluster;
    for (const daemon of cluster.daemons) {
      cluster.program(`counter ${daemon}`, daemon, (environment) => this.#run(daemon, environment, protocol));
    }
  }

  async #run(daemon: number, environment: ProgramEnvironment, protocol: "native" | "spread"): Promise<void> {
    const connection = await environment.connect(daemon, { protocol });
    const group = await connection.join("counter");
    this.groups.set(daemon, group);
    this.totals.set(daemon, 0);
    for await (const event of group) {
      if (event.kind === "message") this.totals.set(daemon, (this.totals.get(daemon) ?? 0) + (event.payload[0] ?? 0));
    }
  }

  seesMembers(daemon: number, count: number): boolean {
    return this.groups.get(daemon)?.view?.members.length === count;
  }

  get sums(): (number | undefined)[] {
    return this.cluster.daemons.map((daemon) => this.totals.get(daemon));
  }
}

describe("a cluster", () => {
  test.each(["native", "spread"] as const)("runs %s clients over splits and heals", async (protocol) => {
    const cluster = new Cluster({ daemons: 3, seed: 7 });
    const counters = new Counters(cluster, protocol);
    const allThere = () => cluster.daemons.every((daemon) => counters.seesMembers(daemon, 3));
    expect(await cluster.runUntil(allThere, 5_000)).toBe(true);
    cluster.split([1, 2], [3]);
    expect(await cluster.runUntil(() => counters.seesMembers(1, 2) && counters.seesMembers(3, 1), 5_000)).toBe(true);
    await cluster.run(10);
    const sent = counters.groups.get(1)?.send(new Uint8Array([5]), { service: "safe" });
    await cluster.run(1_000);
    await (await sent)?.delivered;
    expect(counters.sums).toEqual([5, 5, 0]);
    cluster.heal();
    expect(await cluster.runUntil(allThere, 10_000)).toBe(true);
    expect(cluster.isTogether([1, 2, 3])).toBe(true);
  });

  test("a client of a daemon that crashes goes on at another one", async () => {
    const cluster = new Cluster({ daemons: 3 });
    const kinds: string[] = [];
    cluster.program("roaming", 1, async (environment) => {
      const connection = await environment.connect([1, 2, 3]);
      void connection.join("town");
      for await (const event of connection) kinds.push(event.kind);
    });
    await cluster.run(500);
    cluster.crash(1);
    await cluster.run(5_000);
    expect(cluster.members(2)).toEqual([2, 3]);
    // It connects before the daemons have found each other.
    expect(kinds).toEqual(["primary", "view", "disconnected", "reconnected", "gap", "view"]);
    cluster.restart(1);
    expect(await cluster.runUntil(() => cluster.isTogether([1, 2, 3]), 10_000)).toBe(true);
  });

  test("over several sites keeps one order, and clients go on while a site is cut off", async () => {
    const way = (from: number, to: number, baseMs: number) => ({
      from,
      to,
      latency: { baseMs, jitterMs: 1 },
      weight: 1,
    });
    const links = [way(1, 2, 15), way(2, 1, 15), way(1, 3, 35), way(3, 1, 35), way(2, 3, 25), way(3, 2, 25)];
    const cluster = new Cluster({ daemons: [[1, 2], [3], [4]], sites: { of: [1, 2, 3], links }, seed: 3 });
    const counters = new Counters(cluster);
    const allThere = () => cluster.daemons.every((daemon) => counters.seesMembers(daemon, 4));
    expect(await cluster.runUntil(allThere, 10_000)).toBe(true);
    const before = cluster.now;
    void counters.groups.get(3)?.send(new Uint8Array([7]), { service: "safe" });
    expect(await cluster.runUntil(() => counters.sums.includes(7), 5_000)).toBe(true);
    // To the farther site and back: nobody may have it sooner.
    expect(cluster.now - before).toBeGreaterThan(50);
    expect(await cluster.runUntil(() => counters.sums.every((sum) => sum === 7), 5_000)).toBe(true);
    cluster.split([1, 2, 4], [3]);
    expect(await cluster.runUntil(() => counters.seesMembers(1, 3) && counters.seesMembers(3, 1), 15_000)).toBe(true);
    void counters.groups.get(4)?.send(new Uint8Array([5]), { service: "safe" });
    await cluster.run(1_000);
    expect(counters.sums).toEqual([12, 12, 7, 12]);
    cluster.heal();
    expect(await cluster.runUntil(allThere, 20_000)).toBe(true);
    expect(cluster.isTogether([1, 2, 3, 4])).toBe(true);
  });

  test("sites whose only way between them was over a lost one go straight, though the file would rather not", async () => {
    const way = (from: number, to: number, weight: number) => ({
      from,
      to,
      latency: { baseMs: 5, jitterMs: 1 },
      weight,
    });
    const none = Number.POSITIVE_INFINITY;
    const links = [way(1, 2, 1), way(2, 1, 1), way(2, 3, 1), way(3, 2, 1), way(1, 3, none), way(3, 1, none)];
    const cluster = new Cluster({ daemons: [[1, 2], [3], [4]], sites: { of: [1, 2, 3], links }, seed: 1 });
    const hops = (daemon: number) =>
      cluster
        .node(daemon)
        ?.status(cluster.now)
        .sites?.links.map(({ site }) => site);
    expect(await cluster.runUntil(() => cluster.isTogether([1, 2, 3, 4]), 20_000)).toBe(true);
    expect([1, 4].map(hops)).toEqual([["s2"], ["s2"]]);
    cluster.crash(3);
    expect(await cluster.runUntil(() => cluster.isTogether([1, 2, 4]), 20_000)).toBe(true);
    expect([1, 4].map(hops)).toEqual([["s3"], ["s1"]]);
    cluster.restart(3);
    expect(await cluster.runUntil(() => cluster.isTogether([1, 2, 3, 4]), 20_000)).toBe(true);
    expect([1, 4].map(hops)).toEqual([["s2"], ["s2"]]);
  });

  test("what a program fails with comes out of run; what a killed one would have done does not happen", async () => {
    const cluster = new Cluster({ daemons: 1 });
    cluster.program("failing", 1, async (environment) => {
      await environment.sleep(100);
      throw new Error("as it was written");
    });
    let wasReached = false;
    const killed = cluster.program("killed", 1, async (environment) => {
      await environment.sleep(50);
      wasReached = true;
    });
    await cluster.run(20);
    killed.kill();
    expect(killed.ended).toBe(true);
    await expect(cluster.run(1_000)).rejects.toThrow("as it was written");
    expect(cluster.now).toBeCloseTo(100, 0);
    expect(wasReached).toBe(false);
  });
});
