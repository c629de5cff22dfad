import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["src/**/*.test.ts", "test/**/*.test.ts"],
          exclude: ["test/soak/**"],
          // Far more than anything takes alone: real processes may have to share the machine.
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      { test: { name: "soak", include: ["test/soak/**/*.test.ts"], testTimeout: 3_600_000 } },
    ],
  },
});
