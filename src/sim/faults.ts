import type { DaemonId } from "../base/ids.ts";
import { unreachable } from "../base/assert.ts";
import { type LossModel, NO_LOSS } from "./loss.ts";
import type { Latency } from "./network-model.ts";
import type { MembershipStateName } from "../membership/events.ts";
import type { World } from "./world.ts";

/** Something that goes wrong, or is mended, at a simulated time (ms): plain data, so that it can be printed and replayed. */
export type Fault =
  /** Only inside the parts does anything pass; daemons in none are alone. Replaces all cuts before it. */
  | { readonly kind: "split"; readonly at: number; readonly parts: readonly (readonly DaemonId[])[] }
  /** One direction between two daemons fails. */
  | { readonly kind: "oneWay"; readonly at: number; readonly from: DaemonId; readonly to: DaemonId }
  | { readonly kind: "heal"; readonly at: number }
  | { readonly kind: "crash"; readonly at: number; readonly daemon: DaemonId }
  | { readonly kind: "restart"; readonly at: number; readonly daemon: DaemonId; readonly loseDisk?: boolean }
  /** A daemon is asked to leave, and ends. */
  | { readonly kind: "leave"; readonly at: number; readonly daemon: DaemonId }
  | { readonly kind: "freeze"; readonly at: number; readonly daemon: DaemonId; readonly forMs: number }
  | {
      readonly kind: "slow";
      readonly at: number;
      readonly daemon: DaemonId;
      readonly factor: number;
      readonly forMs: number;
    }
  | { readonly kind: "loss"; readonly at: number; readonly model: LossModel; readonly forMs: number }
  | {
      readonly kind: "linkLoss";
      readonly at: number;
      readonly from: DaemonId;
      readonly to: DaemonId;
      readonly model: LossModel;
      readonly forMs: number;
    }
  | {
      readonly kind: "disorder";
      readonly at: number;
      readonly duplicate: number;
      readonly reorder: number;
      readonly forMs: number;
    }
  | { readonly kind: "latency"; readonly at: number; readonly latency: Latency; readonly forMs: number }
  /** All datagrams from some daemons to others get lost as the model says, in this direction: a link between sites. */
  | {
      readonly kind: "siteLoss";
      readonly at: number;
      readonly from: readonly DaemonId[];
      readonly to: readonly DaemonId[];
      readonly model: LossModel;
      readonly forMs: number;
    }
  /** What some daemons send to others meanwhile comes so much later, when what is sent afterwards has long come. */
  | {
      readonly kind: "detour";
      readonly at: number;
      readonly from: readonly DaemonId[];
      readonly to: readonly DaemonId[];
      readonly ms: number;
      readonly forMs: number;
    }
  /** What one daemon sends on the data channel gets lost at others, as if their buffers were full; its tokens arrive. */
  | {
      readonly kind: "dataLoss";
      readonly at: number;
      readonly from: DaemonId;
      readonly to: readonly DaemonId[];
      readonly probability: number;
      readonly forMs: number;
    }
  /**
   * From `at` on another fault lies in wait until a daemon enters a state of its membership, and happens once, so many ms
   * after that (its own `at` does not count): what goes wrong in the few ms of a recovery.
   */
  | {
      readonly kind: "trap";
      readonly at: number;
      readonly daemon: DaemonId;
      readonly state: MembershipStateName;
      readonly delayMs: number;
      readonly fault: Fault;
    };

/** Kinds that happen on their own; `dataLoss` and `trap` are parts of an ambush (ambush.ts), `siteLoss` needs sites; `detour` is for schedules made by hand. */
export const FAULT_KINDS = [
  "split",
  "oneWay",
  "heal",
  "crash",
  "restart",
  "leave",
  "freeze",
  "slow",
  "loss",
  "linkLoss",
  "disorder",
  "latency",
] as const satisfies readonly Fault["kind"][];

/** What a fault does beyond the network and the nodes: to the processes that run on them. */
export interface FaultHooks {
  crash(daemon: DaemonId): void;
  restart(daemon: DaemonId, loseDisk: boolean): void;
  leave(daemon: DaemonId): void;
  /** Calls the action when the daemon's present process next enters the state. */
  whenEnters(daemon: DaemonId, state: MembershipStateName, action: () => void): void;
}

