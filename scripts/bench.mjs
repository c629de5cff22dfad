/*
 * `npm run bench [-- name …]`: runs benchmarks one after the other, each in a process of its own, with a table on the terminal and
 * JSON in bench/results/: the reference, those that are named, or all (`npm run bench -- all`). Those that need network
 * namespaces run as root only.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ALL = [
  "baseline",
  "reference",
  "throughput",
  "hot-path",
  "latency",
  "local",
  "idle",
  "memory",
  "join",
  "hop",
  "wan",
  "groups",
  "qsm",
  "overlap",
  "timely",
  "xor",
  "scale",
  "sim",
];

const root = fileURLToPath(new URL("..", import.meta.url));
const names = process.argv.slice(2).filter((argument) => !argument.startsWith("-"));
const options = process.argv.slice(2).filter((argument) => argument.startsWith("-"));
const chosen = names.length === 0 ? ["reference"] : names.flatMap((name) => (name === "all" ? present() : [name]));
const unknown = chosen.filter((name) => !existsSync(join(root, "bench", `${name}.ts`)));
if (unknown.length > 0) {
  console.error(`No such benchmark: ${unknown.join(", ")}. There are: ${present().join(", ")}.`);
  process.exit(2);
}

mkdirSync(join(root, "bench", "results"), { recursive: true });
let failures = 0;
for (const name of chosen) {
  console.log(`\n== ${name} ==`);
  const args = ["--expose-gc", "--import", "tsx", join("bench", `${name}.ts`), ...options];
  const child = spawn(process.execPath, args, { cwd: root, stdio: "inherit" });
  // From a terminal a benchmark hears of Ctrl-C itself; who ends this process alone means the benchmark, too.
  const end = () => child.kill("SIGTERM");
  process.once("SIGTERM", end);
  const [status] = await once(child, "exit");
  process.removeListener("SIGTERM", end);
  if (status === null) process.exit(1);
  if (status !== 0) failures += 1;
}
process.exitCode = failures === 0 ? 0 : 1;

function present() {
  return ALL.filter((name) => existsSync(join(root, "bench", `${name}.ts`)));
}
