import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { ALONE } from "./scavenges.ts";

test("V8 knows the flag that keeps helpers out of collections", () => {
  // To set an unknown one is no error, only a complaint on stderr.
  const complaint = (flag: string): string =>
    spawnSync(process.execPath, ["-e", `require("node:v8").setFlagsFromString("${flag}")`], { encoding: "utf8" })
      .stderr;
  expect(complaint(ALONE)).toBe("");
  expect(complaint("--no-such-flag")).toContain("no-such-flag");
});
