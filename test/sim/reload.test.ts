import { describe, expect, test } from "vitest";
import { configurationKey } from "../../src/base/ids.ts";
import { Random } from "../../src/base/random.ts";
import { membershipTimeouts } from "../../src/membership/timeouts.ts";
import { Cluster, formatTimeline } from "../../src/sim/index.ts";

/** As many random schedules; AMALGAM_RELOADS=500 for a long run. */
const SCHEDULES = Number(process.env["AMALGAM_RELOADS"] ?? 6);

/** Members of a group at each daemon that send numbers, and what each has delivered. */
class Talk {
  readonly delivered = new Map<string, string[]>();
  /** Programs that went on in a new session: they send again what they do not know to be ordered. */
  readonly #begunAnew = new Set<string>();
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** A program beside the daemon, which goes to another one when it has to. */
  add(name: string, daemon: number): void {
    const log: string[] = [];
    this.delivered.set(name, log);
    this.#cluster.program(name, daemon, async (environment) => {
      const others = this.#cluster.daemons.filter((other) => other !== daemon);
      const connection = await environment.connect([daemon, ...others]);
      const group = await connection.join("talk");
      void (async () => {
        for (let i = 1; ; i++) {
          await environment.sleep(environment.random.integer(5, 40));
          await group.send(new TextEncoder().encode(`${name}.${i}`), { service: "safe" }).catch(() => undefined);
        }
      })().catch(() => undefined);
      for await (const event of group) {
        if (event.kind === "gap") this.#begunAnew.add(name);
        if (event.kind === "message") log.push(new TextDecoder().decode(event.payload));
      }
    });
  }

  /** Any two that have delivered the same two messages have done so in the same order; twice comes only what was sent twice. */
  checkOrder(): void {
    const twice = new Set(
      [...this.delivered.values()].flatMap((log) => {
        const seen = new Set<string>();
        return log.filter((message) => seen.size === seen.add(message).size);
      }),
    );
    for (const message of twice) expect(this.#begunAnew).toContain(message.split(".")[0]);
    const logs = [...this.delivered.values()].map((log) => log.filter((message) => !twice.has(message)));
    for (const one of logs) {
      const place = new Map(one.map((message, i) => [message, i]));
      for (const other of logs) {
        const common = other.map((message) => place.get(message)).filter((at) => at !== undefined);
        expect(common).toEqual(common.toSorted((a, b) => a - b));
      }
    }
  }
}

/** All primary configurations that any daemon has installed. */
class Primaries {
  readonly #cluster: Cluster;
  readonly #found = new Map<string, { readonly time: number; readonly members: readonly number[] }>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  async run(ms: number): Promise<void> {
    const end = this.#cluster.now + ms;
    await this.runUntil(() => this.#cluster.now >= end, ms);
  }

  runUntil(condition: () => boolean, limitMs: number): Promise<boolean> {
    return this.#cluster.runUntil(() => {
      this.#observe();
      return condition();
    }, limitMs);
  }

  /** Each has a daemon in common with the one before: so it knows what was decided there. */
  check(): void {
    const inOrder = [...this.#found.values()].toSorted((a, b) => a.time - b.time);
    inOrder.forEach(({ members }, i) => {
      const before = inOrder[i - 1]?.members ?? members;
      expect(members.some((member) => before.includes(member))).toBe(true);
    });
  }

  #observe(): void {
    for (const daemon of this.#cluster.daemons) {
      const evs = this.#cluster.node(daemon)?.evs;
      if (evs?.isPrimary !== true) continue;
      const { id, members } = evs.configuration;
      this.#found.set(configurationKey(id), { time: id.time, members });
    }
  }
}

/** Numbers of a program's messages that follow each other with some missing between them. */
function gapsOf(log: readonly string[], name: string): number[] {
  const numbers = log.flatMap((message) => (message.startsWith(`${name}.`) ? [Number(message.split(".")[1])] : []));
  return numbers.filter((number, i) => i > 0 && number !== (numbers[i - 1] as number) + 1);
}

