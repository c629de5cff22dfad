import type { RegionPolicy } from "../../cms/region-policy.ts";
import type { NodeConfig } from "../../qsm/config.ts";
import type { Fault } from "../faults.ts";

/** Daemons' numbers in faults begin behind this one, machines' with 1. */
export const DAEMONS_FROM = 100_000;

/** A message of a machine's application. */
export type RegionSend = {
  readonly at: number;
  readonly machine: number;
  readonly group: string;
  readonly bytes: number;
};

/** A machine's application joins or leaves a group. What it has joined, it joins again whenever it starts anew. */
export type GroupAct = {
  readonly at: number;
  readonly machine: number;
  readonly group: string;
  readonly what: "join" | "leave";
};

/** Something that goes wrong; those of daemons' schedules that make sense for nodes, `daemon` naming a machine, and some more. */
export type RegionFault =
  | Exclude<Fault, { readonly kind: "trap" | "leave" }>
  /** The machine's daemon fails: its path to the membership service is interrupted for so long, and goes on without loss. */
  | { readonly kind: "failOver"; readonly at: number; readonly daemon: number; readonly forMs: number }
  /** For so long, what the service tells the machine takes so much longer. */
  | {
      readonly kind: "lag";
      readonly at: number;
      readonly daemon: number;
      readonly byMs: number;
      readonly forMs: number;
    }
  /** The machine's application does not keep up for so long, and its senders wait for it (`Node.hold`). */
  | { readonly kind: "hold"; readonly at: number; readonly daemon: number; readonly forMs: number }
  | LeaderTrap
  /** For so long the machine finds no multicast: what it sends goes to each member by itself, or is passed on by a few. */
  | { readonly kind: "noMulticast"; readonly at: number; readonly daemon: number; readonly forMs: number };

/**
 * From `at` on it lies in wait until a token says that packets are lost, and has left its leader: so long after that the leader's machine
 * fails, and comes back later. Happens once.
 */
export type LeaderTrap = { readonly kind: "leaderTrap"; readonly at: number; readonly delayMs: number };

/** Faults of nodes only, that the simulated network knows nothing of. */
export type NodeFault = RegionFault & { readonly kind: "failOver" | "lag" | "hold" | "noMulticast" | "leaderTrap" };

export function isNodeFault(fault: RegionFault): fault is NodeFault {
  return ["failOver", "lag", "hold", "noMulticast", "leaderTrap"].includes(fault.kind);
}

/** A whole run of nodes as plain data. Times are ms from the start. */
export type RegionSchedule = {
  /** Of the network's chances and the nodes' own; what is listed here is fixed. */
  readonly seed: number;
  /** Machines 1 … n. */
  readonly machines: number;
  readonly acts: readonly GroupAct[];
  readonly sends: readonly RegionSend[];
  readonly faults: readonly RegionFault[];
  /** From here on there are no faults, and nobody joins or leaves. */
  readonly quietAt: number;
  /** Until then all has to be over: everything sent is stable, all ended views are retired, and everybody is silent. */
  readonly endAt: number;
  /** Departures from `nodeDefaults`. */
  readonly config: Partial<Omit<NodeConfig, "me" | "cluster">>;
  /** How nodes become regions. */
  readonly policy: RegionPolicy;
  /** Control and repairs in one class, as in the paper's measured system (protocols.md A57). */
  readonly twoClass: boolean;
  /** A node that is not heard of for so long is declared failed. */
  readonly failureMs: number;
  /** The service hears of the end of a process at once, not by its silence. */
  readonly endTells: boolean;
  /** What comes to the service within this time is one batch. */
  readonly batchMs: number;
  /** The service: a simple one of the simulator's own, the state of the real one, or whole daemons that run it. */
  readonly service: "model" | "replica" | "daemons";
  /** How many daemons; faults name the first `DAEMONS_FROM` + 1. */
  readonly daemons?: number;
  /** Of the paths between nodes and the service. */
  readonly pathMs: number;
};
