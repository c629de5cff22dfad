import type { NodeConfig } from "../../qsm/config.ts";
import { type CostModel, MANAGED_2007 } from "./cost-model.ts";

/** What senders do: as much as they can, or so many messages per second, each. */
export type Workload = "greatest" | { readonly perSecond: number };

/**
 * In which order what has come is processed (A57): tokens, then repairs, then data; tokens and repairs as they have come, then data, as in
 * the paper's system; or everything as it has come.
 */
export type PacketClasses = "three" | "two" | "one";

/** What is wrong with one node (protocols.md A.12, Q9, Q10): in each `everyMs`, so long. */
export type Perturbation = {
  readonly kind: "sleep" | "loss";
  /** Number of the node, from 0. */
  readonly node: number;
  readonly everyMs: number;
  readonly forMs: number;
};

/** What every node loses of all that comes to it, control as well: a share, so many datagrams in a row, each node by itself. */
export type RandomLoss = { readonly share: number; readonly burst: number };

/** What happens once, to several nodes at a time: they end, their processors stop for `forMs`, or all that comes to them is lost so long. */
export type Incident = {
  readonly kind: "crash" | "freeze" | "loss";
  readonly at: number;
  readonly nodes: readonly number[];
  readonly forMs: number;
};

/** A calm system under load: nodes, what they send, and what the computers can do. Plain data. Times are ms. */
export type LoadScenario = {
  readonly seed: number;
  /** Groups of each node, by number from 1. Nodes with the same groups are a region; equal lists had better be one object. */
  readonly groupsOf: readonly (readonly number[])[];
  /** Numbers of the nodes that send, to one of their groups after the other. */
  readonly senders: readonly number[];
  readonly workload: Workload;
  readonly payloadBytes: number;
  /**
   * So many messages are one simulated packet, with the bytes and the costs of so many. Tokens are not affected. Makes large systems
   * cheap to simulate; what is lost is that things are told apart that are shorter than so many packets.
   */
  readonly packetsAsOne: number;
  /** Departures from `nodeDefaults`. */
  readonly config: Partial<Omit<NodeConfig, "me" | "cluster">>;
  /** Whether senders adapt to what receivers take. If not, only the window holds them (as in the system that the paper measures). */
  readonly ratesAdapt: boolean;
  readonly classes: PacketClasses;
  /** How long packets are processed before timers are looked at. */
  readonly packetQuantumMs: number;
  readonly costs: CostModel;
  /** Memory in use at each receiver, MB, beyond what the costs say. */
  readonly receiverExtraMb: number;
  readonly bytesPerMs: number;
  readonly latencyMs: number;
  readonly receiveBytes: number;
  readonly loss?: RandomLoss;
  /** One of kind `loss` takes the place of `loss` at its node, as do incidents. */
  readonly perturbation?: Perturbation;
  readonly incidents: readonly Incident[];
  /** What is measured begins after so long, and goes on for so long. */
  readonly warmUpMs: number;
  readonly measureMs: number;
};

/** Where the paper's system differs from our defaults: one token that visits all, and 100,000 packets of a sender that may be unacknowledged (M4). */
export const PAPER_CONFIG = {
  ringMode: "sequential",
  windowBytes: 100_000_000,
  windowResumeBytes: 50_000_000,
  // Rounds begin by the clock alone.
  roundBytes: Number.MAX_SAFE_INTEGER,
} as const;

/**
 * The paper's cluster: 100 Mbit/s, receive buffers of 4 MiB, a token each second, five cachers; one region, and its node 0 sends
 * messages of 1,000 bytes as fast as it can to its only group.
 */
export function scenario(nodes: number, changes: Partial<LoadScenario> = {}): LoadScenario {
  return {
    seed: 1,
    groupsOf: oneRegion(nodes, 1),
    senders: [0],
    workload: "greatest",
    payloadBytes: 1_000,
    packetsAsOne: 16,
    config: PAPER_CONFIG,
    ratesAdapt: false,
    classes: "three",
    packetQuantumMs: 5,
    costs: MANAGED_2007,
    receiverExtraMb: 0,
    bytesPerMs: 12_500,
    latencyMs: 0.05,
    receiveBytes: 4 * 1024 * 1024,
    incidents: [],
    warmUpMs: 4_000,
    measureMs: 8_000,
    ...changes,
  };
}

/** All nodes in all groups. */
export function oneRegion(nodes: number, groups: number): readonly (readonly number[])[] {
  const all = Array.from({ length: groups }, (_, i) => i + 1);
  return Array.from({ length: nodes }, () => all);
}
