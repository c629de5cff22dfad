import { defineConfig } from "vitest/config";

/** Tests of what meets the world: sockets, processes, files, the clock. */
const REAL = [
  "src/{host,daemon,cli}/**/*.test.ts",
  "test/{e2e,net,link}/**/*.test.ts",
  "test/client/end-to-end.test.ts",
  "src/client/scalable/socket-world.test.ts",
  "test/docs/**/*.test.ts",
];
const SOAK = "test/soak/**/*.test.ts";
/** Far more than anything takes alone: real processes may have to share the machine. */
const TIMEOUT_MS = 120_000;
const setupFiles = ["test/seeds.ts"];

// Random tests have fresh seeds, one for the whole run.
const seed = process.env["AMALGAM_SEED"] || String(Date.now() % 1_000_000_000);
const env = { AMALGAM_SEED: seed };
console.info(`random tests begin with seed ${seed} (AMALGAM_SEED=${seed} repeats them)`);

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          // Machines and simulations: nothing in them depends on what goes on beside them, so they share the cores.
          name: "unit",
          include: ["src/**/*.test.ts", "test/**/*.test.ts"],
          exclude: [...REAL, SOAK],
          pool: "threads",
          maxWorkers: "100%",
          testTimeout: TIMEOUT_MS,
          hookTimeout: TIMEOUT_MS,
          setupFiles,
          env,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          // One after the other, on however many cores.
          name: "real",
          include: REAL,
          maxWorkers: 1,
          testTimeout: TIMEOUT_MS,
          hookTimeout: TIMEOUT_MS,
          setupFiles,
          env,
          sequence: { groupOrder: 2 },
        },
      },
      { test: { name: "soak", include: [SOAK], testTimeout: 3_600_000, env, sequence: { groupOrder: 3 } } },
    ],
  },
});
