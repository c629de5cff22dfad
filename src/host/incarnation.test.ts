import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { nextIncarnation, reserveIncarnations } from "./incarnation.ts";

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "amalgam-incarnation-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("nextIncarnation", () => {
  it("grows at every start, also within a second and when the clock goes back", () => {
    expect(nextIncarnation(folder, "alpha", 1000.7)).toBe(1000);
    expect(nextIncarnation(folder, "alpha", 1000.9)).toBe(1001);
    expect(nextIncarnation(folder, "alpha", 500)).toBe(1002);
    expect(nextIncarnation(folder, "alpha", 2000)).toBe(2000);
  });

  it("keeps daemons that share a directory apart, whatever their names", () => {
    nextIncarnation(folder, "../alpha", 1000);
    expect(nextIncarnation(folder, "beta", 10)).toBe(10);
  });

  it("lies beyond what an earlier run has used in ids of configurations", () => {
    expect(nextIncarnation(folder, "alpha", 1000)).toBe(1000);
    reserveIncarnations(folder, "alpha", 1040);
    reserveIncarnations(folder, "alpha", 1030);
    expect(nextIncarnation(folder, "alpha", 1002)).toBe(1041);
  });

  it("goes on from the clock when its file is damaged", () => {
    writeFileSync(join(folder, "alpha.incarnation"), "no number");
    expect(nextIncarnation(folder, "alpha", 1000)).toBe(1000);
  });

  it("is the clock without a directory", () => {
    expect(nextIncarnation(undefined, "alpha", 12.5)).toBe(12);
  });
});