/**
 * Makes a fault happen now; what it limits in time is mended by itself. Once `isQuiet`, no trap
 * springs any more.
 */
export function inject(world: World, fault: Fault, hooks: FaultHooks, isQuiet: () => boolean): void {
  const { now } = world;
  switch (fault.kind) {
    case "split":
      world.split(fault.parts);
      return;
    case "oneWay":
      world.cut(fault.from, fault.to);
      return;
    case "heal":
      world.heal();
      return;
    case "crash":
      hooks.crash(fault.daemon);
      return;
    case "restart":
      hooks.restart(fault.daemon, fault.loseDisk === true);
      return;
    case "leave":
      hooks.leave(fault.daemon);
      return;
    case "freeze":
      world.node(fault.daemon).freeze(fault.forMs);
      return;
    case "slow":
      world.node(fault.daemon).slow(fault.factor);
      world.at(now + fault.forMs, () => world.node(fault.daemon).slow(1));
      return;
    case "loss":
      world.datagrams.setLoss(fault.model);
      world.at(now + fault.forMs, () => world.datagrams.setLoss(NO_LOSS));
      return;
    case "linkLoss": {
      const [from, to] = [world.indexOf(fault.from), world.indexOf(fault.to)];
      world.datagrams.setLoss(fault.model, from, to);
      world.at(now + fault.forMs, () => world.datagrams.setLoss(NO_LOSS, from, to));
      return;
    }
    case "siteLoss":
      setSiteLoss(world, fault, fault.model);
      world.at(now + fault.forMs, () => setSiteLoss(world, fault, NO_LOSS));
      return;
    case "detour":
      setDetour(world, fault, fault.ms);
      world.at(now + fault.forMs, () => setDetour(world, fault, 0));
      return;
    case "disorder":
      world.datagrams.setDisorder(fault.duplicate, fault.reorder);
      world.at(now + fault.forMs, () => world.datagrams.setDisorder(0, 0));
      return;
    case "latency": {
      const usual = world.datagrams.model.latency;
      world.datagrams.setLatency(fault.latency);
      world.at(now + fault.forMs, () => world.datagrams.setLatency(usual));
      return;
    }
    case "dataLoss":
      setDataLoss(world, fault, fault.probability);
      world.at(now + fault.forMs, () => setDataLoss(world, fault, 0));
      return;
    case "trap":
      hooks.whenEnters(fault.daemon, fault.state, () => {
        world.at(world.now + fault.delayMs, () => {
          if (!isQuiet()) inject(world, fault.fault, hooks, isQuiet);
        });
      });
      return;
    default:
      unreachable(fault);
  }
}

function setDataLoss(world: World, fault: Fault & { readonly kind: "dataLoss" }, probability: number): void {
  for (const to of fault.to) world.datagrams.setDataLoss(probability, world.indexOf(fault.from), world.indexOf(to));
}

function setSiteLoss(world: World, fault: Fault & { readonly kind: "siteLoss" }, model: LossModel): void {
  for (const from of fault.from) {
    for (const to of fault.to) world.datagrams.setLoss(model, world.indexOf(from), world.indexOf(to));
  }
}

function setDetour(world: World, fault: Fault & { readonly kind: "detour" }, ms: number): void {
  for (const from of fault.from) {
    for (const to of fault.to) world.datagrams.setDetour(ms, world.indexOf(from), world.indexOf(to));
  }
}

/** Mends the network and wakes everybody up. Crashed daemons stay down. */
export function mend(world: World, daemons: readonly DaemonId[]): void {
  world.heal();
  world.datagrams.setLoss(NO_LOSS);
  world.datagrams.setDisorder(0, 0);
  world.datagrams.setLatency(world.datagrams.model.latency);
  for (const daemon of daemons) {
    world.node(daemon).slow(1);
    world.node(daemon).thaw();
  }
}

/** One line for people. */
export function describeFault(fault: Fault): string {
  const { kind, at: _at, ...rest } = fault;
  if (fault.kind === "split") return `split ${fault.parts.map((part) => `{${part.join(", ")}}`).join(" | ")}`;
  const details = Object.entries(rest).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  return [kind, ...details].join(" ");
}
