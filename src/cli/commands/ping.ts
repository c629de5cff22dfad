import { setTimeout as sleep } from "node:timers/promises";
import { SERVICES, type Service } from "../../ordering/service.ts";
import { commonOptions, defineCommand } from "../command.ts";
import { ExitCode, usageError } from "../exit-codes.ts";
import { shownDuration, table } from "../format.ts";
import { type LatencySummary, summarise } from "../latency.ts";
import { Progress } from "../progress.ts";
import { openConnection, orderOf, qualityOf } from "../session.ts";
import { pingTimely } from "../timely-ping.ts";

/** Without its own message back for so long, a ping counts as lost. */
const LOST_MS = 5_000;

type Result = LatencySummary & { readonly service: Service; readonly lost: number };

export const ping = defineCommand({
  name: "ping",
  summary: "measure latency per service",
  description: `Joins a group of its own and sends one message after the other, each when the one before has come back.
    The time is that from sending to delivery at the same client: agreed needs the token once, safe about twice.

    With --quality timely messages go to the other members, straight, and come back from them: run "amalgam ping --quality timely --echo" on
    other hosts first. Shown is how long it took until the first of them answered, and the last; what is lost on the way is repaired by the members,
    so three or more of them and a short --interval show more. With --order total, there too, pings and answers are delivered in one order.`,
  positionals: [],
  options: {
    address: commonOptions.address,
    name: commonOptions.name,
    service: { ...commonOptions.service, choices: ["all", ...SERVICES], otherwise: "all" },
    count: {
      kind: "number",
      short: "c",
      value: "N",
      min: 1,
      max: 1_000_000,
      otherwise: 200,
      help: "messages per service",
    },
    size: { kind: "number", value: "BYTES", min: 4, max: 16_777_216, otherwise: 100, help: "bytes per message" },
    interval: {
      kind: "number",
      short: "i",
      value: "MS",
      min: 0,
      max: 60_000,
      otherwise: 5,
      fraction: true,
      help: "pause between messages",
    },
    group: { kind: "text", short: "g", value: "GROUP", help: "group to use; by default one of its own" },
    quality: {
      ...commonOptions.quality,
      choices: ["ordered", "timely"],
      help: "timely: straight between members, there and back",
    },
    order: commonOptions.order,
    optimistic: commonOptions.optimistic,
    echo: { kind: "flag", help: "with --quality timely: answer the pings of others, until Ctrl-C" },
    "node-host": commonOptions["node-host"],
    json: commonOptions.json,
    protocol: commonOptions.protocol,
    user: commonOptions.user,
    "password-file": commonOptions["password-file"],
  },
  examples: [
    { line: "amalgam ping", does: "all six services, 200 messages each" },
    { line: "amalgam ping -s safe -c 10000 -i 0", does: "safe delivery without pauses" },
    { line: "amalgam ping --quality timely --echo", does: "on other hosts: answers" },
    { line: "amalgam ping --quality timely", does: "how soon they answer, and what was repaired" },
    {
      line: "amalgam ping --quality timely --order total --optimistic",
      does: "the same in a likely order; echoes need --order total too",
    },
    { line: "amalgam ping --json | jq .p99Ms", does: "one JSON object per service" },
  ],
  failure: "messages were lost",
  async run(args, terminal) {
    const order = orderOf(args);
    if (qualityOf(args) === "timely") return pingTimely(args, order, terminal);
    if (args.flag("echo")) throw usageError("--echo answers timely pings: add --quality timely");
    await using connection = await openConnection(args, terminal);
    const chosen = args.text("service");
    const services = SERVICES.filter((service) => chosen === "all" || chosen === service);
    const count = args.number("count") ?? 0;
    const interval = args.number("interval") ?? 0;
    const payload = new Uint8Array(args.number("size") ?? 4);
    const view = new DataView(payload.buffer);
    const groupName = args.text("group") ?? `ping-${process.pid}-${Math.floor(performance.now())}`;
    const group = await connection.join(groupName);

    let number = 0;
    let arrived: ((at: number) => void) | undefined;
    const reading = (async () => {
      for await (const event of group) {
        if (event.kind !== "message" || !event.own) continue;
        const received = new DataView(
          event.payload.buffer,
          event.payload.byteOffset,
          event.payload.byteLength,
        ).getUint32(0);
        if (received === number) arrived?.(performance.now());
      }
    })();

    const results: Result[] = [];
    const progress = new Progress(terminal, "ping", services.length * count, performance.now());
    for (const service of services) {
      const samples: number[] = [];
      let lost = 0;
      for (let i = 0; i < count; i++) {
        number++;
        view.setUint32(0, number);
        const back = new Promise<number>((resolve) => {
          arrived = resolve;
        });
        const sentAt = performance.now();
        const timeout = new AbortController();
        await group.send(payload.slice(), { service });
        const at = await Promise.race([
          back,
          reading.then(() => undefined),
          sleep(LOST_MS, undefined, { signal: AbortSignal.any([timeout.signal, terminal.signal]) }),
        ]);
        timeout.abort();
        if (at === undefined) lost++;
        else samples.push(at - sentAt);
        progress.update(number, performance.now(), service);
        if (interval > 0) await sleep(interval, undefined, { signal: terminal.signal });
      }
      const summary = summarise(samples) ?? NOTHING;
      results.push({ service, lost, ...summary });
    }
    progress.finish();
    await connection.close();
    await reading;

    if (args.flag("json")) for (const result of results) terminal.print(JSON.stringify(result));
    else terminal.print(shown(results));
    return results.some((result) => result.lost > 0 && result.service !== "unreliable") ? ExitCode.failed : ExitCode.ok;
  },
});

const NOTHING: LatencySummary = { count: 0, minMs: 0, meanMs: 0, p50Ms: 0, p90Ms: 0, p99Ms: 0, p999Ms: 0, maxMs: 0 };

function shown(results: readonly Result[]): string {
  return table([
    ["service", "count", "lost", "min", "median", "90 %", "99 %", "99.9 %", "max"],
    ...results.map((result) => [
      result.service,
      String(result.count),
      String(result.lost),
      ...[result.minMs, result.p50Ms, result.p90Ms, result.p99Ms, result.p999Ms, result.maxMs].map(shownDuration),
    ]),
  ]);
}
