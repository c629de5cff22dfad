import fc from "fast-check";
import { assert } from "../src/base/assert.ts";

/**
 * Where the seeds that random tests try begin, in simulations as in properties: `AMALGAM_SEED`. Without that the clock chooses, once for
 * each run, which says so (`vitest.config.ts`); the clock only chooses what is tried: each seed replays exactly.
 */
export const FIRST_SEED = Number(process.env["AMALGAM_SEED"]);
assert(
  Number.isSafeInteger(FIRST_SEED) && FIRST_SEED >= 0,
  `AMALGAM_SEED is "${process.env["AMALGAM_SEED"]}"; it has to be a whole number`,
);

fc.configureGlobal({ seed: FIRST_SEED });
