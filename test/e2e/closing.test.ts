import { afterEach, describe, expect, it } from "vitest";
import { connect } from "../../src/index.ts";
import { Site } from "./site.ts";
import { sleep } from "./until.ts";

const COUNT = 20;
const TEXTS = Array.from({ length: COUNT }, (_, i) => `${i + 1}`);

let site: Site | undefined;

afterEach(async () => {
  await site?.close();
  site = undefined;
});

/**
 * A client of `alpha` sends, and closes while nothing can be ordered, since the other daemon stands still; then its daemon is killed, and the other one goes on or is killed, too.
 * `undefined`: the machine was so slow that `alpha` went on alone, and ordered it after all.
 */
async function closeAtKill(daemons: Site, other: "SIGCONT" | "SIGKILL") {
  const ann = await connect(daemons.addressesFrom("alpha"), { name: "ann" });
  const changes = daemons.changes("alpha").length;
  daemons.signal("beta", "SIGSTOP");
  const receipts = await Promise.all(TEXTS.map((text) => ann.send("room", text, { service: "safe" })));
  const outcomes = Promise.allSettled(receipts.map(({ delivered }) => delivered));
  const controller = new AbortController();
  const closing = ann.close({ signal: controller.signal });
  await sleep(50);
  daemons.signal("alpha", "SIGKILL");
  await daemons.exit("alpha");
  daemons.signal("beta", other);
  // Nobody is left to wait for.
  if (other === "SIGKILL") controller.abort();
  const report = await closing;
  if (daemons.changes("alpha").length > changes) return undefined;
  return { report, delivered: (await outcomes).filter(({ status }) => status === "fulfilled").length };
}

/** Until the machine lets it happen as it was meant to. */
async function untilMeant<T>(attempt: (daemons: Site) => Promise<T | undefined>): Promise<T> {
  for (let n = 0; n < 10; n++) {
    await site?.close();
    site = await Site.start(["alpha", "beta"]);
    const result = await attempt(site);
    if (result !== undefined) return result;
  }
  throw new Error("the daemons were never killed before they had ordered what was sent");
}

describe("a daemon that is killed between a client's good-bye and the end of its work", () => {
  it("loses nothing that it had accepted, where the client finds another daemon", async () => {
    const texts: string[] = [];
    const { report, delivered } = await untilMeant(async (daemons) => {
      const bob = await connect(daemons.address("beta"), { name: "bob" });
      const room = await bob.join("room");
      const result = await closeAtKill(daemons, "SIGCONT");
      await (await room.send("end")).delivered;
      texts.length = 0;
      for await (const event of room) {
        if (event.kind !== "message") continue;
        texts.push(new TextDecoder().decode(event.payload));
        if (texts.at(-1) === "end") break;
      }
      await bob.close();
      // So slow that nobody came in alpha's place in time.
      return result?.report.unconfirmed === 0 ? result : undefined;
    });
    expect(report).toEqual({ unconfirmed: 0 });
    expect(delivered).toBe(COUNT);
    expect(texts).toEqual([...TEXTS, "end"]);
  });

  it("loses it where there is no other, and the client is told how much", async () => {
    const { report, delivered } = await untilMeant((daemons) => closeAtKill(daemons, "SIGKILL"));
    expect(report).toEqual({ unconfirmed: COUNT });
    expect(delivered).toBe(0);
  });
});
