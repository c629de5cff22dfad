/*
 * Daemons of several sites over emulated links (test/link): a client in the first site (or in each of the first --senders) sends messages of 1 KB in agreed order as fast as it
 * may, and what share of a link's payload capacity arrives as messages at clients of the other sites. Beside it one ring over the same daemons and
 * links, as a file without sites has it, with the settings that such a ring needs: the timeouts of `wan`, datagrams that lines take in one piece, and each of several windows. Then a cut of half a second under load, and at the slowest rate a bad route: the last site gets everything over
 * the second one, which costs time but no capacity.
 *
 * With --two-rates=yes instead: two sites, the first --megabits on the way from the first to the second, the last one on the way back, the first --loss on both, and a client in each that sends:
 * one alone, the other alone, and both together, in turns.
 *
 * With --local=yes instead: messages of a group whose members are all in the first site, from one of its daemons to another, as fast as they may, alone and beside
 * messages to all sites that fill the slowest line, by turns.
 *
 * Options: --sites=3 --senders=1 --rtt=70 --megabits=10,100 --loss=1,3 --ms=8000 --warm=5000 --queue=50 --order=demand
 * --throughput=yes --ring=yes --ring-window=94,562 --latency=yes --flap=yes --route=yes
 */
import { describeCause } from "../src/daemon/status.ts";
import { type Connection, connect, type Group } from "../src/index.ts";
import type { WayConditions, WayStatistics } from "../test/link/emulated-way.ts";
import { Wan } from "../test/link/wan-site.ts";
import { option } from "./options.ts";
import { figure, percentile, printTable, saveResults } from "./report.ts";

const numbers = (text: string): number[] => text.split(",").map(Number);
const siteCount = Number(option("sites", "3"));
const senderCount = Number(option("senders", "1"));
const rttMs = Number(option("rtt", "70"));
const rates = numbers(option("megabits", "10,100"));
const losses = numbers(option("loss", "1,3"));
const ms = Number(option("ms", "8000"));
const warmMs = Number(option("warm", "5000"));
const queueMs = Number(option("queue", "50"));
const withRing = option("ring", "yes") === "yes";
/** Packets of a rotation: 94 are 128 KiB, which suits a ring over slow lines, and 562 are 768 KiB, what a ring within one site has. */
const ringWindows = numbers(option("ring-window", "94,562"));
/** What takes the usual lines in one piece; over the loopback a ring would take what no line does. */
const RING_DATAGRAM_BYTES = 1_400;
/** WideAreaOrder: demand or clock. */
const order = option("order", "demand");
const withThroughput = option("throughput", "yes") === "yes";
const withFlap = option("flap", "yes") === "yes";
const withRoute = option("route", "yes") === "yes" && siteCount === 3;
const withLatency = option("latency", "yes") === "yes";
const MESSAGE_BYTES = 1_024;
/** Sends that wait for the daemon at a time, so that it is never without. */
const SENDERS = 500;
/** A line's payload capacity: what it carries in datagrams of 1,400 bytes beside heads of IP and UDP. */
const HEAD_BYTES = 28;
const PAYLOAD_CAPACITY = 1_400 / (1_400 + HEAD_BYTES);
const PROBES = 150;
const DRAIN_MS = 5_000;
const FLAP_MS = 500;
const PORT = 24_800;
/** Measurements that are compared are repeated so often, in turns. */
const TURNS = 3;
const TARGETS: Readonly<Record<number, number>> = { 1: 0.85, 3: 0.8 };

const sleep = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time));

const SITES = Object.fromEntries(
  ["west", "north", "east", "south"].slice(0, siteCount).map((site) => [site, [`${site}1`]]),
);

const ways = (megabits: number, loss: number): WayConditions => ({
  delayMs: rttMs / 2,
  megabits,
  queueMs,
  loss: loss === 0 ? { kind: "none" } : { kind: "uniform", probability: loss / 100 },
});

/** What has come out of a way, with heads of IP and UDP. */
function carriedBytes({ delivered, deliveredBytes }: WayStatistics): number {
  return deliveredBytes + delivered * HEAD_BYTES;
}

