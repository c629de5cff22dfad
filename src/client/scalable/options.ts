import { type NodeConfig, nodeDefaults } from "../../qsm/config.ts";
import { timelyDefaults } from "../../ricochet/config.ts";
import type { LateralRate } from "../../qsm/lateral.ts";
import { repairsOf } from "../../wire/timely/repairs.ts";
import type { NodeSetup } from "./node-world.ts";

/** How a connection takes part in scalable and timely groups: its node, which is made with the first join of one. Every field has a default. */
export type NodeOptions = {
  /**
   * The address of this host, a number, at which the other nodes reach it. Default: the one at which the daemons know this host, if one
   * of them is on it; otherwise that of the connection to the daemon.
   */
  readonly host?: string;
  /** The first of three UDP ports in a row (control, repairs, data). Default: the system chooses. */
  readonly port?: number;
  /**
   * How packets go to a region: to its multicast address, to each member by itself, or to a few members who pass them on (`relay`). `auto`
   * (default): by multicast where the daemon has found that it reaches the other daemons, else by `relay`.
   */
  readonly dissemination?: "auto" | "multicast" | "unicast" | "relay";
  /** What this node sends at most, over all groups and repairs included: its share of the network. Default 1,000,000. */
  readonly packetsPerSecondMax?: number;
  /** Longest datagram in bytes: more than the network takes in one piece is lost more easily. Default 1,400. */
  readonly datagramBytes?: number;
  /**
   * How often the leader of a region asks all members what they have, at most, unless much has been sent: after how long `delivered`
   * resolves, and a loss is repaired. Default 5.
   */
  readonly roundsPerSecond?: number;
  /**
   * Members of scalable groups send each other repairs at once, besides the token's: after every `every` packets received one, so that repairs of
   * `copies` others cover each packet at each member. Most losses are then repaired within milliseconds, and the token brings the rest. To be set
   * at all members; costs them `copies`/`every` packets more for each. Default: none.
   */
  readonly repairs?: { readonly every?: number; readonly copies?: number };
  /**
   * In which order a node processes what has come: control before repairs before data (`three`, default), or control and repairs in one class
   * before data (`two`), as the system of the paper did, for comparison: while many repairs come, tokens wait among them.
   */
  readonly classes?: "three" | "two";
  /** `fifo` (default): messages of a sender come in the order in which it sent them. `onReceipt`: each as soon as it is here. */
  readonly delivery?: "fifo" | "onReceipt";
  /** Payload bytes that may be sent and not be known to be everywhere; then `send` waits. Default 16 MiB. */
  readonly windowBytesMax?: number;
  /**
   * Longest burst of losses, in packets, that repairs of timely groups are spread against: the same at all members. Repairs come later by that
   * factor. Default 1.
   */
  readonly burstPackets?: number;
  /** Messages and payload bytes of a group that may wait to be read; then its policy for slow receivers applies. Default 65,536; 16 MiB. */
  readonly waitingMax?: number;
  readonly waitingBytesMax?: number;
};

/** The options, complete and checked. */
export type NodeSettings = Required<Omit<NodeOptions, "host" | "port" | "repairs">> & {
  readonly repairs: LateralRate | undefined;
  readonly host: string | undefined;
  readonly port: number | undefined;
};

const DATAGRAM_BYTES_MIN = 512;
const DATAGRAM_BYTES_MAX = 65_507;

const BURST_MAX = 100;

/** A round takes about a millisecond. */
const ROUNDS_MAX = 1_000;

function lateralRate(wanted: NonNullable<NodeOptions["repairs"]>): LateralRate {
  const repairs = repairsOf(wanted);
  if (typeof repairs === "string") throw new RangeError(`node: ${repairs}`);
  if (repairs.recovery !== undefined) throw new RangeError('node: "repairs.recovery" is for timely groups');
  return { every: repairs.every, copies: repairs.copies };
}

