/**
 * What every protocol has in common: it never reads a clock, opens a socket or rolls dice. Commands and packets come
 * in as method calls that carry `now`; what it wants done goes out through an interface of verbs that its host
 * implements; and it says when it next wants to be called.
 *
 * Times are milliseconds of a monotonic clock, as fractions where the clock has them.
 */
export interface Machine {
  /** When `tick` wants to be called, or `NEVER`. May lie in the past: then it is due at once. */
  readonly deadline: number;
  /** Does what is due at `now`. Called early it does nothing. */
  tick(now: number): void;
}

export const NEVER = Number.POSITIVE_INFINITY;
