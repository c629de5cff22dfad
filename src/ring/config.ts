/** Settings of the ring protocol; complete and checked (`ringConfig`). Sizes are bytes, times milliseconds. */
export type RingConfig = {
  /** Whole length of a full datagram, prefix included. Must pass the network in one piece. */
  readonly datagramBytes: number;
  /**
   * Whether a packet that another one follows at a visit is padded to `datagramBytes`: a network that sends whole batches in
   * one call needs packets of one length.
   */
  readonly padded: boolean;
  /** Bytes that may be multicast in one rotation, by all together: what the window grows to, and where it starts. */
  readonly windowBytesMax: number;
  readonly windowBytesStart: number;
  /** Bytes that one member may multicast in one rotation, also while nobody else sends. */
  readonly personalBytesMax: number;
  /** No new packet is stamped when this many are not yet stable. Fewer than four windows have would be the window's limit. */
  readonly gapMax: number;
  /** Accelerated ring (protocols.md G.8): how many packets of a visit leave after the token; 0 is the normal ring. */
  readonly acceleratedPackets: number;
  /** A passed token is sent again after this, or three rotations if that is longer, until somebody is seen to have it. */
  readonly tokenResendMs: number;
  /** A resting token goes round this often, so that its loss is noticed. */
  readonly tokenProbeMs: number;
  /** Stamps end here: a new configuration starts them again (protocols.md P3). */
  readonly seqMax: number;
};

/** As many packets may follow a token at most. */
export const ACCELERATED_MAX = 4_096;

export const ringDefaults: RingConfig = {
  datagramBytes: 1400,
  padded: false,
  windowBytesMax: 768 * 1024,
  windowBytesStart: 256 * 1024,
  personalBytesMax: 64 * 1024 * 1024,
  gapMax: 3000,
  acceleratedPackets: 15,
  tokenResendMs: 2,
  tokenProbeMs: 200,
  seqMax: 2 ** 30,
};

/** Completes and checks options; throws a `RangeError` that names the culprit. */
export function ringConfig(options: Partial<RingConfig> = {}): RingConfig {
  const config = { ...ringDefaults, ...options };
  const check = (name: Exclude<keyof RingConfig, "padded">, low: number, high: number): void => {
    const value = config[name];
    if (!(value >= low && value <= high)) {
      throw new RangeError(`${name} is ${value}; it must lie between ${low} and ${high}`);
    }
  };
  check("datagramBytes", 256, 65_000);
  check("windowBytesMax", config.datagramBytes, 64 * 1024 * 1024);
  check("windowBytesStart", config.datagramBytes, config.windowBytesMax);
  check("personalBytesMax", config.datagramBytes, 64 * 1024 * 1024);
  check("gapMax", 16, 4096);
  check("acceleratedPackets", 0, ACCELERATED_MAX);
  check("tokenResendMs", 0.01, 60_000);
  check("tokenProbeMs", 0.01, 60_000);
  check("seqMax", 64, 2 ** 30);
  return config;
}
