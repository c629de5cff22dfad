/* `npm run evaluation`: runs the experiments of the protocols that are named, or of all that are reported, and writes docs/evaluation. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const named = process.argv.slice(2);
for (const protocol of named.length > 0 ? named : ["qsm", "ricochet", "plato"]) {
  const args = ["dist/cli/main.js", "sim", protocol, "all", "--out", "docs/evaluation"];
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
