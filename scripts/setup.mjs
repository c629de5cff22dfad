/*
 * Makes a clone ready to run: installs the dependencies when they are missing or older than the lock file, unless
 * node_modules is a link, and with `--build` compiles src/ to dist/ when a source is newer. Says nothing when there is
 * nothing to do.
 *
 * Needs only Node: it runs before anything is installed.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "dist");
const stamp = join(dist, ".built");

checkNodeVersion();
if (needsInstall()) install();
if (process.argv.includes("--build") && needsBuild()) build();

function checkNodeVersion() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  fail(`Amalgam needs Node 20.19 or later; this is ${process.versions.node}.`);
}

function needsInstall() {
  // npm would empty what a link leads to: somebody else's.
  if (isLink(join(root, "node_modules"))) return false;
  // npm writes this file at the end of an installation, so it also tells an interrupted one from a complete one.
  const installed = modified(join(root, "node_modules", ".package-lock.json"));
  return installed === undefined || installed < (modified(join(root, "package-lock.json")) ?? 0);
}

function install() {
  console.log("Installing dependencies (npm ci) …");
  const result = run("npm", ["ci", "--loglevel=error"]);
  if (result.status === 0) return;
  fail(
    `${result.stdout}${result.stderr}\n` +
      "npm ci failed. The first run needs the npm registry: check the network (npm ping) or set a mirror with\n" +
      "npm config set registry <url>, then run the command again.",
  );
}

function needsBuild() {
  const built = modified(stamp);
  if (built === undefined) return true;
  if (["tsconfig.json", "tsconfig.build.json"].some((name) => (modified(join(root, name)) ?? 0) > built)) return true;
  return newestSource(join(root, "src")) > built;
}

function build() {
  const startedAt = new Date();
  // Compiled aside and moved into place, so that a daemon which runs from dist/ never sees half of a build.
  const fresh = join(root, `dist.${process.pid}`);
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  console.log("Building dist/ …");
  const result = run(process.execPath, [tsc, "-p", "tsconfig.build.json", "--noEmitOnError", "--outDir", fresh]);
  if (result.status !== 0) {
    rmSync(fresh, { recursive: true, force: true });
    fail(`${result.stdout}${result.stderr}\nThe build failed.`);
  }
  chmodSync(join(fresh, "cli", "main.js"), 0o755);
  writeFileSync(join(fresh, ".built"), "");
  // Dated at the start of the build: what is edited meanwhile counts as newer.
  utimesSync(join(fresh, ".built"), startedAt, startedAt);
  rmSync(dist, { recursive: true, force: true });
  renameSync(fresh, dist);
}

/** The newest modification (ms) below a folder; the folders count too, so that a deleted file is noticed. */
function newestSource(folder) {
  let newest = modified(folder) ?? 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) newest = Math.max(newest, newestSource(path));
    else if (entry.name.endsWith(".ts") && !entry.name.endsWith(".test.ts")) newest = Math.max(newest, modified(path));
  }
  return newest;
}

function isLink(path) {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

function modified(path) {
  return existsSync(path) ? statSync(path).mtimeMs : undefined;
}

function run(command, args) {
  return spawnSync(command, args, { cwd: root, encoding: "utf8", maxBuffer: 1 << 26 });
}

function fail(message) {
  console.error(message.trim());
  process.exit(1);
}
