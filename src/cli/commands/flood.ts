import { setTimeout as sleep } from "node:timers/promises";
import { commonOptions, defineCommand } from "../command.ts";
import { CliError, ExitCode } from "../exit-codes.ts";
import { shownBytes, shownNumber, table } from "../format.ts";
import { Progress } from "../progress.ts";
import { joinGroup, openConnection, qualityOf } from "../session.ts";

/** A message of this command: its number (u32, big endian), then filling. */
const HEAD_BYTES = 4;
/** Nobody holds the senders of a timely group back. */
const TIMELY_RATE = 10_000;

export const flood = defineCommand({
  name: "flood",
  summary: "measure throughput",
  description: `Joins a group, sends messages as fast as its daemon takes them, receives them back and checks that
    none is missing or out of order. To load several daemons, run one flood at each of them with the same --group.`,
  positionals: [],
  options: {
    address: commonOptions.address,
    name: commonOptions.name,
    service: commonOptions.service,
    group: { kind: "text", short: "g", value: "GROUP", otherwise: "flood", help: "group to send to" },
    count: {
      kind: "number",
      short: "c",
      value: "N",
      min: 1,
      max: 999_999_999,
      otherwise: 100_000,
      help: "messages to send",
    },
    size: {
      kind: "number",
      value: "BYTES",
      min: HEAD_BYTES,
      max: 16_777_216,
      otherwise: 1_000,
      help: "bytes per message",
    },
    window: {
      kind: "number",
      value: "N",
      min: 1,
      max: 100_000,
      otherwise: 900,
      help: "messages that may be sent and not yet received",
    },
    rate: {
      kind: "number",
      value: "N",
      min: 1,
      max: 999_999_999,
      help: "messages per second, at most; in a timely group, where no sender waits for receivers, 10,000 unless given",
    },
    json: commonOptions.json,
    quality: commonOptions.quality,
    "node-host": commonOptions["node-host"],
    protocol: commonOptions.protocol,
    user: commonOptions.user,
    "password-file": commonOptions["password-file"],
  },
  examples: [
    { line: "amalgam flood", does: "100,000 messages of 1000 bytes, agreed" },
    {
      line: "amalgam flood -s safe --size 100 --count 1000000",
      does: "small messages, each delivered when all daemons have it",
    },
    { line: "amalgam flood --quality scalable", does: "from member to member; in several terminals at once" },
    { line: "amalgam flood --address 4813@localhost --json", does: "another daemon of this machine, for a script" },
  ],
  failure: "messages are missing or came out of order",
  async run(args, terminal) {
    await using connection = await openConnection(args, terminal);
    const total = args.number("count") ?? 0;
    const size = args.number("size") ?? 0;
    const window = args.number("window") ?? 1;
    const quality = qualityOf(args);
    const service = quality === "ordered" ? args.service() : quality;
    const rate = args.number("rate") ?? (quality === "timely" ? TIMELY_RATE : Number.POSITIVE_INFINITY);
    const group = await joinGroup(connection, args.text("group") ?? "flood", args);
    const filling = new Uint8Array(size - HEAD_BYTES).fill(0x2e);

    const startedAt = performance.now();
    const progress = new Progress(terminal, "flood", total, startedAt);
    let received = 0;
    let others = 0;
    let outOfOrder = 0;
    let next = 0;
    let resume: (() => void) | undefined;
    let failure: unknown;
    let isOver = false;

    const sending = (async () => {
      for (let number = 0; number < total; number++) {
        while (number - received >= window && failure === undefined && !isOver) {
          await new Promise<void>((resolve) => {
            resume = resolve;
          });
        }
        if (failure !== undefined || isOver) return;
        const aheadMs = (number * 1_000) / rate - (performance.now() - startedAt);
        if (aheadMs > 1) await sleep(aheadMs, undefined, { signal: terminal.signal }).catch(() => {});
        const head = new Uint8Array(HEAD_BYTES);
        new DataView(head.buffer).setUint32(0, number);
        const accepted: Promise<unknown> =
          group.quality === "ordered"
            ? group.send([head, filling], { service: args.service() })
            : group.send([head, filling]);
        accepted.catch((error: unknown) => {
          failure ??= error;
          resume?.();
          void connection.close();
        });
      }
    })();

    for await (const event of group) {
      const fault = faultOf(event);
      if (fault !== undefined) {
        // What is missing never comes: there is nothing to wait for.
        failure ??= new CliError(ExitCode.failed, fault);
        break;
      }
      if (event.kind !== "message") continue;
      if (!event.own) {
        others++;
        continue;
      }
      const { payload } = event;
      const number = new DataView(payload.buffer, payload.byteOffset, payload.byteLength).getUint32(0);
      if (number !== next) outOfOrder++;
      next = number + 1;
      received++;
      resume?.();
      if ((received & 0xff) === 0) {
        const now = performance.now();
        progress.update(received, now, `${shownNumber((received * 1_000) / (now - startedAt))} messages/s`);
      }
      if (received === total) break;
    }
    isOver = true;
    resume?.();
    await sending;
    progress.finish();
    if (failure !== undefined) throw failure;
    // The connection was closed because of that: nothing was lost, and little was measured.
    if (terminal.signal.aborted) return ExitCode.interrupted;

    const seconds = (performance.now() - startedAt) / 1_000;
    const result = {
      service,
      messages: received,
      messageBytes: size,
      seconds,
      messagesPerSecond: received / seconds,
      bytesPerSecond: (received * size) / seconds,
      messagesOfOthers: others,
      missing: total - received,
      outOfOrder,
    };
    if (args.flag("json")) {
      terminal.print(JSON.stringify(result));
    } else {
      terminal.print(
        table([
          ["service", "messages", "bytes each", "seconds", "messages/s", "payload/s", "of others", "out of order"],
          [
            service,
            shownNumber(received),
            shownNumber(size),
            seconds.toFixed(2),
            shownNumber(Math.round(result.messagesPerSecond)),
            shownBytes(result.bytesPerSecond),
            shownNumber(others),
            shownNumber(outOfOrder),
          ],
        ]),
      );
    }
    // Only unreliable messages may be lost or overtake each other.
    return service !== "unreliable" && (outOfOrder > 0 || result.missing > 0) ? ExitCode.failed : ExitCode.ok;
  },
});

/** Why nothing can be measured any more, for people. */
function faultOf(event: {
  readonly kind: string;
  readonly reason?: unknown;
  readonly count?: unknown;
}): string | undefined {
  if (event.kind === "expelled") return "the daemons have declared this node failed";
  if (event.kind !== "gap") return undefined;
  const missed = `${typeof event.count === "number" ? event.count : "some"} messages were missed`;
  return event.reason === "reconnected" ? `${missed}: the daemon was started again, or away for too long` : missed;
}
