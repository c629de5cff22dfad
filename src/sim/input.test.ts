import { describe, expect, test } from "vitest";
import { Cluster } from "./cluster.ts";
import { checkFault, layoutOf, lossOf } from "./input.ts";
import { Simulation } from "./simulation.ts";

const idle = { message: () => {} };
const simulation = () => new Simulation({ daemons: 2, replica: () => idle });

describe("what is wrong with what a simulation is given is said", () => {
  test.each([
    [0, "daemons: 0 is no number of daemons"],
    [2.5, "daemons: 2.5 is no number of daemons"],
    [[[], []], "daemons: no segment has a daemon"],
    [[[1, 2], [2]], "daemons: 2 stands there twice"],
    [[[-1]], "daemons: -1 is no daemon's number"],
  ] as const)("daemons %j", (daemons, text) => {
    expect(() => layoutOf(daemons)).toThrow(text);
    expect(() => new Cluster({ daemons })).toThrow(text);
  });

  test("losses", () => {
    expect(() => lossOf(2)).toThrow("loss: probability 2 is no share of 0 to 1");
    expect(() => lossOf(Number.NaN)).toThrow(RangeError);
    expect(() => lossOf({ kind: "burst", probability: 0.1, length: 0 })).toThrow("loss: length 0 is not above 0");
    expect(lossOf(0)).toEqual({ kind: "none" });
    expect(lossOf({ kind: "periodic", everyMs: 100, lengthMs: 5 })).toEqual({
      kind: "periodic",
      everyMs: 100,
      lengthMs: 5,
    });
  });

  test("faults", () => {
    expect(() => checkFault({ kind: "split", at: 0, parts: [[1], [1, 2]] }, [1, 2])).toThrow(
      "daemon 1 is in two parts",
    );
    const late = { kind: "crash", at: 0, daemon: 7 } as const;
    const trap = { kind: "trap", at: 0, daemon: 1, state: "gather", delayMs: 0, fault: late } as const;
    expect(() => checkFault(trap, [1, 2])).toThrow("crash: there is no daemon 7; there are 1, 2");
    expect(() => checkFault({ kind: "oneWay", at: 0, from: 1, to: 3 }, [1, 2])).toThrow("there is no daemon 3");
    expect(() => simulation().freeze(1, -1)).toThrow("freeze: -1 ms cannot pass");
    expect(() => simulation().disorder(0, 5)).toThrow("5 is no share");
  });

  test("times and seeds", async () => {
    expect(() => simulation().run(-5)).toThrow("run: -5 ms cannot pass");
    await expect(new Cluster({ daemons: 1 }).run(Number.NaN)).rejects.toThrow("run: NaN ms cannot pass");
    expect(() => new Cluster({ seed: Number.NaN })).toThrow("seed: NaN is no integer");
  });

  test("programs", async () => {
    const cluster = new Cluster({ daemons: 2, programsMax: 1 });
    expect(() => cluster.program("p", 3, async () => {})).toThrow(
      "there is no daemon 3 in this cluster; there are 1, 2",
    );
    cluster.program("p", 1, async (world) => void (await world.connect([1, 9])));
    await expect(cluster.run(100)).rejects.toThrow("there is no daemon 9 in this cluster; there are 1, 2");
    expect(() => cluster.program("q", 1, async () => {})).toThrow("programsMax allows more");
  });
});
