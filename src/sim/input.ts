import type { Fault } from "./faults.ts";
import { type LossModel, NO_LOSS } from "./loss.ts";
import type { SiteLayout } from "./world.ts";

/*
 * What people hand to a simulation is checked here, and what does not fit is a `RangeError` that names it: inside, it would be taken for a
 * broken invariant of the simulator, or for nothing at all.
 */

/** The daemons of a simulation, by segments: `count` means one segment with 1 … count. */
export function layoutOf(daemons: number | SiteLayout): SiteLayout {
  if (typeof daemons === "number") {
    if (!Number.isSafeInteger(daemons) || daemons < 1) {
      throw new RangeError(`daemons: ${daemons} is no number of daemons; at least 1`);
    }
    return [Array.from({ length: daemons }, (_, i) => i + 1)];
  }
  const all = daemons.flat();
  if (all.length === 0) throw new RangeError("daemons: no segment has a daemon");
  for (const [i, daemon] of all.entries()) {
    if (!Number.isSafeInteger(daemon) || daemon < 1) throw new RangeError(`daemons: ${daemon} is no daemon's number`);
    if (all.indexOf(daemon) !== i) throw new RangeError(`daemons: ${daemon} stands there twice`);
  }
  return daemons;
}

/** `seed`: any integer that a number holds exactly. */
export function checkSeed(seed: number): number {
  if (!Number.isSafeInteger(seed) || seed < 0) throw new RangeError(`seed: ${seed} is no integer from 0 to 2^53 - 1`);
  return seed;
}

/** Milliseconds that are to pass. */
export function checkTime(what: string, ms: number): number {
  if (!(ms >= 0 && ms < Number.POSITIVE_INFINITY)) throw new RangeError(`${what}: ${ms} ms cannot pass`);
  return ms;
}

/** A loss model; a share of all datagrams is a model, too. */
export function lossOf(model: number | LossModel): LossModel {
  const chosen: LossModel = typeof model === "number" ? { kind: "uniform", probability: model } : model;
  for (const [name, value] of Object.entries(chosen)) {
    if (typeof value !== "number") continue;
    const isCount = name === "length" || name.endsWith("Ms");
    if (isCount ? !(value > 0) : !(value >= 0 && value <= 1)) {
      throw new RangeError(`loss: ${name} ${value} is ${isCount ? "not above 0" : "no share of 0 to 1"}`);
    }
  }
  return model === 0 ? NO_LOSS : chosen;
}

/** A fault in a simulation of these daemons. */
export function checkFault(fault: Fault, daemons: readonly number[]): void {
  const check = (daemon: number): void => {
    if (daemons.includes(daemon)) return;
    throw new RangeError(`${fault.kind}: there is no daemon ${daemon}; there are ${daemons.join(", ")}`);
  };
  if ("daemon" in fault) check(fault.daemon);
  if ("from" in fault) for (const daemon of [fault.from].flat()) check(daemon);
  if ("to" in fault) for (const daemon of [fault.to].flat()) check(daemon);
  if ("forMs" in fault) checkTime(fault.kind, fault.forMs);
  if ("model" in fault) lossOf(fault.model);
  if ("probability" in fault) lossOf(fault.probability);
  if (fault.kind === "disorder") [fault.duplicate, fault.reorder].forEach(lossOf);
  if (fault.kind === "trap") checkFault(fault.fault, daemons);
  if (fault.kind !== "split") return;
  const parts = fault.parts.flat();
  parts.forEach(check);
  const twice = parts.find((daemon, i) => parts.indexOf(daemon) !== i);
  if (twice !== undefined) throw new RangeError(`split: daemon ${twice} is in two parts`);
}