function generation(cluster: Cluster, daemon: number): number | undefined {
  return cluster.node(daemon)?.site.lineage.generation;
}

const way = (from: number, to: number, baseMs: number) => ({ from, to, latency: { baseMs, jitterMs: 0.5 }, weight: 1 });

/** Some ms from each other; their hops give up soon. */
const THREE_SITES = {
  daemons: [
    [1, 2],
    [3, 4],
    [5, 6],
  ],
  sites: {
    of: [1, 2, 3],
    links: [way(1, 2, 5), way(2, 1, 5), way(1, 3, 10), way(3, 1, 10), way(2, 3, 15), way(3, 2, 15)],
  },
  timeouts: membershipTimeouts("sites"),
  wideArea: { silenceMs: 600, missingMs: 1_000, idleMs: 150, helloMs: 50 },
};

describe("a configuration that is put in force while daemons of several sites run", () => {
  test("adds a whole site and a daemon of another one, from one daemon, and nobody misses a message", async () => {
    const cluster = new Cluster({ ...THREE_SITES, configured: [1, 2, 3], seed: 3 });
    const talk = new Talk(cluster);
    for (const daemon of [1, 2, 3]) talk.add(`p${daemon}`, daemon);
    expect(await cluster.runUntil(() => cluster.isTogether([1, 2, 3]), 10_000)).toBe(true);
    await cluster.run(1_000);
    const all = [1, 2, 3, 4, 5];
    cluster.reload(3, all);
    expect(await cluster.runUntil(() => cluster.reloads(3).length > 0, 5_000)).toBe(true);
    expect(cluster.reloads(3)).toEqual([undefined]);
    expect(await cluster.runUntil(() => cluster.isTogether([1, 2, 3]), 5_000)).toBe(true);
    for (const daemon of [4, 5]) cluster.start(daemon, all);
    expect(await cluster.runUntil(() => cluster.isTogether(all), 20_000)).toBe(true);
    // Another site makes two majorities possible that share nobody, until the second round.
    const settled = () => isSettled(cluster, all);
    expect(await cluster.runUntil(settled, 20_000)).toBe(true);
    await cluster.run(2_000);
    talk.checkOrder();
    for (const log of talk.delivered.values()) {
      expect(log.length).toBeGreaterThan(100);
      for (const name of talk.delivered.keys()) expect(gapsOf(log, name)).toEqual([]);
    }
    expect(lossesOf(cluster, 1)).toEqual([]);
  });

  test("removes a site in the middle of the file, whose clients go elsewhere, and the others keep what they have", async () => {
    const cluster = new Cluster({ ...THREE_SITES, seed: 5 });
    const talk = new Talk(cluster);
    for (const daemon of [1, 3, 5]) talk.add(`p${daemon}`, daemon);
    expect(await cluster.runUntil(() => cluster.isTogether([1, 2, 3, 4, 5, 6]), 10_000)).toBe(true);
    await cluster.run(1_000);
    cluster.reload(6, [1, 2, 5, 6]);
    expect(await cluster.runUntil(() => cluster.isTogether([1, 2, 5, 6]), 10_000)).toBe(true);
    expect(cluster.reloads(6)).toEqual([undefined]);
    expect([3, 4].map((daemon) => cluster.node(daemon))).toEqual([undefined, undefined]);
    const before = talk.delivered.get("p1")?.length ?? 0;
    await cluster.run(3_000);
    talk.checkOrder();
    for (const name of ["p1", "p5"]) expect(gapsOf(talk.delivered.get("p1") ?? [], name)).toEqual([]);
    const after = talk.delivered.get("p1")?.slice(before) ?? [];
    expect(after.some((message) => message.startsWith("p3."))).toBe(true);
    expect(cluster.node(1)?.evs.isPrimary).toBe(true);
    expect(cluster.node(5)?.site.sites.map(({ name }) => name)).toEqual(["s1", "s3"]);
  });

  test("may put the daemons of one site beside another one, and take it away again", async () => {
    const cluster = new Cluster({ ...THREE_SITES, configured: [1, 2], seed: 6 });
    expect(await cluster.runUntil(() => cluster.isTogether([1, 2]), 10_000)).toBe(true);
    cluster.reload(1, [1, 2, 3]);
    expect(await cluster.runUntil(() => cluster.reloads(1).length === 1, 5_000)).toBe(true);
    cluster.start(3, { of: 1 });
    expect(await cluster.runUntil(() => cluster.isTogether([1, 2, 3]), 10_000)).toBe(true);
    cluster.reload(3, [1, 2]);
    expect(await cluster.runUntil(() => cluster.isTogether([1, 2]), 10_000)).toBe(true);
    expect(cluster.reloads(1)).toEqual([undefined]);
    expect(await cluster.runUntil(() => cluster.node(3) === undefined, 5_000)).toBe(true);
  });
});

