import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineCommand } from "../command.ts";
import { CliError, ExitCode } from "../exit-codes.ts";

/** In a clone, from `dist/cli/commands` as from `src/cli/commands`; the package has no benchmarks. */
const SCRIPT = fileURLToPath(new URL("../../../scripts/bench.mjs", import.meta.url));

export const bench = defineCommand({
  name: "bench",
  summary: "measure throughput, latency and memory of this code on this machine",
  description: `Runs the benchmarks of the source tree, each in processes of its own: the reference if none is named, or all. They print a
    table, and write JSON and plots to bench/results. Each figure stands beside what bare sockets did in the same run.

    Most of them need root, for network namespaces that they make and remove. What follows -- are options of the
    benchmarks; the beginning of bench/NAME.ts lists them.

    The package does not contain them: it takes a clone, where npm run bench does the same.`,
  positionals: [{ name: "NAME", help: "benchmarks: qsm, throughput, latency, … or all", required: false, many: true }],
  options: {},
  examples: [
    { line: "sudo npx amalgam bench qsm", does: "scalable groups beside bare datagrams" },
    { line: "sudo npx amalgam bench throughput -- --sizes=1000 --repetitions=5", does: "one size, more often" },
    { line: "sudo npx amalgam bench -- --compare=old.json", does: "the reference beside an earlier one" },
  ],
  failure: "a benchmark failed",
  async run(args, terminal) {
    if (!existsSync(SCRIPT)) {
      throw new CliError(
        ExitCode.failed,
        "the benchmarks are not in the package: clone the source and say npm run bench there",
      );
    }
    return new Promise<number>((resolve, reject) => {
      const child = spawn(process.execPath, [SCRIPT, ...args.positionals], { stdio: "inherit" });
      const stop = (): void => void child.kill("SIGTERM");
      terminal.signal.addEventListener("abort", stop, { once: true });
      child.once("error", reject);
      child.once("exit", (code) => {
        terminal.signal.removeEventListener("abort", stop);
        if (terminal.signal.aborted) resolve(ExitCode.interrupted);
        else resolve(code ?? ExitCode.failed);
      });
    });
  },
});
