import type { ConnectionEvent } from "../../index.ts";
import { commonOptions, defineCommand } from "../command.ts";
import { ExitCode, usageError } from "../exit-codes.ts";
import { framed } from "../framing.ts";
import { describeEvent, joinGroup, jsonOfEvent, openConnection, orderOf } from "../session.ts";

export const receive = defineCommand({
  name: "receive",
  summary: "write the messages of groups to a pipe",
  description: `Joins groups and writes what is delivered to the standard output: one message per line, or each behind
    a four-byte length (--lengths), or all events as JSON lines (--json). Views and gaps are remarks on the standard error
    unless --json has them in the output, where their place between the messages is kept.

    Ends after --count messages, or with Ctrl-C.`,
  positionals: [{ name: "GROUP", help: "groups to join", required: true, many: true }],
  options: {
    address: commonOptions.address,
    name: commonOptions.name,
    count: { kind: "number", short: "c", value: "N", min: 1, max: 999_999_999, help: "end after so many messages" },
    lengths: { kind: "flag", help: "write a four-byte length (big endian) before each message" },
    quiet: { kind: "flag", short: "q", help: "no remarks about views" },
    slow: {
      kind: "choice",
      choices: ["wait", "drop", "expel"],
      otherwise: "wait",
      help: "what happens if this reader is too slow; the group's first join decides (scalable: expel, timely: drop unless given, in one order: expel)",
    },
    json: commonOptions.json,
    quality: commonOptions.quality,
    order: commonOptions.order,
    optimistic: commonOptions.optimistic,
    "node-host": commonOptions["node-host"],
    protocol: commonOptions.protocol,
    user: commonOptions.user,
    "password-file": commonOptions["password-file"],
  },
  examples: [
    { line: "amalgam receive room", does: "messages as lines, views as remarks" },
    {
      line: "amalgam receive log --json | jq -r 'select(.kind == \"message\") | .text'",
      does: "with senders, services and views",
    },
    { line: "amalgam receive prices --quality scalable", does: "straight from the members that send" },
    {
      line: "amalgam receive alarms --quality timely",
      does: "and at once, in no order, repaired by the other members",
    },
    { line: "amalgam receive orders --quality timely --order total", does: "in the same order as all others" },
    {
      line: "amalgam receive backups --lengths --count 1 | tail -c +5 > dump.tar",
      does: "one binary message into a file",
    },
  ],
  failure: "messages were missed, or the connection was lost for good",
  async run(args, terminal) {
    if (args.flag("json") && args.flag("lengths")) throw usageError("--json and --lengths are two formats: choose one");
    const optimistic = orderOf(args)?.optimistic === true;
    if (optimistic && !args.flag("json"))
      throw usageError("what is written cannot be taken back: --optimistic needs --json, which shows what is");
    const connection = await openConnection(args, terminal);
    const count = args.number("count") ?? Number.POSITIVE_INFINITY;
    const framing = args.flag("lengths") ? "lengths" : "lines";
    const groups = new Set(args.positionals);
    const slow = args.has("slow") ? { slow: args.text("slow") as "wait" | "drop" | "expel" } : {};
    let received = 0;
    /** Places of messages that may still be taken back, by group. */
    const likely = new Map<string, number[]>();
    let missed = false;
    try {
      const joins = Promise.all([...groups].map((group) => joinGroup(connection, group, args, slow)));
      // Failed joins end the loop below by closing; the error itself is awaited behind it.
      joins.catch(() => connection.close());
      for await (const event of connection) {
        if (event.kind === "gap" || event.kind === "lost" || event.kind === "expelled") missed = true;
        if (args.flag("json")) await terminal.write(`${JSON.stringify(jsonOfEvent(event))}\n`);
        else if (event.kind === "message") await terminal.write(framed(event.payload, framing));
        else if (event.kind !== "commit" && (!args.flag("quiet") || event.kind === "gap" || event.kind === "lost"))
          terminal.note(describeEvent(event));
        received += optimistic ? settledBy(event, likely) : event.kind === "message" ? 1 : 0;
        if (received >= count) break;
      }
      await joins;
      // The loop ended without having received what was asked for: the connection is gone, and says why.
      const error = received < count ? await connection.closed : undefined;
      if (error !== undefined && !terminal.signal.aborted) throw error;
    } catch (error) {
      // Ctrl-C is the ordinary end of reading without --count.
      if (!terminal.signal.aborted) throw error;
    } finally {
      await connection.close();
    }
    if (missed) return ExitCode.failed;
    if (received >= count || !args.has("count")) return ExitCode.ok;
    return terminal.signal.aborted ? ExitCode.interrupted : ExitCode.failed;
  },
});

/** How many messages are certain by this event, where they are delivered before they are. */
function settledBy(event: ConnectionEvent, likely: Map<string, number[]>): number {
  if (event.kind === "message") {
    const [group = ""] = event.groups;
    if (event.position === undefined) return 1;
    likely.set(group, [...(likely.get(group) ?? []), event.position]);
  }
  if (event.kind !== "commit" && event.kind !== "rollback") return 0;
  const places = likely.get(event.group) ?? [];
  const upTo = places.filter((place) => place <= event.position);
  likely.set(event.group, event.kind === "commit" ? places.slice(upTo.length) : upTo);
  return event.kind === "commit" ? upTo.length : 0;
}
