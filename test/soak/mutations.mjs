/*
 * Do the checks see anything? Plants faults in a copy of the protocols, one at a time, runs random schedules against each,
 * and says after how many a check objected, and which. A fault that survives is a promise that nobody checks, or a
 * situation that no schedule makes.
 *
 *   node test/soak/mutations.mjs [--schedules 200] [--seed 1] [name …]
 *
 * Ends with 1 if a fault survived.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** Where each fault goes: `from` must be there exactly once. With `groups` the schedules have process groups. */
const MUTATIONS = [
  {
    name: "obliged messages behind a hole are dropped",
    file: "ordering/orderer.ts",
    from: "if (!obliged && (",
    to: "if (obliged && (",
  },
  {
    name: "anybody's messages behind a hole are delivered",
    file: "ordering/orderer.ts",
    from: /\n *if \(!obliged && \(.*continue;/,
    to: "",
  },
  {
    name: "who commits is obliged to nothing new",
    file: "membership/evs.ts",
    from: "    this.#obligation = forming.recovery.obligation;\n",
    to: "",
  },
  {
    name: "what a later visitor exposes is not lacking at those before",
    file: "membership/obligation.ts",
    from: /\n *for \(const newSite of sitesBefore\) lackOf.*;/,
    to: "",
  },
  {
    name: "the obligation of failed attempts is forgotten",
    file: "membership/obligation.ts",
    from: "new Set([...record.commit, ...commit, me])",
    to: "new Set([...record.commit, me])",
  },
  {
    name: "knowledge of the others is taken over before everything is held",
    file: "membership/recovery.ts",
    from: "    if (this.missing() !== undefined) return false;\n",
    to: "",
  },
  {
    name: "the next install does not wait for all to commit",
    file: "ring/ring.ts",
    from: "if (this.#recovery.reached < 1) {",
    to: "if (this.#recovery.reached < 1 && !done) {",
  },
  {
    name: "safe messages are delivered like agreed ones",
    file: "ordering/orderer.ts",
    from: "fragment.service === SAFE && packet.lts > this.#safeLts",
    to: "fragment.service === SAFE && packet.lts > this.#safeLts + 1e9",
  },
  {
    name: "the aru is taken after one rotation",
    file: "ring/aru.ts",
    from: "Math.min(value, this.#passed)",
    to: "value",
  },
  {
    name: "the ids of configurations do not learn from others",
    file: "membership/evs.ts",
    from: "    form.maxTime = Math.max(form.maxTime, this.#maxTime);\n",
    to: "",
  },
  {
    name: "more is stamped than the window allows",
    file: "ring/ring.ts",
    from: "allowance -= bytes.length;",
    to: "",
  },
  {
    name: "stamps run away from what is stable",
    file: "ring/ring.ts",
    from: "Math.min(this.#config.seqMax, stable + gapMax)",
    to: "this.#config.seqMax",
  },
  {
    name: "what may still be on its way is asked for",
    file: "ring/ring.ts",
    from: "Math.min(this.#seqPassed, seqBefore) : seqBefore",
    to: "seqBefore : seqBefore",
  },
  {
    name: "an exchange that is cut short merges sets though the own one was not complete",
    file: "groups/groups.ts",
    from: "if (exchange.isOwnComplete) {",
    to: "if (exchange.others().length > 0) {",
    groups: true,
  },
  {
    name: "an exchange that is cut short keeps who did not come along",
    file: "groups/groups.ts",
    from: "if (this.#directory.prune(members)) unchanged = false;",
    to: "if (members.size === 0) unchanged = false;",
    groups: true,
  },
  {
    name: "after an exchange that was cut short the representative tells what it knew before it merged",
    file: "groups/groups.ts",
    from: "    if (!unchanged) this.#told = undefined;\n",
    to: "",
    groups: true,
  },
  {
    name: "who has merged a set in an exchange that was cut short does not count with it",
    file: "groups/groups.ts",
    from: "      for (const other of exchange.others()) {\n        this.#merge(other);\n",
    to: "      for (const other of exchange.others()) {\n        this.#directory.merge(other.state);\n",
    groups: true,
  },
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    schedules: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    run: { type: "string" },
    groups: { type: "boolean", default: false },
  },
});
const root = fileURLToPath(new URL("../..", import.meta.url));
if (values.run === undefined) process.exitCode = plantAll();
else await runSchedules(values.run);

function plantAll() {
  let survived = 0;
  const chosen = MUTATIONS.filter(({ name }) => positionals.every((part) => name.includes(part)));
  for (const mutation of chosen) {
    const line = plant(mutation);
    if (line.startsWith("SURVIVED")) survived++;
    console.log(`${line}: ${mutation.name}`);
  }
  console.log(`${chosen.length} faults planted, ${survived} survived ${values.schedules} schedules`);
  return survived > 0 ? 1 : 0;
}

/** One fault in a copy of the sources, in a process of its own: modules are loaded once per process. */
function plant({ file, from, to, groups }) {
  const copy = mkdtempSync(join(tmpdir(), "amalgam-mutation-"));
  try {
    cpSync(join(root, "src"), join(copy, "src"), { recursive: true });
    cpSync(join(root, "package.json"), join(copy, "package.json"));
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    const path = join(copy, "src", file);
    const text = readFileSync(path, "utf8");
    const places =
      typeof from === "string" ? text.split(from).length - 1 : [...text.matchAll(new RegExp(from, "g"))].length;
    if (places !== 1) return `SURVIVED (found ${places} times in ${file}, must be once)`;
    writeFileSync(path, text.replace(from, to));
    const args = ["--import", "tsx", fileURLToPath(import.meta.url), "--run", copy, ...(groups ? ["--groups"] : [])];
    const result = spawnSync(process.execPath, [...args, "--schedules", values.schedules, "--seed", values.seed], {
      cwd: root,
      encoding: "utf8",
    });
    return result.stdout.trim() || `SURVIVED (${result.stderr.trim().split("\n").at(-1)})`;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

async function runSchedules(copy) {
  const { runSchedule } = await import(join(copy, "src/sim/index.ts"));
  const first = Number(values.seed);
  for (let i = 0; i < Number(values.schedules); i++) {
    const { violations } = runSchedule(first + i, { groups: values.groups });
    if (violations.length === 0) continue;
    const properties = [...new Set(violations.map(({ property }) => property))].join(", ");
    console.log(`caught by ${properties} in schedule ${i + 1}`);
    return;
  }
  console.log("SURVIVED");
}
