/*
 * `npm test`: type check, lint and format check, then the tests. The last line is `N passed, N failed`, where each of the
 * checks counts as one. Arguments go to vitest: `npm test -- src/ring` runs (without the checks) what is named.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const selection = process.argv.slice(2);
let passed = 0;
let failed = 0;

if (selection.length === 0) {
  check("types", "typescript/bin/tsc", ["-p", ".", "--noEmit"]);
  check("lint", "oxlint/bin/oxlint", ["--type-aware"]);
  check("format", "@biomejs/biome/bin/biome", ["format", "."]);
}
runTests();
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

function check(name, program, args) {
  const result = spawnSync(process.execPath, [join(root, "node_modules", program), ...args], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  if (result.status === 0) {
    passed += 1;
    console.log(`ok      check: ${name}`);
  } else {
    failed += 1;
    console.log(`${result.stdout}${result.stderr}`);
    console.log(`FAILED  check: ${name}`);
  }
}

function runTests() {
  const scratch = mkdtempSync(join(tmpdir(), "amalgam-test-"));
  const report = join(scratch, "report.json");
  try {
    const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    const result = spawnSync(process.execPath, [vitest, "run", "--project", "!soak", ...reporters, ...selection], {
      cwd: root,
      stdio: "inherit",
    });
    count(report, result.status);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function count(report, status) {
  let results;
  try {
    results = JSON.parse(readFileSync(report, "utf8"));
  } catch {
    failed += 1;
    console.log("FAILED  vitest ended without a report");
    return;
  }
  passed += results.numPassedTests;
  // A file that cannot be loaded has no tests that could fail, and an error outside any test is in no count.
  const broken = results.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0);
  failed += results.numFailedTests + broken.length;
  if (status !== 0 && failed === 0) failed += 1;
  const skipped = results.numPendingTests + results.numTodoTests;
  if (skipped > 0) console.log(`${skipped} skipped (tests that need root say so above)`);
}
