import { describe, expect, test } from "vitest";
import type { EventQueue } from "./event-queue.ts";
import type { GroupEvent } from "./events.ts";
import { ReadGate } from "./read-gate.ts";

/** A gate that stops at four events, and two of its queues. */
function start(): { gate: ReadGate; queues: [EventQueue<GroupEvent>, EventQueue<GroupEvent>] } {
  const gate = new ReadGate(
    { eventsMax: 4, eventBytesMax: 1_000 },
    { pause: () => {}, resume: () => {}, consumed: () => {}, awaited: () => {}, mayStop: () => true },
  );
  return { gate, queues: [gate.queue<GroupEvent>(), gate.queue<GroupEvent>()] };
}

function fill(gate: ReadGate, queue: EventQueue<GroupEvent>, count: number): void {
  for (let n = 0; n < count; n++) {
    queue.push({ kind: "transitional", group: "g" }, n + 1);
    gate.check();
  }
}

describe("reading from a daemon that does not stop by itself", () => {
  test("stops at the bound, and goes on when half of what waits is read", async () => {
    const { gate, queues } = start();
    const [queue] = queues;
    fill(gate, queue, 4);
    expect(gate.isPaused).toBe(true);
    await queue.next();
    expect(gate.isPaused).toBe(true);
    await queue.next();
    expect(gate.isPaused).toBe(false);
  });

  test("goes on when what waits is forgotten, since the program reads another stream", () => {
    const { gate, queues } = start();
    fill(gate, queues[0], 4);
    queues[0].mute();
    expect(gate.isPaused).toBe(false);
  });

  test("does not wait for the reader of a stream that has ended, who may never come; but what is there can be read", async () => {
    const { gate, queues } = start();
    const [left, other] = queues;
    fill(gate, left, 4);
    left.end();
    expect(gate.isPaused).toBe(false);
    fill(gate, other, 3);
    expect(gate.isPaused).toBe(false);
    for (let n = 0; n < 4; n++) expect((await left.next()).done).toBe(false);
    expect((await left.next()).done).toBe(true);
    fill(gate, other, 1);
    expect(gate.isPaused).toBe(true);
  });

  test("goes on for a program that waits for the daemon", () => {
    const { gate, queues } = start();
    fill(gate, queues[0], 4);
    gate.begin();
    fill(gate, queues[0], 4);
    expect(gate.isPaused).toBe(false);
    gate.finish();
    fill(gate, queues[0], 1);
    expect(gate.isPaused).toBe(true);
  });
});
