import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["src/**/*.test.ts", "test/**/*.test.ts"],
          exclude: ["test/soak/**"],
          testTimeout: 60_000,
        },
      },
      { test: { name: "soak", include: ["test/soak/**/*.test.ts"], testTimeout: 3_600_000 } },
    ],
  },
});
