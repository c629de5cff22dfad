import { expect, test } from "vitest";
import { type Fault } from "./faults.ts";
import { generateSchedule, type Schedule } from "./schedule.ts";
import { shrinkSchedule } from "./shrink.ts";

const split: Fault = { kind: "split", at: 100.5, parts: [[1], [2]] };
const freeze: Fault = { kind: "freeze", at: 300.25, daemon: 2, forMs: 64 };

function busy(): Schedule {
  const schedule = generateSchedule(4);
  const others: Fault[] = Array.from({ length: 30 }, (_, i) => ({ kind: "heal", at: i * 10 }));
  return { ...schedule, faults: [...others.slice(0, 11), split, ...others.slice(11, 20), freeze, ...others.slice(20)] };
}

test("only what a failure takes is left, with smaller numbers", () => {
  const fails = ({ faults, sends }: Schedule): boolean =>
    faults.some((fault) => fault.kind === "split") &&
    faults.some((fault) => fault.kind === "freeze" && fault.forMs >= 20) &&
    sends.some((send) => send.service === "safe" || send.service === "causal");
  const schedule = busy();
  expect(fails(schedule)).toBe(true);
  const small = shrinkSchedule(schedule, fails);
  expect(fails(small)).toBe(true);
  expect(small.faults.map((fault) => fault.kind)).toEqual(["split", "freeze"]);
  expect(small.sends).toHaveLength(1);
  expect(small.sends[0]?.bytes).toBe(12);
});

test("no more runs are made than allowed, and what is returned still fails", () => {
  let runs = 0;
  const fails = (schedule: Schedule): boolean => {
    runs++;
    return schedule.faults.length > 3;
  };
  const small = shrinkSchedule(busy(), fails, 10);
  expect(runs).toBeLessThanOrEqual(10);
  expect(small.faults.length).toBeGreaterThan(3);
});
