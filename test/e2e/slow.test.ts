import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { connect, type Connection, type ConnectionEvent } from "../../src/index.ts";
import { Member } from "./member.ts";
import { Site } from "./site.ts";
import { sleep, until } from "./until.ts";

/** More than the kernel buffers of a connection and the daemon's queue for a client hold together. */
const MESSAGES = 1_500;
const PAYLOAD = new Uint8Array(16 * 1024);

let site: Site;
const members: Member[] = [];
let slow: Connection;
let fast: Member;
let sender: Member;

beforeAll(async () => {
  site = await Site.start(["alpha", "beta"], { settings: "MaxSessionBytes = 4194304" });
});

afterEach(async () => {
  await Promise.all([slow, ...members.splice(0).map(({ connection }) => connection)].map((one) => one.close()));
  await site.untilNoClients();
});

afterAll(() => site.close());

/** A group with this policy, of a client that reads and one of the other daemon that does not. */
async function start(group: string, policy: "wait" | "drop" | "expel"): Promise<AsyncIterator<ConnectionEvent>> {
  sender = await Member.connect(site.address("alpha"), "sender");
  fast = await Member.connect(site.address("alpha"), "fast");
  members.push(sender, fast);
  await fast.connection.join(group, { slow: policy });
  slow = await connect(site.address("beta"), { name: "slow", reconnect: false, eventsMax: 10 });
  const events = slow[Symbol.asyncIterator]();
  await slow.join(group);
  await fast.untilMembers(group, ["#fast#alpha", "#slow#beta"]);
  return events;
}

/** Sends all messages, no faster than the client that reads does so. `sent` counts what was accepted. */
function flood(group: string): { sent: number; readonly done: Promise<void> } {
  const progress = { sent: 0, done: Promise.resolve() };
  progress.done = (async () => {
    for (; progress.sent < MESSAGES; progress.sent++) {
      await sender.connection.send(group, PAYLOAD, { service: "fifo" });
      await until("the fast one follows", () => fast.delivered.length + 20 > progress.sent);
    }
  })();
  return progress;
}

/** Everything that waits for the slow client, up to `last` messages read or missed. */
async function readAll(
  events: AsyncIterator<ConnectionEvent>,
  last: number,
): Promise<{ read: number; missed: number; gaps: number }> {
  const total = { read: 0, missed: 0, gaps: 0 };
  while (total.read + total.missed < last) {
    const { value, done } = await events.next();
    if (done === true) break;
    if (value.kind === "message") total.read++;
    if (value.kind === "gap") {
      expect(value.reason).toBe("slow");
      total.gaps++;
      total.missed += value.count ?? 0;
    }
  }
  return total;
}

describe("a client that does not read", () => {
  it("makes the senders of a group wait that says so, and loses nothing", async () => {
    const events = await start("patient", "wait");
    const progress = flood("patient");
    let before = -1;
    await until("the sender waits", async () => {
      const stands = progress.sent === before && before > 0;
      before = progress.sent;
      await sleep(400);
      return stands;
    });
    expect(progress.sent).toBeLessThan(MESSAGES);
    process.stderr.write(`wait: the sender stood still after ${progress.sent} messages\n`);
    // Others need not wait for what these two do.
    const other = await Member.connect(site.address("alpha"), "other");
    members.push(other);
    await other.send("#fast#alpha", "meanwhile");
    await fast.untilText("meanwhile");
    expect(await readAll(events, MESSAGES)).toEqual({ read: MESSAGES, missed: 0, gaps: 0 });
    await progress.done;
  });

  it("keeps no sender from closing, which is then gone as soon as what it had sent may be delivered", async () => {
    const events = await start("held", "wait");
    const progress = flood("held");
    const failed = progress.done.catch((error: unknown) => error);
    let before = -1;
    await until("the sender waits", async () => {
      const stands = progress.sent === before && before > 0;
      before = progress.sent;
      await sleep(400);
      return stands;
    });
    await sender.connection.close();
    expect(await failed).toMatchObject({ code: "CLOSED" });
    // What had been accepted, and the message that had been written.
    expect(await readAll(events, progress.sent + 1)).toMatchObject({ read: progress.sent + 1 });
    await until("the sender is gone", async () => (await site.status("alpha")).sessions.count === 1);
  });

  it("misses messages of a group that drops, and is told how many", async () => {
    const events = await start("hasty", "drop");
    await flood("hasty").done;
    await until("the fast one has all", () => fast.delivered.length === MESSAGES);
    const total = await readAll(events, MESSAGES);
    process.stderr.write(`drop: ${total.read} read, ${total.missed} missed in ${total.gaps} gaps\n`);
    expect(total.read + total.missed).toBe(MESSAGES);
    expect(total.missed).toBeGreaterThan(0);
  });

  it("is expelled from a group that says so, which the others see", async () => {
    await start("strict", "expel");
    await flood("strict").done;
    const view = await fast.untilMembers("strict", ["#fast#alpha"]);
    expect(view).toMatchObject({ cause: "disconnect", left: ["#slow#beta"] });
    await until("the fast one has all", () => fast.delivered.length === MESSAGES);
    expect((await site.status("beta")).sessions.expelled).toBe(1);
  });
});
