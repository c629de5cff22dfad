import { createHash } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { DEFAULT_PAYLOAD_BYTES_MAX } from "../../src/wire/native/envelope.ts";
import { REAL_DAEMON_BODY_BYTES_MAX } from "../../src/wire/spread/codes.ts";
import { NAME_BYTES } from "../../src/wire/spread/names.ts";
import { Member } from "./member.ts";
import { Site } from "./site.ts";
import { sleep, until } from "./until.ts";

let site: Site;
const members: Member[] = [];

async function member(daemon: string, name: string, options?: Parameters<typeof Member.connect>[2]): Promise<Member> {
  const one = await Member.connect(site.address(daemon), name, options);
  members.push(one);
  return one;
}

/** Bytes that do not repeat within a packet or a fragment. */
function pattern(size: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(size / 4));
  for (let i = 0, x = 1; i < words.length; i++) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    words[i] = x;
  }
  return new Uint8Array(words.buffer, 0, size);
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

beforeAll(async () => {
  site = await Site.start(["alpha", "beta", "gamma"]);
});

afterEach(async () => {
  await Promise.all(members.splice(0).map(({ connection }) => connection.close()));
  await site.untilNoClients();
});

afterAll(() => site.close());

describe("large messages", () => {
  it("of the size that a Spread client may send go through the Spread protocol", async () => {
    const old = await member("alpha", "old", { protocol: "spread" });
    const bob = await member("beta", "bob", { protocol: "spread" });
    const cyd = await member("gamma", "cyd");
    for (const { connection } of [bob, cyd]) await connection.join("big");
    const payload = pattern(REAL_DAEMON_BODY_BYTES_MAX - NAME_BYTES);
    await old.connection.send("big", payload, { service: "safe" });
    for (const one of [bob, cyd]) {
      await one.untilText(`${payload.length} bytes`);
      expect(digest(one.delivered[0]?.message.payload as Uint8Array)).toBe(digest(payload));
    }
    await expect(old.connection.send("big", pattern(payload.length + 1))).rejects.toMatchObject({ code: "TOO_LARGE" });
  });

  it("of 16 MiB go through the native one, and block nobody else's small messages", async () => {
    const ann = await member("alpha", "ann");
    const eve = await member("alpha", "eve");
    const bob = await member("beta", "bob");
    const cyd = await member("gamma", "cyd");
    const fay = await member("beta", "fay");
    for (const { connection } of [bob, cyd]) await connection.join("big");
    await fay.connection.join("small");
    const payload = pattern(DEFAULT_PAYLOAD_BYTES_MAX);
    const before = performance.now();
    const accepted = ann.connection.send("big", payload, { service: "agreed" });
    const latencies: number[] = [];
    while (!bob.delivered.some(({ message }) => message.payload.length === payload.length)) {
      const sentAt = performance.now();
      await eve.send("small", `small ${latencies.length}`, { service: "agreed" });
      await fay.untilText(`small ${latencies.length}`);
      latencies.push(performance.now() - sentAt);
      await sleep(1);
    }
    await (await accepted).delivered;
    for (const one of [bob, cyd]) {
      await one.untilText(`${payload.length} bytes`);
      const large = one.delivered.find(({ text }) => text === `${payload.length} bytes`);
      expect(digest(large?.message.payload as Uint8Array)).toBe(digest(payload));
    }
    const ms = Math.max(...bob.delivered.filter(({ text }) => text.endsWith(" bytes")).map(({ at }) => at - before));
    latencies.sort((a, b) => a - b);
    process.stderr.write(
      `16 MiB delivered after ${Math.round(ms)} ms; ${latencies.length} small messages of another session meanwhile: median ` +
        `${latencies[latencies.length >> 1]?.toFixed(1)} ms, longest ${latencies.at(-1)?.toFixed(1)} ms\n`,
    );
    // One after the other, each there and back: had they waited for the large message, there were one, or two.
    expect(latencies.length).toBeGreaterThan(2);

    await expect(ann.connection.send("big", pattern(payload.length + 1))).rejects.toMatchObject({
      code: "TOO_LARGE",
      message: expect.stringContaining("split it"),
    });
    // And the connection is still of use.
    await ann.send("big", "after");
    for (const one of [bob, cyd]) await one.untilText("after");
  });

  it("of one session, one after another, let the others go on as well", async () => {
    const ann = await member("alpha", "ann");
    const eve = await member("alpha", "eve");
    const bob = await member("beta", "bob");
    const fay = await member("beta", "fay");
    await bob.connection.join("big");
    await fay.connection.join("small");
    const payload = pattern(512 * 1024);
    const waiting = 32;
    let sent = 0;
    const delivered = () => bob.delivered.length;
    const fill = () => {
      for (; sent < delivered() + waiting; sent++) void ann.connection.send("big", payload, { service: "agreed" });
    };
    fill();
    await until("the first large one has arrived", () => delivered() > 0);
    const overtaken: number[] = [];
    for (let i = 0; i < 10; i++) {
      fill();
      const before = delivered();
      await eve.send("small", `small ${i}`, { service: "agreed" });
      await fay.untilText(`small ${i}`);
      overtaken.push(delivered() - before);
    }
    // A small one waits for what its daemon has taken in, not for all that the other session has waiting.
    process.stderr.write(`large messages delivered while a small one was on its way: ${overtaken.join(" ")}\n`);
    expect(Math.max(...overtaken)).toBeLessThan(waiting / 2);
    await until("all have arrived", () => delivered() === sent);
  });

  it("come through whole while their own daemon's client also sends many small ones", async () => {
    const ann = await member("alpha", "ann");
    const bob = await member("beta", "bob");
    await bob.connection.join("mixed");
    const sizes = [0, 1, 1_300, 1_399, 1_400, 1_401, 9_000, 65_536, 143_151, 1_000_003];
    const payloads = sizes.map(pattern);
    for (const payload of payloads) {
      await ann.connection.send("mixed", payload, { service: "fifo" });
      await ann.connection.send("mixed", "x", { service: "unreliable" });
    }
    await until(
      "all has arrived",
      () => bob.delivered.filter(({ message }) => message.service === "fifo").length === 10,
    );
    const got = bob.delivered.filter(({ message }) => message.service === "fifo").map(({ message }) => message.payload);
    expect(got.map(digest)).toEqual(payloads.map(digest));
  });
});
