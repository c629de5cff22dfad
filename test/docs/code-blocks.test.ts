import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { PlatoGroup } from "../../src/plato/plato-group.ts";
import { nodeDefaults } from "../../src/qsm/config.ts";
import { TimelyNode } from "../../src/ricochet/timely-node.ts";
import { REPAIRS_DEFAULT } from "../../src/wire/timely/repairs.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PAGES = [
  "README.md",
  ...readdirSync(join(ROOT, "docs"), { recursive: true }).map((name) => `docs/${String(name)}`),
];

/** What the fragments among the blocks take from the program around them. Whole programs declare what they use. */
const AROUND = `
import type { Connection, Group } from "amalgam";
declare global {
  const connection: Connection;
  const group: Group;
  const order: string;
  const samples: readonly Uint8Array[];
  function apply(position: number, payload: Uint8Array): void;
  function undoBehind(position: number): void;
  function forgetUndoUpTo(position: number): void;
  function finishWhatBelongsToThisView(): Promise<void>;
}
`;

/** For programs outside: the strictest options, and the sources in place of the package. */
function settings(): string {
  const source = (path: string): string[] => [join(ROOT, "src", path)];
  const own = JSON.parse(readFileSync(join(ROOT, "tsconfig.json"), "utf8")) as { compilerOptions: object };
  const paths = {
    amalgam: source("index.ts"),
    "amalgam/daemon": source("daemon/index.ts"),
    "amalgam/sim": source("sim/index.ts"),
  };
  const compilerOptions = { ...own.compilerOptions, moduleDetection: "force", paths };
  return JSON.stringify({ compilerOptions, include: ["*.ts"] });
}

it("every block of TypeScript in the documentation type-checks", () => {
  const folder = mkdtempSync(join(tmpdir(), "amalgam-docs-"));
  try {
    let count = 0;
    for (const page of PAGES.filter((name) => name.endsWith(".md"))) {
      const text = readFileSync(join(ROOT, page), "utf8");
      for (const { index, 1: block = "" } of text.matchAll(/^```ts\n([^]*?)^```$/gm)) {
        const line = text.slice(0, index).split("\n").length;
        writeFileSync(join(folder, `${page.replaceAll("/", "-")}-line-${line}.ts`), block);
        count++;
      }
    }
    expect(count).toBeGreaterThan(10);
    writeFileSync(join(folder, "around.d.ts"), AROUND);
    writeFileSync(join(folder, "tsconfig.json"), settings());
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
    const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
    const { stdout, stderr } = spawnSync(process.execPath, [compiler, "-p", folder], { encoding: "utf8" });
    expect(`${stdout}${stderr}`).toBe("");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

it.each(["prices", "alarms"])("README shows examples/%s.ts as it is", (name) => {
  const example = readFileSync(join(ROOT, `examples/${name}.ts`), "utf8");
  const shown = example
    .replace("// In a project of your own: ", "")
    .replace('import { connect } from "../src/index.ts";\n', "");
  expect(readFileSync(join(ROOT, "README.md"), "utf8")).toContain(`\`\`\`ts\n${shown}\`\`\`\n`);
});

it("the longest messages of timely groups are as long as the documentation says", () => {
  const text = readFileSync(join(ROOT, "docs/client.md"), "utf8");
  const packet = TimelyNode.payloadBytesMax(nodeDefaults.datagramBytes, REPAIRS_DEFAULT.every);
  expect(text).toContain(`one packet: ${packet.toLocaleString("en-US")} bytes with the usual settings`);
  expect(text).toContain(`Payload: ${packet - PlatoGroup.payloadBytesMax(packet)} bytes less than without order`);
});
