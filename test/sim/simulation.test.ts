import { describe, expect, test } from "vitest";
import { type Replica, type ReplicaEnvironment, Simulation } from "../../src/sim/index.ts";

/** A replicated log of texts, as somebody might test theirs. */
class Log implements Replica {
  readonly entries: string[] = [];
  readonly environment: ReplicaEnvironment;

  constructor(environment: ReplicaEnvironment) {
    this.environment = environment;
  }

  append(text: string): void {
    this.environment.send(new TextEncoder().encode(text), "safe");
  }

  message({ payload }: { readonly payload: Uint8Array }): void {
    this.entries.push(new TextDecoder().decode(payload));
  }
}

function logs(seed = 1): Simulation<Log> {
  return new Simulation({ seed, daemons: 3, replica: (environment) => new Log(environment) });
}

function together(simulation: Simulation<Log>, ...daemons: number[]): () => boolean {
  return () => daemons.every((daemon) => simulation.members(daemon)?.join() === daemons.join());
}

describe("a simulation", () => {
  test("delivers what replicas send to all of them in one order", () => {
    const simulation = logs();
    expect(simulation.runUntil(together(simulation, 1, 2, 3), 5_000)).toBe(true);
    for (let i = 0; i < 30; i++) simulation.on(1 + (i % 3), (log) => log.append(`m${i}`));
    simulation.run(1_000);
    const [first, ...others] = simulation.replicas;
    expect(first?.entries).toHaveLength(30);
    for (const other of others) expect(other.entries).toEqual(first?.entries);
    expect(simulation.violations).toEqual([]);
  });

  test("splits and heals the network as it is told", () => {
    const simulation = logs();
    simulation.runUntil(together(simulation, 1, 2, 3), 5_000);
    simulation.split([1, 2], [3]);
    expect(simulation.runUntil(together(simulation, 1, 2), 5_000)).toBe(true);
    expect(simulation.runUntil(together(simulation, 3), 5_000)).toBe(true);
    simulation.on(1, (log) => log.append("majority"));
    simulation.run(500);
    expect(simulation.replica(2)?.entries).toEqual(["majority"]);
    expect(simulation.replica(3)?.entries).toEqual([]);
    simulation.heal();
    expect(simulation.runUntil(together(simulation, 1, 2, 3), 10_000)).toBe(true);
    expect(simulation.violations).toEqual([]);
  });

  test("a crash takes the replica, a restart brings a new one with the old disk", () => {
    const simulation = logs();
    simulation.runUntil(together(simulation, 1, 2, 3), 5_000);
    simulation.replica(2)?.environment.disk.set("k", new Uint8Array([7]));
    simulation.crash(2);
    expect(simulation.replica(2)).toBeUndefined();
    expect(simulation.runUntil(together(simulation, 1, 3), 5_000)).toBe(true);
    simulation.restart(2);
    expect(simulation.runUntil(together(simulation, 1, 2, 3), 10_000)).toBe(true);
    expect(simulation.replica(2)?.environment.start).toBe(2);
    expect(simulation.replica(2)?.environment.disk.get("k")).toEqual(new Uint8Array([7]));
    simulation.crash(2);
    simulation.restart(2, { loseDisk: true });
    expect(simulation.replica(2)?.environment.disk.size).toBe(0);
  });

  test("loss, disorder and a freeze cost time and no message", () => {
    const simulation = logs();
    simulation.runUntil(together(simulation, 1, 2, 3), 5_000);
    simulation.loss(0.1);
    simulation.disorder(0.1, 0.1);
    simulation.freeze(3, 100);
    for (let i = 0; i < 50; i++) simulation.on(1, (log) => log.append(`m${i}`));
    simulation.run(3_000);
    for (const log of simulation.replicas) expect(log.entries).toHaveLength(50);
    expect(simulation.violations).toEqual([]);
  });

  test("repeats exactly", () => {
    const run = (seed: number): string => {
      const simulation = logs(seed);
      simulation.loss(0.05);
      simulation.run(1_000);
      for (let i = 0; i < 20; i++) simulation.on(1 + (i % 3), (log) => log.append(`m${i}`));
      simulation.after(100, () => simulation.crash(3));
      simulation.run(2_000);
      return simulation.traceHash;
    };
    expect(run(5)).toBe(run(5));
    expect(run(5)).not.toBe(run(6));
  });
});
