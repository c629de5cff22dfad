import { describe, expect, test } from "vitest";
import { Stage } from "../../test/transcripts/stage.ts";
import type { DaemonId } from "../base/ids.ts";
import type { Agreement } from "./config.ts";
import { Layout } from "./layout.ts";
import { isPrimary } from "./primary.ts";
import { wideAreaConfig } from "./wide-area-config.ts";

const LATER = 0x51a2;

function agreement(daemons: readonly DaemonId[], confHash = LATER): Agreement {
  const layout = new Layout(daemons.map((id) => ({ id, segment: 0 })));
  return { layout, primary: { name: "majority" }, confHash, wideArea: wideAreaConfig() };
}

/** Three daemons, or more, that have one configuration. */
function formed(daemons: readonly DaemonId[] = [1, 2, 3], others: readonly DaemonId[] = []): Stage {
  const stage = new Stage([[...daemons, ...others]]);
  for (const id of daemons) stage.start(id);
  stage.network.run(3_000);
  stage.take();
  stage.events.length = 0;
  return stage;
}

function goOver(stage: Stage, id: DaemonId, to: Agreement): void {
  stage.evs.get(id)?.reconfigure(to, stage.network.now);
}

function members(stage: Stage): (readonly DaemonId[])[] {
  return [...stage.evs.values()].map((evs) => evs.configuration.members);
}

/** Who was counted as gone by whom, in any configuration since. */
function losses(stage: Stage): string[] {
  return stage.events.flatMap(({ daemon, event }) =>
    event.kind === "configuration" && event.left.length > 0 ? [`${daemon} without ${event.left.join(" ")}`] : [],
  );
}

describe("daemons that go over to another set of daemons", () => {
  test("stay together, and deliver everything that was sent before", () => {
    const stage = formed();
    // What 3 misses of it carries the hash of before, and comes again after that has gone.
    stage.commands["block"]?.("3", "data");
    for (const sender of [1, 2]) stage.send(sender, "safe", `from ${sender}`);
    stage.network.run(2);
    const to = agreement([1, 2, 3]);
    for (const id of [2, 1, 3]) {
      goOver(stage, id, to);
      stage.network.run(1);
    }
    stage.commands["unblock"]?.();
    stage.network.run(1_000);
    expect(members(stage)).toEqual(Array(3).fill([1, 2, 3]));
    expect(losses(stage)).toEqual([]);
    const lines = stage.take().join("\n");
    for (const receiver of [1, 2, 3]) {
      for (const sender of [1, 2]) expect(lines).toContain(`${receiver} delivers "from ${sender}" of ${sender}`);
    }
  });

  test("are followed by who hears of the new hash later", () => {
    const stage = formed();
    const to = agreement([1, 2, 3]);
    goOver(stage, 2, to);
    for (let i = 0; i < 200; i++) {
      stage.network.run(1);
      for (const { daemon, event } of stage.events.splice(0)) {
        if (event.kind === "configMismatch" && event.hash === LATER) goOver(stage, daemon, to);
        if (event.kind === "configuration") expect(event.left).toEqual([]);
      }
    }
    expect(members(stage)).toEqual(Array(3).fill([1, 2, 3]));
    expect([...stage.evs.values()].every((evs) => evs.isServing)).toBe(true);
  });

  test("let a new one join that has the same set", () => {
    const stage = formed([1, 2, 3], [4]);
    const to = agreement([1, 2, 3, 4]);
    for (const id of [1, 2, 3]) goOver(stage, id, to);
    stage.network.run(100);
    stage.start(4);
    goOver(stage, 4, to);
    stage.network.run(5_000);
    expect(members(stage)).toEqual(Array(4).fill([1, 2, 3, 4]));
    expect(losses(stage)).toEqual([]);
  });

  test("go on without one that is not among them, and deliver what it sent", () => {
    const stage = formed();
    stage.send(3, "safe", "the last");
    stage.network.run(100);
    for (const id of [1, 2]) goOver(stage, id, agreement([1, 2]));
    stage.evs.get(3)?.depart(stage.network.now);
    stage.network.run(500);
    const lines = stage.take().join("\n");
    for (const receiver of [1, 2]) expect(lines).toContain(`${receiver} delivers "the last" of 3`);
    expect(stage.evs.get(1)?.configuration.members).toEqual([1, 2]);
    expect(stage.evs.get(1)?.isPrimary).toBe(true);
    expect(stage.evs.get(3)?.state).toBe("left");
  });

  test("ignore who stays behind", () => {
    const stage = formed();
    for (const id of [1, 2]) goOver(stage, id, agreement([1, 2, 3]));
    stage.network.run(5_000);
    expect(members(stage)).toEqual([[1, 2], [1, 2], [3]]);
    expect(stage.evs.get(3)?.isPrimary).toBe(false);
  });
});

test("by the joint rule a configuration is primary only by the rule before as well", () => {
  const now = new Layout([1, 2, 4, 5, 6].map((id) => ({ id, segment: 0 })));
  const layoutBefore = new Layout([1, 2, 3].map((id) => ({ id, segment: 0 })));
  const majority = { name: "majority" } as const;
  const policy = { name: "joint", now: majority, before: majority, layoutBefore } as const;
  expect(isPrimary(policy, now, [1, 2, 4])).toBe(true);
  expect(isPrimary(policy, now, [4, 5, 6])).toBe(false);
  expect(isPrimary(policy, now, [1, 4, 5, 6])).toBe(false);
  expect(isPrimary(policy, now, [1, 2])).toBe(false);
});
