import { setFlagsFromString } from "node:v8";

/** Of V8: whether helper threads take part in a collection of new objects. */
export const ALONE = "--no-parallel-scavenge";

/**
 * Has each thread of this process collect its new objects by itself, from now on: for a process that is a daemon and nothing else.
 *
 * A collection of new objects copies what survives, which in a daemon under full load is less than a megabyte, a millisecond's work. With
 * helpers its thread waits until each that has begun is done, and where all cores are busy that means until it is given time: of pauses of 10 ms the thread
 * itself worked for less than one.
 */
export function scavengeAlone(): void {
  setFlagsFromString(ALONE);
}
