/*
 * `npm run bench [-- name …]`: runs benchmarks one after the other, each in a process of its own, with a table on the terminal and
 * JSON in bench/results/: the reference, those that are named, or all (`npm run bench -- all`). Those that need network
 * namespaces run as root only. `--help` says what there is, and with a name what that one does and takes.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
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

if (options.some((option) => option === "--help" || option === "-h")) {
  console.log(names.length === 0 ? overview() : chosen.map(headOf).join("\n\n"));
  process.exit(0);
}
const strange = options.find((option) => !knownOptions().has(option.split("=", 1)[0]));
if (strange !== undefined) {
  console.error(
    `No benchmark has an option ${strange}: npm run bench -- ${names[0] ?? "reference"} --help lists them.`,
  );
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

function overview() {
  const width = Math.max(...present().map((name) => name.length));
  const firstSentence = (name) => /^.*?\.(?=\s|$)/s.exec(headOf(name))?.[0].replaceAll(/\s+/g, " ") ?? "";
  const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
  const lines = present().map((name) => cut(`  ${name.padEnd(width)}  ${firstSentence(name)}`, 120));
  return `Usage: npm run bench [-- NAME... [--option=value...]]

Runs the benchmarks that are named, without a name the reference, or all. Most need root.

${lines.join("\n")}

npm run bench -- NAME --help says more of one, and its options.`;
}

/** What the beginning of a benchmark says of it. */
function headOf(name) {
  const head = /^\/\*(.*?)\*\//s.exec(readFileSync(join(root, "bench", `${name}.ts`), "utf8"))?.[1] ?? "";
  return head.replaceAll(/^ ?\* ?/gm, "").trim();
}

/** As benchmarks share what they read their options with, it is not told which one takes which. */
function knownOptions() {
  const sources = readdirSync(join(root, "bench")).filter((name) => /\.m?[jt]s$/.test(name));
  const text = sources.map((name) => readFileSync(join(root, "bench", name), "utf8")).join("\n");
  return new Set(
    [...text.matchAll(/option\(\s*"([a-z-]+)"|"--([a-z-]+)=?"/g)].map(([, value, flag]) => `--${value ?? flag}`),
  );
}

function present() {
  return ALL.filter((name) => existsSync(join(root, "bench", `${name}.ts`)));
}