/** Completes and checks options; throws a `RangeError` that names the culprit. */
export function nodeSettings(options: NodeOptions = {}): NodeSettings {
  const settings: NodeSettings = {
    host: options.host,
    port: options.port,
    dissemination: options.dissemination ?? "auto",
    packetsPerSecondMax: options.packetsPerSecondMax ?? nodeDefaults.rateMax,
    datagramBytes: options.datagramBytes ?? nodeDefaults.datagramBytes,
    roundsPerSecond: options.roundsPerSecond ?? 5,
    classes: options.classes ?? "three",
    delivery: options.delivery ?? "fifo",
    windowBytesMax: options.windowBytesMax ?? nodeDefaults.windowBytes,
    repairs: options.repairs && lateralRate(options.repairs),
    burstPackets: options.burstPackets ?? timelyDefaults.burstPackets,
    waitingMax: options.waitingMax ?? 65_536,
    waitingBytesMax: options.waitingBytesMax ?? 16 * 1024 * 1024,
  };
  const { host, port, dissemination, classes, delivery, datagramBytes, packetsPerSecondMax } = settings;
  if (host !== undefined && !/^[0-9a-fA-F.:]+$/.test(host)) {
    throw new RangeError(`node.host: "${host}" is not an address such as 10.0.0.7 (a name will not do)`);
  }
  if (host === "0.0.0.0" || (host !== undefined && /^[0:]+$/.test(host))) {
    throw new RangeError(
      `node.host: ${host} is every address of this host, and no other host reaches it there: say which one`,
    );
  }
  if (port !== undefined && !(Number.isInteger(port) && port >= 1 && port <= 65_533)) {
    throw new RangeError(`node.port: ${port} is not a port from 1 to 65533 (the next two are used as well)`);
  }
  if (!["auto", "multicast", "unicast", "relay"].includes(dissemination)) {
    throw new RangeError(`node.dissemination: "${dissemination}" is none of auto, multicast, unicast, relay`);
  }
  if (!["fifo", "onReceipt"].includes(delivery)) {
    throw new RangeError(`node.delivery: "${delivery}" is none of fifo, onReceipt`);
  }
  if (!["three", "two"].includes(classes)) {
    throw new RangeError(`node.classes: "${classes}" is none of three, two`);
  }
  const isLength = Number.isInteger(datagramBytes);
  if (!(isLength && datagramBytes >= DATAGRAM_BYTES_MIN && datagramBytes <= DATAGRAM_BYTES_MAX)) {
    throw new RangeError(
      `node.datagramBytes: ${datagramBytes} is not an integer of ${DATAGRAM_BYTES_MIN} to ${DATAGRAM_BYTES_MAX}`,
    );
  }
  if (!(packetsPerSecondMax >= nodeDefaults.rateMin)) {
    throw new RangeError(`node.packetsPerSecondMax: ${packetsPerSecondMax} is less than ${nodeDefaults.rateMin}`);
  }
  const { burstPackets } = settings;
  if (!(Number.isInteger(burstPackets) && burstPackets >= 1 && burstPackets <= BURST_MAX)) {
    throw new RangeError(`node.burstPackets: ${burstPackets} is not an integer of 1 to ${BURST_MAX}`);
  }
  if (!(settings.roundsPerSecond <= ROUNDS_MAX)) {
    throw new RangeError(`node.roundsPerSecond: ${settings.roundsPerSecond} is more than ${ROUNDS_MAX}`);
  }
  for (const name of ["roundsPerSecond", "windowBytesMax", "waitingMax", "waitingBytesMax"] as const) {
    if (!(settings[name] > 0)) throw new RangeError(`node.${name}: ${settings[name]} is not a positive number`);
  }
  return settings;
}

/** What the settings mean for the parts of a node. */
export function nodeSetup(settings: NodeSettings, me: number, cluster: number): NodeSetup {
  const { datagramBytes, burstPackets, classes } = settings;
  return { node: nodeConfig(settings, me, cluster), timely: { datagramBytes, burstPackets }, classes };
}

function nodeConfig(settings: NodeSettings, me: number, cluster: number): NodeConfig {
  const { dissemination, packetsPerSecondMax, datagramBytes, roundsPerSecond, delivery, windowBytesMax } = settings;
  return {
    ...nodeDefaults,
    me,
    cluster,
    datagramBytes,
    rateMax: packetsPerSecondMax,
    rateStart: Math.min(nodeDefaults.rateStart, packetsPerSecondMax),
    tokenRate: roundsPerSecond,
    delivery,
    lateral: settings.repairs,
    relays: dissemination !== "unicast",
    windowBytes: windowBytesMax,
    windowResumeBytes: windowBytesMax / 2,
  };
}
