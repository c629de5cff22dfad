import { setTimeout as sleep } from "node:timers/promises";
import type { OrderedTimelyEvent, OrderedTimelyJoinOptions, TimelyGroup } from "../index.ts";
import type { Arguments } from "./arguments.ts";
import { ExitCode, usageError } from "./exit-codes.ts";
import { shownDuration, table } from "./format.ts";
import { type LatencySummary, summarise } from "./latency.ts";
import { Progress } from "./progress.ts";
import { describeEvent, openConnection } from "./session.ts";
import type { Terminal } from "./terminal.ts";

/** A ping: kind u8, run u32, number u32, then filling; an answer is the same with the other kind. */
const HEAD_BYTES = 9;
const PING = 1;
const PONG = 2;
/** Where those who answer are found: a group has an order, or has none. */
const GROUP = "ping-timely";
const ORDERED_GROUP = "ping-ordered";
/** More than can be uncertain at a time. */
const RECENT_MAX = 10_000;
/** What has not been answered by then is lost. */
const LOST_MS = 3_000;
const NOTHING: LatencySummary = { count: 0, minMs: 0, meanMs: 0, p50Ms: 0, p90Ms: 0, p99Ms: 0, p999Ms: 0, maxMs: 0 };

type PingGroup = TimelyGroup | TimelyGroup<OrderedTimelyEvent>;

/** `ping --quality timely`: latencies between members of a timely group, there and back; `order`: as it is joined, if it is ordered. */
export async function pingTimely(
  args: Arguments,
  order: Pick<OrderedTimelyJoinOptions, "order" | "optimistic"> | undefined,
  terminal: Terminal,
): Promise<number> {
  const size = args.number("size") ?? HEAD_BYTES;
  if (size < HEAD_BYTES) throw usageError(`--size has to be at least ${HEAD_BYTES} bytes with --quality timely`);
  await using connection = await openConnection(args, terminal);
  const group =
    order === undefined
      ? await connection.join(args.text("group") ?? GROUP, { quality: "timely" })
      : await connection.join(args.text("group") ?? ORDERED_GROUP, { quality: "timely", ...order });
  // Awaited here: the connection ends with this block.
  return args.flag("echo") ? await echo(group, terminal) : await measure(group, args, terminal, size);
}

/** Answers what others send, until the connection ends. */
async function echo(group: PingGroup, terminal: Terminal): Promise<number> {
  terminal.note(`answering pings in ${group.name}; Ctrl-C ends it`);
  const answered = new Answered();
  for await (const event of group) {
    if (event.kind === "view") terminal.note(`* ${describeEvent(event)}`);
    if (event.kind !== "message" || event.own || event.payload[0] !== PING || event.payload.length < HEAD_BYTES)
      continue;
    if (!answered.isNew(event.payload)) continue;
    const answer = Uint8Array.from(event.payload);
    answer[0] = PONG;
    await group.send(answer).catch(() => {});
  }
  return ExitCode.ok;
}

/** The last pings of the run that is under way: in a likely order one may be taken back and come again. */
class Answered {
  readonly #recent = new Set<string>();

  isNew(ping: Uint8Array): boolean {
    const key = ping.subarray(1, HEAD_BYTES).join();
    if (this.#recent.has(key)) return false;
    this.#recent.add(key);
    for (const oldest of this.#recent) {
      if (this.#recent.size <= RECENT_MAX) break;
      this.#recent.delete(oldest);
    }
    return true;
  }
}

async function measure(group: PingGroup, args: Arguments, terminal: Terminal, size: number): Promise<number> {
  const others = (group.view?.members.length ?? 1) - 1;
  if (others === 0) {
    terminal.note(`amalgam: nobody else is in ${group.name}: start "amalgam ping --quality timely --echo" somewhere`);
    return ExitCode.failed;
  }
  const count = args.number("count") ?? 0;
  const interval = args.number("interval") ?? 0;
  const run = Math.floor(Math.random() * 2 ** 32);
  const sentAt = new Map<number, { readonly at: number; readonly answers: Set<string> }>();
  const first: number[] = [];
  const last: number[] = [];
  const reading = (async () => {
    for await (const { kind, ...event } of group) {
      if (kind !== "message" || !("payload" in event) || event.payload[0] !== PONG) continue;
      const { payload } = event;
      const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
      const ping =
        payload.length >= HEAD_BYTES && view.getUint32(1) === run ? sentAt.get(view.getUint32(5)) : undefined;
      if (ping === undefined) continue;
      // What was taken back comes again.
      if (ping.answers.has(event.sender)) continue;
      ping.answers.add(event.sender);
      const ms = performance.now() - ping.at;
      if (ping.answers.size === 1) first.push(ms);
      if (ping.answers.size === others) last.push(ms);
    }
  })();
  const progress = new Progress(terminal, "ping", count, performance.now());
  for (let number = 1; number <= count && !terminal.signal.aborted; number++) {
    const payload = new Uint8Array(size);
    payload[0] = PING;
    const view = new DataView(payload.buffer);
    view.setUint32(1, run);
    view.setUint32(5, number);
    sentAt.set(number, { at: performance.now(), answers: new Set() });
    await group.send(payload);
    progress.update(number, performance.now(), "timely");
    if (interval > 0) await sleep(interval, undefined, { signal: terminal.signal }).catch(() => {});
  }
  const giveUpAt = performance.now() + LOST_MS;
  while (last.length < sentAt.size && performance.now() < giveUpAt && !terminal.signal.aborted) await sleep(10);
  progress.finish();
  const { statistics } = group;
  await group.leave();
  await reading;
  const lost = [...sentAt.values()].reduce((sum, { answers }) => sum + others - answers.size, 0);
  const results = [
    { answer: "first", lost: sentAt.size - first.length, ...(summarise(first) ?? NOTHING) },
    { answer: "last", lost: sentAt.size - last.length, ...(summarise(last) ?? NOTHING) },
  ];
  const repaired = statistics && { rebuilt: statistics.rebuilt, resent: statistics.resent, lost: statistics.lost };
  if (args.flag("json")) for (const result of results) terminal.print(JSON.stringify({ others, ...result, repaired }));
  else {
    terminal.print(
      table([
        [`of ${others}`, "count", "lost", "min", "median", "90 %", "99 %", "99.9 %", "max"],
        ...results.map((result) => [
          result.answer,
          String(result.count),
          String(result.lost),
          ...[result.minMs, result.p50Ms, result.p90Ms, result.p99Ms, result.p999Ms, result.maxMs].map(shownDuration),
        ]),
      ]),
    );
    if (repaired !== undefined) {
      terminal.print(
        `answers that were missing here: ${repaired.rebuilt} rebuilt, ${repaired.resent} asked for, ${repaired.lost} lost`,
      );
    }
  }
  return lost > 0 ? ExitCode.failed : ExitCode.ok;
}
