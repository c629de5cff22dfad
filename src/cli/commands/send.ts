import { GroupError, type Receipt } from "../../index.ts";
import { commonOptions, defineCommand } from "../command.ts";
import { ExitCode } from "../exit-codes.ts";
import { messagesOf, tooLong } from "../framing.ts";
import { joinGroup, openConnection, orderOf, qualityOf } from "../session.ts";

/** Receipts that may be outstanding: enough to keep the daemon busy, few enough to bound memory. */
const OUTSTANDING_MAX = 1_000;

export const send = defineCommand({
  name: "send",
  summary: "send messages from arguments or a pipe",
  description: `Sends to one or several groups, without joining them, unless they are scalable or timely. Messages come from --message, or from the
    standard input: one per line, or each behind a four-byte length (--lengths), or all of it as one (--whole).

    It ends when every message has been delivered with its service's guarantee, as far as that is told: a stock
    Spread daemon does not, nor do members of a timely group.`,
  positionals: [
    { name: "GROUP", help: "groups, or private groups such as '#bob#localhost'", required: true, many: true },
  ],
  options: {
    address: commonOptions.address,
    name: commonOptions.name,
    service: commonOptions.service,
    message: { kind: "text", short: "m", value: "TEXT", many: true, help: "send this instead of the standard input" },
    lengths: { kind: "flag", help: "messages in the input have a four-byte length (big endian) before them" },
    whole: { kind: "flag", help: "the whole input is one message" },
    type: {
      kind: "number",
      value: "N",
      min: -32_768,
      max: 32_767,
      otherwise: 0,
      help: "message type for the receivers",
    },
    limit: { kind: "number", value: "BYTES", min: 1, max: 999_999_999, otherwise: 16_777_216, help: "longest message" },
    quality: commonOptions.quality,
    order: commonOptions.order,
    "node-host": commonOptions["node-host"],
    protocol: commonOptions.protocol,
    user: commonOptions.user,
    "password-file": commonOptions["password-file"],
  },
  examples: [
    {
      line: 'amalgam send room -m "hello" -s safe',
      does: "one message, delivered everywhere or nowhere in the configuration",
    },
    {
      line: 'amalgam send prices --quality scalable -m "12.50"',
      does: "as a member of the group, straight to the others",
    },
    { line: "tail -f app.log | amalgam send log", does: "every line as it appears" },
    {
      line: "amalgam send backups --whole < dump.tar",
      does: "a file as one message of up to the daemon's PayloadLimit",
    },
  ],
  failure: "a message was refused, or its delivery is not known",
  async run(args, terminal) {
    orderOf(args);
    await using connection = await openConnection(args, terminal);
    const options = { service: args.service(), type: args.number("type") ?? 0 };
    const texts = args.texts("message").map((text) => new TextEncoder().encode(text));
    const limit = args.number("limit") ?? 0;
    if (texts.some((text) => text.length > limit)) throw tooLong(limit);
    const framing = args.flag("whole") ? "whole" : args.flag("lengths") ? "lengths" : "lines";
    const source = texts.length > 0 ? texts : messagesOf(terminal.input, framing, limit);

    const outstanding = new Set<Promise<void>>();
    let failed = 0;
    const watch = (receipt: Receipt) => {
      const done: Promise<void> = receipt.delivered
        .catch((error: unknown) => {
          if (error instanceof GroupError && error.code === "NOT_TOLD") return;
          failed++;
          if (failed === 1) terminal.note(`amalgam: ${error instanceof Error ? error.message : String(error)}`);
        })
        .finally(() => outstanding.delete(done));
      outstanding.add(done);
    };
    const isOfNodes = qualityOf(args) !== "ordered";
    const joining = isOfNodes ? args.positionals : [];
    const joined = await Promise.all(joining.map((group) => joinGroup(connection, group, args, { sendOnly: true })));
    for await (const payload of source) {
      // Members of such a group are not reached together with those of another.
      if (isOfNodes) for (const group of args.positionals) watch(await connection.send(group, payload));
      else watch(await connection.send(args.positionals, payload, options));
      if (outstanding.size >= OUTSTANDING_MAX) await Promise.race(outstanding);
    }
    await Promise.all(outstanding);
    await Promise.all(joined.map((group) => group.leave()));
    return failed > 0 ? ExitCode.failed : ExitCode.ok;
  },
});
