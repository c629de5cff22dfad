/*
 * `npm run evaluation [-- protocol … --claims --tables]`: runs the experiments of the protocols that are named, or of all that are reported, and measures
 * what they have to reach; writes docs/evaluation. With --claims only the latter; with --tables nothing runs, and what was found of claims is put into
 * the reports, between the lines <!-- claims --> and <!-- /claims -->.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const OUT = "docs/evaluation";
const given = process.argv.slice(2);
const named = given.filter((argument) => !argument.startsWith("-"));
const [onlyClaims, onlyTables] = ["--claims", "--tables"].map((flag) => given.includes(flag));
for (const protocol of named.length > 0 ? named : ["qsm", "ricochet", "plato"]) {
  const claims = join(root, OUT, "data", `${protocol}-claims.md`);
  const hasClaims = existsSync(claims);
  if (!onlyTables && !onlyClaims) simulate(protocol, "all");
  // A claim that is missed is for the report to say.
  if (!onlyTables && hasClaims) simulate(protocol, "--claims");
  if (hasClaims) insert(join(root, OUT, `${protocol}.md`), readFileSync(claims, "utf8"));
}

function simulate(protocol, ...what) {
  const args = ["dist/cli/main.js", "sim", protocol, ...what, "--out", OUT];
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  if (status !== 0 && !(status === 1 && what.includes("--claims"))) process.exit(status ?? 1);
}

function insert(report, table) {
  const [begin, end] = ["<!-- claims -->\n", "<!-- /claims -->"];
  const text = readFileSync(report, "utf8");
  const [before, rest] = text.split(begin);
  const after = rest?.split(end)[1];
  if (after === undefined) throw new Error(`${report} has no lines ${begin.trim()} and ${end}`);
  writeFileSync(report, `${before}${begin}${table}${end}${after}`);
}
