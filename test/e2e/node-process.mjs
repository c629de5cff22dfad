/*
 * A member of scalable groups in a process of its own, as a program uses the client: from dist/. Arguments: JSON of { addresses, options }.
 * It ends with its parent. What it is asked over IPC it answers by the same `kind`, with `error` if that failed:
 *
 *   join    { group, slow, quality }   answered when the first view is there
 *   leave   { group }
 *   flood   { group, bytes, everyMs }  numbered messages to the group, a few per tick, until `stop`
 *   stop    {}                         answered when what was sent is everywhere, or is known not to be; says how many of each group
 *   pause   {} / resume {}             reads nothing, and again
 *   report  {}                         what came of each group: streams by sender, and all events but messages
 *   close   {}
 */
import { connect } from "../../dist/index.js";

const { addresses, options } = JSON.parse(process.argv[2]);
process.on("disconnect", () => process.exit(0));

const TICK_MS = 5;
const decoder = new TextDecoder();
const groups = new Map();
/** By group, over all its memberships. */
const logs = new Map();
let resume;
let reading = Promise.resolve();
const floods = new Set();

/** What this member has of a group, and has sent to it. */
class Log {
  events = [];
  streams = new Map();
  isTimely = false;

  /** Numbers of a sender that have not come, between the first and the last that have. */
  missing(key) {
    const { first, last } = this.streams.get(key);
    const numbers = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    return numbers.filter((number) => !this.had.get(key)?.has(String(number)));
  }

  /** Numbers of a timely group that have come, by sender. */
  had = new Map();
  sent = 0;
  accepted = 0;
  stable = 0;
  failed = 0;

  message({ sender, payload }) {
    const [life, number] = decoder.decode(payload.subarray(0, 60)).split(" ");
    const key = `${sender} ${life}`;
    const stream = this.streams.get(key) ?? { first: Number(number), last: Number(number) - 1, count: 0, faults: [] };
    this.streams.set(key, stream);
    const had = this.had.get(key) ?? new Set();
    this.had.set(key, had);
    // A timely group has no order.
    if (had.has(number)) stream.faults.push(`${number} twice`);
    else if (!this.isTimely && Number(number) !== stream.last + 1) stream.faults.push(`${number} after ${stream.last}`);
    if (this.isTimely) had.add(number);
    stream.first = Math.min(stream.first, Number(number));
    stream.last = this.isTimely ? Math.max(stream.last, Number(number)) : Number(number);
    stream.count++;
  }
}

const connection = await connect(addresses, options);
const life = `${options.name}-${process.pid}`;
const session = [];
void (async () => {
  for await (const event of connection) {
    await reading;
    if (event.kind === "message") logOf(event.groups[0]).message(event);
    else if (event.group !== undefined) logOf(event.group).events.push(event);
    else session.push(event);
  }
})().catch((error) => session.push({ kind: "error", code: error.code, message: error.message }));

function logOf(group) {
  const log = logs.get(group) ?? new Log();
  logs.set(group, log);
  return log;
}

const ANSWERS = {
  async join({ group, slow, quality = "scalable" }) {
    logOf(group).isTimely = quality === "timely";
    const joined = await connection.join(group, { quality, ...(slow && { slow }) });
    groups.set(group, joined);
    return { members: joined.view.members };
  },
  async leave({ group }) {
    await groups.get(group).leave();
  },
  flood({ group, bytes, perTick }) {
    const joined = groups.get(group);
    const log = logOf(group);
    const filling = new Uint8Array(bytes).fill(0x2e);
    let waiting = 0;
    const timer = setInterval(() => {
      for (let i = 0; i < perTick && waiting < 1_000; i++) {
        waiting++;
        const payload = new Uint8Array([...new TextEncoder().encode(`${life} ${++log.sent} `), ...filling]);
        joined.send(payload).then(
          (receipt) => {
            waiting--;
            log.accepted++;
            if (log.isTimely) return void log.stable++;
            receipt.delivered.then(
              () => log.stable++,
              () => log.failed++,
            );
          },
          () => {
            waiting--;
            log.failed++;
          },
        );
      }
    }, TICK_MS);
    floods.add(timer);
  },
  async stop() {
    for (const timer of floods) clearInterval(timer);
    floods.clear();
    const isDone = () => [...logs.values()].every((log) => log.stable + log.failed === log.sent);
    while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 10));
  },
  pause() {
    reading = new Promise((resolve) => {
      resume = resolve;
    });
  },
  resume() {
    resume();
  },
  report() {
    const told = [...logs].map(([name, log]) => {
      const { events, sent, accepted, stable, failed } = log;
      const streams = Object.fromEntries(
        [...log.streams].map(([key, stream]) => [key, { ...stream, missing: log.isTimely ? log.missing(key) : [] }]),
      );
      const members = groups.get(name)?.view?.members ?? [];
      const statistics = log.isTimely ? groups.get(name)?.statistics : undefined;
      return [name, { life, sent, accepted, stable, failed, streams, events, members, statistics }];
    });
    return { name: connection.privateGroup, session, groups: Object.fromEntries(told) };
  },
  async close() {
    await connection.close();
  },
};

process.on("message", (message) => void answer(message));
async function answer(message) {
  const { kind, id } = message;
  try {
    process.send({ kind, id, ...(await ANSWERS[kind](message)) });
  } catch (error) {
    process.send({ kind, id, error: `${error.code ?? error.name}: ${error.message}` });
  }
  if (kind === "close") process.disconnect();
}
process.send({ kind: "started" });
