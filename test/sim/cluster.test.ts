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