/** Of those that are used: a bad route passes one by. */
function leastCarried(ways: readonly WayStatistics[]): number {
  const bytes = ways.map(carriedBytes);
  return Math.min(...bytes.filter((count) => count >= Math.max(...bytes) / 10));
}

function differenceOf(after: WayStatistics, before: WayStatistics): WayStatistics {
  const difference = { ...after };
  for (const name of Object.keys(after) as (keyof WayStatistics)[]) difference[name] -= before[name];
  return difference;
}

type Measured = {
  /** Of one link's payload capacity, what arrives of a sender's messages at the slowest of the sites. */
  readonly share: number;
  /** Of one link's capacity, what came out of it, with all heads and what was sent again. */
  readonly carried: number;
  /** Of the datagrams that came to one link, those for which its queue had no room. */
  readonly overflowedShare: number;
  /** Of all senders. */
  readonly messagesPerSecond: number;
  readonly resentShare: number;
};
type Flap = {
  /** What each daemon says why, if the cut has ended the configuration. */
  readonly tornDown: string | undefined;
  readonly share: number;
  readonly silentMs: number;
};
type Latency = { readonly median: number; readonly p99: number };

/** Sites, or one ring over them, with a client in each. */
class Bed {
  readonly wan: Wan;
  readonly #groups: readonly Group[];
  readonly #received: number[];
  readonly #close: () => Promise<void>;
  #isSending = false;
  /** Times from sending to delivery at the other sites, ms; the clock is that of this process. */
  readonly latencies: number[] = [];

