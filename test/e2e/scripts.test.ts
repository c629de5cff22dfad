import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

/* What the commands of package.json answer to who asks for help, or mistypes an option: they start nothing. */

function script(name: string, ...args: readonly string[]) {
  const file = fileURLToPath(new URL(`../../scripts/${name}.mjs`, import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [file, ...args], {
    encoding: "utf8",
    timeout: 20_000,
  });
  return { status, stdout, stderr };
}

test("bench lists the benchmarks, says what one of them takes, and knows no other option", () => {
  expect(script("bench", "--help")).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/^ {2}latency +Latency/m),
  });
  const one = script("bench", "throughput", "--help");
  expect(one).toMatchObject({ status: 0, stdout: expect.stringMatching(/^Throughput through .*--repetitions=3/s) });
  expect(script("bench", "throughput", "--sise=1000")).toEqual({
    status: 2,
    stdout: "",
    stderr: "No benchmark has an option --sise=1000: npm run bench -- throughput --help lists them.\n",
  });
  expect(script("bench", "throughputs")).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("There are: base"),
  });
});

test("start says what it is, and knows no other option", () => {
  expect(script("start", "--help")).toMatchObject({
    status: 0,
    stdout: expect.stringContaining("npm start -- --once"),
  });
  expect(script("start", "--onec")).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("there is no --onec."),
  });
});
