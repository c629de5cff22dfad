import { type ChildProcess, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { until } from "../e2e/until.ts";
import { Lab, namespacesAvailable } from "./namespaces.ts";

const STATION = fileURLToPath(new URL("./station.mjs", import.meta.url));

type Answer = { readonly kind: string; readonly counts?: Readonly<Record<string, number>> };

function next(child: ChildProcess, kind: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    child.once("exit", () => reject(new Error("the station ended")));
    child.on("message", (message: Answer) => {
      if (message.kind === kind) resolve(message);
    });
  });
}

async function stations(lab: Lab): Promise<ChildProcess[]> {
  const children = Array.from({ length: lab.size }, (_, host) =>
    lab.spawn(host, process.execPath, [STATION, lab.address(host), "239.77.0.1", "5000"], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    }),
  );
  await Promise.all(children.map((child) => next(child, "ready")));
  return children;
}

async function send(child: ChildProcess, count: number): Promise<void> {
  const sent = next(child, "sent");
  child.send({ kind: "send", count });
  await sent;
}

/** How many datagrams of `from` each station has. */
async function counts(children: readonly ChildProcess[], from: string): Promise<number[]> {
  return Promise.all(
    children.map(async (child) => {
      const answer = next(child, "counts");
      child.send({ kind: "counts" });
      return (await answer).counts?.[from] ?? 0;
    }),
  );
}

/** Waits until each station has so many datagrams of `from`; one too many is more than waiting would mend. */
async function untilCounts(children: readonly ChildProcess[], from: string, wanted: readonly number[]): Promise<void> {
  await until(`the stations have ${wanted.join(", ")}`, async () => {
    const found = await counts(children, from);
    for (const [i, count] of found.entries()) expect(count).toBeLessThanOrEqual(wanted[i] as number);
    return found.join() === wanted.join();
  });
}

let lab: Lab | undefined;
afterEach(() => lab?.close());

describe.runIf(namespacesAvailable())("network namespaces", () => {
  it("carry multicast to every host, split and merge", async () => {
    lab = Lab.create(3);
    const children = await stations(lab);
    const [first] = children as [ChildProcess];
    const from = lab.address(0);
    await send(first, 10);
    await untilCounts(children, from, [0, 10, 10]);

    lab.split([0, 1]);
    await send(first, 10);
    await untilCounts(children, from, [0, 20, 10]);

    lab.split([0, 2], [1]);
    await send(first, 10);
    await untilCounts(children, from, [0, 20, 20]);

    lab.merge();
    await send(first, 10);
    await untilCounts(children, from, [0, 30, 30]);
  });

  it("lose the share of datagrams that was asked for, at one host", async () => {
    lab = Lab.create(3);
    const children = await stations(lab);
    const [first] = children as [ChildProcess];
    lab.setLoss(1, 0.2);
    const from = lab.address(0);
    await send(first, 2000);
    let dropped = 0;
    await until("each datagram has come or was dropped", async () => {
      const [, lossy = 0, clean = 0] = await counts(children, from);
      dropped = lab?.dropped(1) ?? 0;
      return clean === 2000 && lossy + dropped === 2000;
    });
    // Six standard deviations around 400.
    expect(dropped).toBeGreaterThan(290);
    expect(dropped).toBeLessThan(510);
    lab.setLoss(1, 0);
    await send(first, 100);
    await untilCounts(children, from, [0, 2100 - dropped, 2100]);
  });

  it("leave nothing behind", async () => {
    lab = Lab.create(2);
    const children = await stations(lab);
    const ended = Promise.all(children.map((child) => new Promise((resolve) => child.once("exit", resolve))));
    const name = `amalgam-${process.pid}-`;
    const names = (): string => spawnSync("ip", ["netns", "list"], { encoding: "utf8" }).stdout;
    expect(names()).toContain(name);
    lab.close();
    await ended;
    expect(names()).not.toContain(name);
  });
});