/** Who was counted as gone by this daemon, ever. */
function lossesOf(cluster: Cluster, daemon: number) {
  return (
    cluster
      .node(daemon)
      ?.status(cluster.now)
      .changes.filter(({ left }) => left.length > 0) ?? []
  );
}

describe("a configuration that is put in force while daemons run", () => {
  test("adds a daemon, which is started then, and nobody misses a message", async () => {
    const cluster = new Cluster({ daemons: 4, configured: [1, 2, 3], seed: 3 });
    const talk = new Talk(cluster);
    for (const daemon of [1, 2, 3]) talk.add(`p${daemon}`, daemon);
    expect(await cluster.runUntil(() => cluster.isTogether([1, 2, 3]), 10_000)).toBe(true);
    await cluster.run(1_000);
    cluster.reload(2, [1, 2, 3, 4]);
    expect(await cluster.runUntil(() => cluster.reloads(2).length > 0, 5_000)).toBe(true);
    expect(cluster.reloads(2)).toEqual([undefined]);
    expect(await cluster.runUntil(() => cluster.isTogether([1, 2, 3]), 5_000)).toBe(true);
    // The newcomer has the file as it was written, and is sent the rest.
    cluster.start(4, [1, 2, 3, 4]);
    expect(await cluster.runUntil(() => cluster.isTogether([1, 2, 3, 4]), 10_000)).toBe(true);
    expect([1, 2, 3, 4].map((daemon) => generation(cluster, daemon))).toEqual([1, 1, 1, 1]);
    const hashes = new Set([1, 2, 3, 4].map((daemon) => cluster.node(daemon)?.site.hash));
    expect(hashes.size).toBe(1);
    await cluster.run(2_000);
    talk.checkOrder();
    for (const log of talk.delivered.values()) {
      expect(log.length).toBeGreaterThan(100);
      for (const name of talk.delivered.keys()) expect(gapsOf(log, name)).toEqual([]);
    }
    expect(lossesOf(cluster, 1)).toEqual([]);
  });

  test("removes a daemon, which tells its clients and ends, and what it had taken from them is delivered", async () => {
    const cluster = new Cluster({ daemons: 3, seed: 5 });
    const talk = new Talk(cluster);
    for (const daemon of [1, 2, 3]) talk.add(`p${daemon}`, daemon);
    expect(await cluster.runUntil(() => cluster.isTogether([1, 2, 3]), 10_000)).toBe(true);
    await cluster.run(1_000);
    cluster.reload(3, [1, 2]);
    expect(await cluster.runUntil(() => cluster.isTogether([1, 2]), 10_000)).toBe(true);
    expect(cluster.node(3)).toBeUndefined();
    const before = talk.delivered.get("p1")?.length ?? 0;
    await cluster.run(3_000);
    talk.checkOrder();
    // Its client went on at another daemon.
    const after = talk.delivered.get("p1")?.slice(before) ?? [];
    expect(after.some((message) => message.startsWith("p3."))).toBe(true);
    expect(cluster.node(1)?.evs.isPrimary).toBe(true);
  });

  test("reaches who was away when that comes back, also with a disk of before", async () => {
    const cluster = new Cluster({ daemons: 4, configured: [1, 2, 3] });
    expect(await cluster.runUntil(() => cluster.isTogether([1, 2, 3]), 10_000)).toBe(true);
    cluster.crash(3);
    expect(await cluster.runUntil(() => cluster.isTogether([1, 2]), 10_000)).toBe(true);
    cluster.reload(1, [1, 2, 3, 4]);
    expect(await cluster.runUntil(() => generation(cluster, 2) === 1 && cluster.isTogether([1, 2]), 10_000)).toBe(true);
    cluster.restart(3);
    expect(await cluster.runUntil(() => cluster.isTogether([1, 2, 3]), 20_000)).toBe(true);
    expect(generation(cluster, 3)).toBe(1);
    // It has written it down.
    cluster.crash(3);
    cluster.restart(3);
    await cluster.run(0);
    expect(generation(cluster, 3)).toBe(1);
  });

  test("asks the daemons of before too, until no majority of them can decide without knowing", async () => {
    const cluster = new Cluster({ daemons: 6, configured: [1, 2, 3] });
    expect(await cluster.runUntil(() => cluster.isTogether([1, 2, 3]), 10_000)).toBe(true);
    cluster.reload(1, [1, 2, 3, 4, 5, 6]);
    expect(await cluster.runUntil(() => generation(cluster, 3) === 1, 10_000)).toBe(true);
    await cluster.run(1_000);
    // Three of six are no majority of the new ones.
    expect(cluster.node(1)?.evs.isPrimary).toBe(false);
    expect(cluster.node(1)?.site.lineage.before?.daemons).toHaveLength(3);
    for (const daemon of [4, 5, 6]) cluster.start(daemon, [1, 2, 3, 4, 5, 6]);
    const all = [1, 2, 3, 4, 5, 6];
    const settled = () => all.every((daemon) => generation(cluster, daemon) === 2) && cluster.isTogether(all);
    expect(await cluster.runUntil(settled, 20_000)).toBe(true);
    expect(cluster.node(1)?.site.lineage.before).toBeUndefined();
    expect(cluster.node(4)?.evs.isPrimary).toBe(true);
  });

  test("is refused where it cannot be had, with the reason, and everything stays as it was", async () => {
    const cluster = new Cluster({ daemons: 5, seed: 2 });
    expect(await cluster.runUntil(() => cluster.isTogether([1, 2, 3, 4, 5]), 10_000)).toBe(true);
    cluster.reload(1, [1, 2]);
    cluster.reload(1, [1, 2, 3, 4, 5]);
    await cluster.run(100);
    cluster.split([1, 2], [3, 4, 5]);
    expect(await cluster.runUntil(() => cluster.isTogether([1, 2]), 10_000)).toBe(true);
    cluster.reload(1, [1, 2, 3, 4]);
    await cluster.run(100);
    const [few, same, minority] = cluster.reloads(1);
    expect(few).toMatch(/only 2 of 5 daemons would stay, and 3 have to/);
    expect(same).toBe("the file is in force already");
    expect(minority).toMatch(/no primary configuration/);
    expect([1, 2, 3, 4, 5].map((daemon) => generation(cluster, daemon))).toEqual([0, 0, 0, 0, 0]);
  });

  test.each(
    Array.from({ length: 2 * SCHEDULES }, (_, i) => ({
      seed: 1 + (i >> 1),
      where: i % 2 === 0 ? "one site" : "sites",
    })),
  )("is in force everywhere or nowhere, whatever fails meanwhile ($where, schedule $seed)", async ({ seed, where }) => {
    const random = new Random(seed * 7919);
    const all = [1, 2, 3, 4, 5, 6];
    let wanted = random
      .shuffle([...all])
      .slice(0, random.integer(3, 5))
      .toSorted((a, b) => a - b);
    const cluster =
      where === "sites"
        ? new Cluster({ ...THREE_SITES, configured: wanted, seed })
        : new Cluster({ daemons: all.length, configured: wanted, seed });
    const primaries = new Primaries(cluster);
    const talk = new Talk(cluster);
    for (const daemon of wanted.slice(0, 3)) talk.add(`p${daemon}`, daemon);
    await primaries.runUntil(() => cluster.isTogether(wanted), 10_000);
    const configured = wanted;
    const started = new Set(configured);
    for (let round = 0; round < 6; round++) {
      const next = all.filter((daemon) => (wanted.includes(daemon) ? random.chance(0.8) : random.chance(0.4)));
      const asked = random.pick(wanted);
      if (next.length >= 2) cluster.reload(asked, next);
      for (let fault = 0; fault < 3; fault++) {
        const daemon = random.pick(wanted);
        await primaries.run(random.pick([1, 3, 10, 30, 200]));
        switch (random.integer(0, 4)) {
          case 0:
            cluster.crash(daemon);
            break;
          case 1:
            cluster.split(
              [daemon],
              all.filter((other) => other !== daemon),
            );
            break;
          case 2:
            cluster.freeze(daemon, random.pick([50, 500, 2_000]));
            break;
          case 3:
            cluster.loss(random.pick([0.01, 0.1, 0.3]));
            break;
          case 4:
            cluster.heal();
        }
      }
      await primaries.run(random.integer(100, 4_000));
      if (random.chance(0.5)) {
        cluster.heal();
        cluster.loss(0);
        for (const daemon of started) cluster.restart(daemon);
        await primaries.run(5_000);
      }
      const newest = newestSite(cluster);
      if (newest !== undefined) wanted = newest;
      startNewcomers(cluster, started, wanted);
    }
    cluster.calm();
    cluster.loss(0);
    for (const daemon of started) cluster.restart(daemon);
    const isDone = (): boolean => {
      const newest = newestSite(cluster) ?? [];
      startNewcomers(cluster, started, newest);
      return newest.length > 0 && cluster.isTogether(newest) && isSettled(cluster, newest);
    };
    const came = await primaries.runUntil(isDone, 60_000);
    if (!came) console.log(formatTimeline(cluster.timeline));
    expect(came).toBe(true);
    await primaries.run(2_000);
    talk.checkOrder();
    primaries.check();
  });
});

