import fc from "fast-check";

/**
 * Where the seeds that random tests try begin, in simulations as in properties. They are the same in every run, so that what fails
 * fails again, and whether a commit passes is no matter of luck. `AMALGAM_SEED` is another first one; `AMALGAM_SEED=fresh` takes
 * one from the clock, which is said where something fails.
 */
export const FIRST_SEED = firstSeed(process.env["AMALGAM_SEED"]);

function firstSeed(asked: string | undefined): number {
  if (asked === undefined || asked === "") return 1_000;
  if (asked === "fresh") return Date.now() % 1_000_000_000;
  const seed = Number(asked);
  if (Number.isSafeInteger(seed) && seed >= 0) return seed;
  throw new Error(`AMALGAM_SEED is "${asked}"; it may be a whole number, or fresh`);
}

fc.configureGlobal({ seed: FIRST_SEED });
