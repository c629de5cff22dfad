/*
 * Times on a hop are those of the clock of who writes them, in units of 10 µs modulo 2³²: twelve hours, far more than anything is under way.
 */

const UNITS_PER_MS = 100;

export function hopTime(now: number): number {
  return Math.round(now * UNITS_PER_MS) % 2 ** 32;
}

/** Milliseconds from the earlier time to the later one. A difference of more than six hours is one into the past, so negative. */
export function hopTimeBetween(earlier: number, later: number): number {
  return ((later - earlier) | 0) / UNITS_PER_MS;
}

/** A time so many milliseconds later. */
export function hopTimeAfter(time: number, ms: number): number {
  return (time + Math.round(ms * UNITS_PER_MS)) % 2 ** 32;
}
