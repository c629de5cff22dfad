import { type NodeOptions, type NodeSettings, nodeSettings } from "./scalable/options.ts";
import { isUserName } from "../wire/spread/names.ts";

/** How a connection is set up; every field has a default. */
export type ConnectOptions = {
  /**
   * The user part of the private group `#user#daemon`: 1 … 10 characters of `$`…`~`, unique at its daemon. By default
   * the daemon invents one.
   */
  readonly name?: string;
  /** 0 … 15: greater ones are served first where the daemon has a choice. Default 0. */
  readonly priority?: number;
  /** For daemons that ask for a password. */
  readonly credentials?: { readonly user: string; readonly password: string };
  /**
   * `native`: Amalgam's own protocol. `spread`: that of a stock Spread daemon, without resumption, large messages and
   * reports of delivery. `auto` (default): native, and Spread where a daemon does not know it.
   */
  readonly protocol?: "auto" | "native" | "spread";
  /** Ends the attempt to connect, and later the connection. */
  readonly signal?: AbortSignal;
  /** False: a lost connection stays lost. Otherwise how to come back (native protocol only). */
  readonly reconnect?: boolean | Partial<ReconnectConfig>;
  /** Longest time that opening a stream and greeting may take, in ms. Default 5000. */
  readonly handshakeMs?: number;
  /** A connection that is silent for this time, in ms, is asked for a sign of life, and given up after three times. Default 10,000. */
  readonly silenceMs?: number;
  /**
   * Events that may wait to be read, in all streams of the connection, with a Spread daemon. When there are more, the client
   * stops reading from it. (A native daemon itself stops a window ahead of what is read.) Default 10,000.
   */
  readonly eventsMax?: number;
  /** Bytes of messages that may wait to be read, with a Spread daemon. Default 64 MiB. */
  readonly eventBytesMax?: number;
  /** Payload bytes that may be sent without having been accepted by a daemon; more is refused as `BUSY`. Default 64 MiB. */
  readonly unacceptedBytesMax?: number;
  /** Messages that may be sent without having been accepted. Default 100,000. */
  readonly unacceptedMax?: number;
  /** How this connection takes part in scalable groups. */
  readonly node?: NodeOptions;
};

/** How to come back after a connection was lost. */
export type ReconnectConfig = {
  /** First delay, in ms; it doubles, with jitter of half its length. Default 50. */
  readonly delayMs: number;
  /** Longest delay, in ms. Default 5000. */
  readonly delayMaxMs: number;
  /** The connection ends when it could not be restored for this long, in ms. Default 60,000. */
  readonly giveUpMs: number;
};

/** The options, complete and checked. */
export type ClientConfig = {
  readonly name: string;
  readonly priority: number;
  readonly credentials: { readonly user: string; readonly password: string } | undefined;
  readonly protocol: "auto" | "native" | "spread";
  readonly reconnect: ReconnectConfig | undefined;
  readonly handshakeMs: number;
  readonly silenceMs: number;
  readonly eventsMax: number;
  readonly eventBytesMax: number;
  readonly unacceptedBytesMax: number;
  readonly unacceptedMax: number;
  readonly node: NodeSettings;
};

const RECONNECT_DEFAULTS: ReconnectConfig = { delayMs: 50, delayMaxMs: 5_000, giveUpMs: 60_000 };

/** Completes and checks options; throws a `RangeError` that names the culprit. */
export function clientConfig(options: ConnectOptions): ClientConfig {
  const { name = "", priority = 0, protocol = "auto", reconnect = true } = options;
  if (name !== "" && !isUserName(name)) {
    throw new RangeError(`name: "${name}" must have 1 to 10 characters from "$" to "~" (no blank, ", # or accent)`);
  }
  if (!Number.isInteger(priority) || priority < 0 || priority > 15) {
    throw new RangeError(`priority: ${priority} is not an integer of 0 to 15`);
  }
  if (!["auto", "native", "spread"].includes(protocol)) {
    throw new RangeError(`protocol: ${JSON.stringify(protocol)} is none of "auto", "native", "spread"`);
  }
  const config: ClientConfig = {
    name,
    priority,
    credentials: options.credentials,
    protocol,
    reconnect:
      reconnect === false ? undefined : { ...RECONNECT_DEFAULTS, ...(reconnect === true ? undefined : reconnect) },
    handshakeMs: options.handshakeMs ?? 5_000,
    silenceMs: options.silenceMs ?? 10_000,
    eventsMax: options.eventsMax ?? 10_000,
    eventBytesMax: options.eventBytesMax ?? 64 * 1024 * 1024,
    unacceptedBytesMax: options.unacceptedBytesMax ?? 64 * 1024 * 1024,
    unacceptedMax: options.unacceptedMax ?? 100_000,
    node: nodeSettings(options.node),
  };
  for (const [key, value] of Object.entries({ ...config, ...config.reconnect })) {
    if (typeof value === "number" && key !== "priority" && !(value > 0)) {
      throw new RangeError(`${key}: ${value} is not a positive number`);
    }
  }
  return config;
}
