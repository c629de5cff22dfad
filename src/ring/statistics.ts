/** Counters for people and metrics. */
export type RingStatistics = {
  packetsSent: number;
  packetsReceived: number;
  bytesSent: number;
  retransmitted: number;
  requested: number;
  duplicates: number;
  tokens: number;
  tokenResends: number;
  hurries: number;
  /** Smoothed time between two visits of the token while it moves, milliseconds. */
  rotationMs: number;
};

export function newRingStatistics(): RingStatistics {
  return {
    packetsSent: 0,
    packetsReceived: 0,
    bytesSent: 0,
    retransmitted: 0,
    requested: 0,
    duplicates: 0,
    tokens: 0,
    tokenResends: 0,
    hurries: 0,
    rotationMs: 0,
  };
}