/** Starts whom the configuration has and who was never started, or was removed before, with the file that is in force. */
function startNewcomers(cluster: Cluster, started: Set<number>, configured: readonly number[]): void {
  const { by = 0 } = newest(cluster) ?? {};
  for (const daemon of configured) {
    if (started.has(daemon) && !cluster.removed.includes(daemon)) continue;
    started.add(daemon);
    cluster.start(daemon, { of: by });
  }
}

/** The daemons of the latest configuration that anybody has. */
function newestSite(cluster: Cluster): number[] | undefined {
  return newest(cluster)?.daemons;
}

function newest(cluster: Cluster): { generation: number; daemons: number[]; by: number } | undefined {
  let found: { generation: number; daemons: number[]; by: number } | undefined;
  for (const daemon of cluster.daemons) {
    const site = cluster.node(daemon)?.site;
    if (site === undefined || site.lineage.generation < (found?.generation ?? 0)) continue;
    const daemons = site.daemons.map(({ name }) => Number(name.slice(1)));
    if (found === undefined || site.lineage.generation > found.generation) {
      found = { generation: site.lineage.generation, daemons: daemons.toSorted((a, b) => a - b), by: daemon };
    }
  }
  return found;
}

function isSettled(cluster: Cluster, daemons: readonly number[]): boolean {
  const sites = daemons.map((daemon) => cluster.node(daemon)?.site);
  return sites.every((site) => site?.hash === sites[0]?.hash && site?.lineage.before === undefined);
}
