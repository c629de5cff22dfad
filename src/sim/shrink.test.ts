import { expect, test } from "vitest";
import { type Fault } from "./faults.ts";
import { generateStackSchedule } from "./client-plan.ts";
import { generateSchedule, type Schedule } from "./schedule.ts";
import { shrinkSchedule } from "./shrink.ts";

const split: Fault = { kind: "split", at: 100.5, parts: [[1], [2]] };
const freeze: Fault = { kind: "freeze", at: 300.25, daemon: 2, forMs: 64 };

function busy(): Schedule {
  const schedule = generateSchedule(4);
  const others: Fault[] = Array.from({ length: 30 }, (_, i) => ({ kind: "heal", at: i * 10 }));
  return { ...schedule, faults: [...others.slice(0, 11), split, ...others.slice(11, 20), freeze, ...others.slice(20)] };
}

test("only what a failure takes is left, with smaller numbers", async () => {
  const fails = ({ faults, sends }: Schedule): boolean =>
    faults.some((fault) => fault.kind === "split") &&
    faults.some((fault) => fault.kind === "freeze" && fault.forMs >= 20) &&
    sends.some((send) => send.service === "safe" || send.service === "causal");
  const schedule = busy();
  expect(fails(schedule)).toBe(true);
  const small = await shrinkSchedule(schedule, fails);
  expect(fails(small)).toBe(true);
  expect(small.faults.map((fault) => fault.kind)).toEqual(["split", "freeze"]);
  expect(small.sends).toHaveLength(1);
  expect(small.sends[0]?.bytes).toBe(12);
});

test("no more runs are made than allowed, and what is returned still fails", async () => {
  let runs = 0;
  const fails = (schedule: Schedule): boolean => {
    runs++;
    return schedule.faults.length > 3;
  };
  const small = await shrinkSchedule(busy(), fails, 10);
  expect(runs).toBeLessThanOrEqual(10);
  expect(small.faults.length).toBeGreaterThan(3);
});

test("clients go with all they do, and the others keep their names and only the acts that it takes", async () => {
  const schedule = generateStackSchedule(3);
  const isNeeded = (kind: string, name: string) => kind === "leave" && name === "c2";
  const fails = async ({ clients = [] }: Schedule): Promise<boolean> => {
    await Promise.resolve();
    return (
      clients.some(({ name, acts }) => acts.some(({ kind }) => isNeeded(kind, name))) &&
      clients.some(({ acts }) => acts.some((act) => act.kind === "send" && act.groups.length === 2))
    );
  };
  expect(await fails(schedule)).toBe(true);
  const small = await shrinkSchedule(schedule, fails);
  const { faults, clients = [] } = small;
  expect(await fails(small)).toBe(true);
  expect(faults).toEqual([]);
  expect(clients.length).toBeLessThanOrEqual(2);
  expect(clients.flatMap(({ acts }) => acts.map(({ kind }) => kind)).sort()).toEqual(["leave", "send"]);
  expect(clients.map(({ killAt }) => killAt)).toEqual(clients.map(() => undefined));
});