  private constructor(wan: Wan, groups: readonly Group[], close: () => Promise<void>) {
    this.wan = wan;
    this.#groups = groups;
    this.#received = groups.map(() => 0);
    this.#close = close;
    groups.forEach((group, i) => void this.#listen(group, i));
  }

  /** With `ringWindow` one ring of this window, otherwise sites. */
  static async start({ ringWindow, links = "" }: { ringWindow?: number | undefined; links?: string }): Promise<Bed> {
    const hasOneRing = ringWindow !== undefined;
    const wan = await Wan.start({
      sites: SITES,
      port: PORT,
      link: () => ways(rates[0] as number, 0),
      hasOneRing,
      // A token that was lost is sent again after three rotations, which is longer than a token may stay away within a site.
      settings: hasOneRing
        ? `TimeoutProfile = wan\nDatagramBytes = ${RING_DATAGRAM_BYTES}\nWindow = ${ringWindow}\n`
        : `WideAreaOrder = ${order}\n${links}`,
    });
    while (!wan.daemons.every((daemon) => wan.change(daemon)?.members.length === wan.daemons.length)) await sleep(50);
    const connections = await Promise.all(wan.daemons.map((daemon) => connect(wan.address(daemon))));
    const groups = await Promise.all(connections.map((connection) => connection.join("town", { slow: "wait" })));
    return new Bed(wan, groups, async () => {
      await Promise.all(connections.map((connection) => connection.close()));
      await wan.close();
    });
  }

  close(): Promise<void> {
    this.#isSending = false;
    return this.#close();
  }

  async set(megabits: number, loss: number): Promise<void> {
    for (const [i, a] of this.wan.sites.entries()) {
      for (const b of this.wan.sites.slice(i + 1)) await this.wan.link(a, b).set(ways(megabits, loss));
    }
  }

  /** Sends from the first sites until what is returned is called: that waits until everything sent has come. */
  #flood(): () => Promise<void> {
    this.#isSending = true;
    const senders = this.#groups
      .slice(0, senderCount)
      .flatMap((group) => Array.from({ length: SENDERS }, () => this.#send(group)));
    return async () => {
      this.#isSending = false;
      await Promise.all(senders);
      // Who has lost the ring for good has nothing more to come.
      const giveUpAt = performance.now() + DRAIN_MS;
      while (new Set(this.#received).size > 1 && performance.now() < giveUpAt) await sleep(50);
    };
  }

  async throughput(megabits: number, loss: number): Promise<Measured> {
    await this.set(megabits, loss);
    const end = this.#flood();
    await sleep(warmMs);
    const links = async () => (await this.wan.status(this.wan.daemons[0] as string)).sites?.links ?? [];
    const linksBefore = await links();
    const waysBefore = await this.#ways();
    const before = [...this.#received];
    const begin = performance.now();
    await sleep(ms);
    const seconds = (performance.now() - begin) / 1_000;
    const count = Math.min(...this.#received.map((total, i) => total - (before[i] as number)));
    const linksAfter = await links();
    const ways = (await this.#ways()).map((way, i) => differenceOf(way, waysBefore[i] as WayStatistics));
    await end();
    const sum = (pick: "sentDatagrams" | "resentDatagrams"): number =>
      linksAfter.reduce((total, link, i) => total + link[pick] - (linksBefore[i]?.[pick] ?? 0), 0);
    return {
      share: ((count / senderCount) * MESSAGE_BYTES) / seconds / (megabits * 125_000 * PAYLOAD_CAPACITY),
      carried: leastCarried(ways) / seconds / (megabits * 125_000),
      overflowedShare: Math.max(...ways.map(({ overflowed, offered }) => overflowed / Math.max(1, offered))),
      messagesPerSecond: count / seconds,
      resentShare: sum("resentDatagrams") / Math.max(1, sum("sentDatagrams")),
    };
  }

  /** All links of the first site are cut for half a second under load: what of a link's payload capacity comes in the 5 s after. */
  async flap(megabits: number): Promise<Flap> {
    await this.set(megabits, 0);
    const end = this.#flood();
    await sleep(warmMs);
    const [first] = this.wan.daemons as [string];
    const configuration = this.wan.change(first);
    const [site] = this.wan.sites as [string];
    await this.wan.cutOff(site);
    await sleep(FLAP_MS);
    await this.wan.mend(site);
    const mendedAt = performance.now();
    const before = [...this.#received];
    let silentMs = Number.NaN;
    while (performance.now() < mendedAt + 5_000) {
      await sleep(10);
      const hasCome = this.#received.slice(1).every((total, i) => total > (before[i + 1] as number) + 10);
      if (hasCome && Number.isNaN(silentMs)) silentMs = performance.now() - mendedAt;
    }
    const count = Math.min(...this.#received.map((total, i) => total - (before[i] as number)).slice(1));
    const seconds = (performance.now() - mendedAt) / 1_000;
    const changes = this.wan.daemons.map((daemon) => this.wan.change(daemon));
    await end();
    const tornDown =
      changes[0] === configuration
        ? undefined
        : changes.map((seen) => (seen === undefined ? "unknown" : describeCause(seen.cause))).join("; ");
    const bytes = (count / senderCount) * MESSAGE_BYTES;
    return { tornDown, silentMs, share: bytes / seconds / (megabits * 125_000 * PAYLOAD_CAPACITY) };
  }

  /** Of single messages, one after the other from the first site and the last, at all other sites. */
  async latency(megabits: number, loss: number, service: "agreed" | "safe"): Promise<Latency> {
    await this.set(megabits, loss);
    await sleep(1_000);
    this.latencies.length = 0;
    for (let i = 0; i < PROBES; i++) {
      const bytes = new Uint8Array(MESSAGE_BYTES);
      new DataView(bytes.buffer).setFloat64(0, performance.now());
      await (this.#groups[i % 2 === 0 ? 0 : this.#groups.length - 1] as Group).send(bytes, { service });
      await sleep(20);
    }
    await sleep(1_000);
    return { median: percentile(this.latencies, 0.5), p99: percentile(this.latencies, 0.99) };
  }

  /** Of the links from the first site, the ways to the others. */
  #ways(): Promise<WayStatistics[]> {
    const [first, ...others] = this.wan.sites as [string, ...string[]];
    return Promise.all(others.map((other) => this.wan.link(first, other).statistics(first < other ? "there" : "back")));
  }

  async #send(group: Group): Promise<void> {
    // Hops leave out zeros.
    const bytes = crypto.getRandomValues(new Uint8Array(MESSAGE_BYTES));
    // No time of sending.
    bytes.fill(0, 0, 8);
    while (this.#isSending) await group.send(bytes, { service: "agreed" });
  }

  async #listen(group: Group, i: number): Promise<void> {
    for await (const event of group) {
      if (event.kind !== "message") continue;
      this.#received[i] = (this.#received[i] as number) + 1;
      const sentAt = new DataView(event.payload.buffer, event.payload.byteOffset).getFloat64(0);
      if (sentAt > 0) this.latencies.push(performance.now() - sentAt);
    }
  }
}

/** Two sites whose ways to each other have different rates, and what comes of the messages of each at the other. */
async function twoRates(): Promise<void> {
  const sites = Object.keys(SITES).slice(0, 2) as [string, string];
  const megabits = [rates[0] as number, rates.at(-1) as number];
  const loss = losses[0] as number;
  const wan = await Wan.start({
    sites: Object.fromEntries(sites.map((site) => [site, [`${site}1`]])),
    port: PORT,
    link: (from) => ways(megabits[sites.indexOf(from)] as number, loss),
    settings: `WideAreaOrder = ${order}\n`,
  });
  const connections: Connection[] = [];
  const received = [0, 0];
  const isSending = [false, false];
  const listen = async (group: Group, from: string, i: number): Promise<void> => {
    for await (const event of group) {
      if (event.kind === "message" && event.sender === from) received[i] = (received[i] as number) + 1;
    }
  };
  const send = async (group: Group, i: number): Promise<void> => {
    const bytes = crypto.getRandomValues(new Uint8Array(MESSAGE_BYTES));
    while (isSending[i] === true) await group.send(bytes, { service: "agreed" });
  };
  try {
    while (!wan.daemons.every((daemon) => wan.change(daemon)?.members.length === 2)) await sleep(50);
    connections.push(...(await Promise.all(wan.daemons.map((daemon) => connect(wan.address(daemon))))));
    const groups = await Promise.all(connections.map((connection) => connection.join("town", { slow: "wait" })));
    groups.forEach((group, i) => void listen(group, (connections[1 - i] as Connection).privateGroup, 1 - i));
    /** Messages/s from each of those who send. */
    const measure = async (...senders: number[]): Promise<number[]> => {
      for (const i of senders) isSending[i] = true;
      const sending = senders.flatMap((i) => Array.from({ length: SENDERS }, () => send(groups[i] as Group, i)));
      await sleep(warmMs);
      const before = [...received];
      const begin = performance.now();
      await sleep(ms);
      const seconds = (performance.now() - begin) / 1_000;
      const counts = senders.map((i) => ((received[i] as number) - (before[i] as number)) / seconds);
      isSending.fill(false);
      await Promise.all(sending);
      await sleep(1_000);
      return counts;
    };
    const alone: number[][] = [[], []];
    const both: number[][] = [[], []];
    for (let turn = 0; turn < TURNS; turn++) {
      for (const i of [0, 1]) alone[i]?.push(...(await measure(i)));
      (await measure(0, 1)).forEach((rate, i) => both[i]?.push(rate));
    }
    const shareOf = (counts: readonly number[], i: number): number =>
      (percentile(counts, 0.5) * MESSAGE_BYTES) / ((megabits[i] as number) * 125_000 * PAYLOAD_CAPACITY);
    const found = sites.map((site, i) => ({
      site,
      megabits: megabits[i],
      alone: shareOf(alone[i] as number[], i),
      both: shareOf(both[i] as number[], i),
    }));
    printTable(
      ["way", "share alone", "beside the other", "asked"],
      found.map((way, i) => [
        `${way.site} > ${sites[1 - i]}, ${way.megabits} Mbit/s, ${loss} %`,
        way.alone.toFixed(3),
        way.both.toFixed(3),
        TARGETS[loss]?.toFixed(2) ?? "",
      ]),
    );
    saveResults("wan-two-rates", { order, rttMs, queueMs, messageBytes: MESSAGE_BYTES, ms, loss, found });
  } finally {
    await Promise.all(connections.map((connection) => connection.close()));
    await wan.close();
  }
}

/** Floods from one member of a group, counted at another. */
class Flood {
  readonly #from: Group;
  #senders: Promise<void>[] = [];
  #isSending = false;
  received = 0;

  /** Messages from one member of a group, counted at another; `others`, which are members too, read them. */
  constructor(from: Group, at: Group, others: readonly Group[] = []) {
    this.#from = from;
    for (const group of new Set([from, at, ...others])) void this.#listen(group, group === at);
  }

  start(): void {
    this.#isSending = true;
    this.#senders = Array.from({ length: SENDERS }, () => this.#send());
  }

  async stop(): Promise<void> {
    this.#isSending = false;
    await Promise.all(this.#senders);
  }

  async #send(): Promise<void> {
    const bytes = crypto.getRandomValues(new Uint8Array(MESSAGE_BYTES));
    while (this.#isSending) await this.#from.send(bytes, { service: "agreed" });
  }

  async #listen(group: Group, counts: boolean): Promise<void> {
    for await (const event of group) if (counts && event.kind === "message") this.received++;
  }
}

/** Messages/s of each flood while these run, after a while. */
async function ratesOf(floods: readonly Flood[]): Promise<number[]> {
  for (const flood of floods) flood.start();
  await sleep(warmMs);
  const before = floods.map(({ received }) => received);
  const begin = performance.now();
  await sleep(ms);
  const seconds = (performance.now() - begin) / 1_000;
  const rates = floods.map(({ received }, i) => (received - (before[i] as number)) / seconds);
  await Promise.all(floods.map((flood) => flood.stop()));
  return rates;
}

/** Floods alone and together, in turns: which, and the messages/s of each. */
async function byTurns(names: readonly [string, string], floods: readonly [Flood, Flood]): Promise<string[][]> {
  const alone: [number[], number[]] = [[], []];
  const together: [number[], number[]] = [[], []];
  for (let turn = 0; turn < TURNS; turn++) {
    for (const i of [0, 1] as const) alone[i].push(...(await ratesOf([floods[i]])));
    const both = await ratesOf(floods);
    for (const i of [0, 1] as const) together[i].push(both[i] as number);
  }
  return names.map((name, i) => {
    const [a, b] = [percentile(alone[i] as number[], 0.5), percentile(together[i] as number[], 0.5)];
    return [name, figure(a), figure(b), (b / a).toFixed(3)];
  });
}

async function localBeside(): Promise<void> {
  const [first, ...others] = Object.keys(SITES) as [string, ...string[]];
  const wan = await Wan.start({
    sites: { ...SITES, [first]: [`${first}1`, `${first}2`] },
    port: PORT,
    link: () => ways(rates[0] as number, 0),
    settings: `WideAreaOrder = ${order}\n`,
  });
  try {
    while (!wan.daemons.every((daemon) => wan.change(daemon)?.members.length === wan.daemons.length)) await sleep(50);
    const member = async (daemon: string, group: string): Promise<Group> =>
      (await connect(wan.address(daemon))).join(group, { slow: "wait" });
    const flood = async (group: string, from: string, to: readonly string[]): Promise<Flood> => {
      const members = await Promise.all([from, ...to].map((daemon) => member(daemon, group)));
      const [sender, receiver, ...others] = members as [Group, Group, ...Group[]];
      return new Flood(sender, receiver, others);
    };
    const near = await flood("near", `${first}2`, [`${first}1`]);
    const town = await flood(
      "town",
      `${first}1`,
      others.map((site) => `${site}1`),
    );
    const rows = await byTurns(["one site", `all sites, ${rates[0]} Mbit/s`], [near, town]);
    printTable(["messages/s", "alone", "beside the other", "share"], rows);
    saveResults(`wan-local-${siteCount}`, { siteCount, order, rttMs, rates, ms, rows });
  } finally {
    await wan.close();
  }
}

if (option("two-rates", "no") === "yes") {
  await twoRates();
  process.exit(0);
}
if (option("local", "no") === "yes") {
  await localBeside();
  process.exit(0);
}

const results: Record<string, unknown>[] = [];
/** By link, and by what is compared: sites, and rings by their windows. */
const shares = new Map<string, Map<string, Measured>>();
const latencyRows: string[][] = [];
const flapRows: string[][] = [];
const ringOf = (window: number): string => `ring ${Math.round((window * RING_DATAGRAM_BYTES) / 1_024)} KiB`;
for (const ringWindow of [undefined, ...(withRing ? ringWindows : [])]) {
  const hasOneRing = ringWindow !== undefined;
  const bed = await Bed.start({ ringWindow });
  const how = hasOneRing ? ringOf(ringWindow) : "sites";
  try {
    for (const megabits of withThroughput ? rates : []) {
      for (const loss of losses) {
        const measured = await bed.throughput(megabits, loss);
        const key = `${megabits} Mbit/s, ${loss} %`;
        shares.set(key, (shares.get(key) ?? new Map<string, Measured>()).set(how, measured));
        results.push({ how, megabits, loss, ...measured });
      }
    }
    for (const service of withLatency ? (["agreed", "safe"] as const) : []) {
      for (const loss of [0, 1]) {
        const latency = await bed.latency(rates.at(-1) as number, loss, service);
        latencyRows.push([`${how}, ${service}, ${loss} %`, figure(latency.median), figure(latency.p99)]);
        results.push({ how, service, loss, ...latency });
      }
    }
    for (const megabits of withFlap && !hasOneRing ? rates : []) {
      const flap = await bed.flap(megabits);
      const { tornDown, silentMs, share } = flap;
      flapRows.push([
        `${megabits} Mbit/s`,
        tornDown === undefined ? "stays" : `torn down: ${tornDown}`,
        figure(silentMs),
        share.toFixed(3),
      ]);
      results.push({ how, megabits, flapMs: FLAP_MS, ...flap });
    }
  } finally {
    await bed.close();
  }
}
if (withRoute) {
  const [first, , last] = Object.keys(SITES) as [string, string, string];
  const bed = await Bed.start({ links: `Link ${first} ${last} { Weight = none }\n` });
  try {
    const [megabits, loss] = [rates[0] as number, losses[0] as number];
    const measured = await bed.throughput(megabits, loss);
    shares.set(`${megabits} Mbit/s, ${loss} %, bad route`, new Map([["sites", measured]]));
    results.push({ how: "bad route", megabits, loss, ...measured });
  } finally {
    await bed.close();
  }
}

const rings = withRing ? ringWindows.map(ringOf) : [];
const rows = [...shares].map(([key, measured]) => {
  const target = TARGETS[Number(/, (\d+)/.exec(key)?.[1])];
  const sites = measured.get("sites");
  return [
    key,
    sites?.share.toFixed(3) ?? "-",
    sites?.carried.toFixed(3) ?? "-",
    target?.toFixed(2) ?? "",
    figure(sites?.messagesPerSecond ?? Number.NaN),
    `${(100 * (sites?.resentShare ?? 0)).toFixed(1)} %`,
    `${(100 * (sites?.overflowedShare ?? 0)).toFixed(1)} %`,
    ...rings.flatMap((name) => {
      const ring = measured.get(name);
      if (ring === undefined || sites === undefined) return ["-", "-"];
      return [figure(ring.messagesPerSecond), (sites.messagesPerSecond / ring.messagesPerSecond).toFixed(1)];
    }),
  ];
});
console.log(
  `${siteCount} sites of one daemon, ${senderCount} sending, round trip ${rttMs} ms, queue ${queueMs} ms, messages of ${MESSAGE_BYTES} B\n`,
);
const columns = ["link", "share", "carried", "asked", "messages/s", "resent", "overflowed"];
printTable(columns.concat(rings.flatMap((name) => [name, "times less"])), rows);
if (latencyRows.length > 0) {
  console.log("");
  printTable(["latency, ms", "median", "99 %"], latencyRows);
}
if (flapRows.length > 0) {
  console.log("");
  printTable([`cut for ${FLAP_MS} ms`, "configuration", "ms until messages come", "share of next 5 s"], flapRows);
}
saveResults(`wan-${siteCount}`, {
  siteCount,
  senderCount,
  order,
  rttMs,
  queueMs,
  messageBytes: MESSAGE_BYTES,
  ms,
  results,
});
