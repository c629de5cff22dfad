/** Delivery services, weakest first (protocols.md G.2). */
export const SERVICES = ["unreliable", "reliable", "fifo", "causal", "agreed", "safe"] as const;
export type Service = (typeof SERVICES)[number];

/** Position in `SERVICES`; a stronger service has a greater rank. This is also its code on the wire. */
export function serviceRank(service: Service): number {
  return RANK[service];
}

/** The service with this rank, or `undefined` for a number that is none. */
export function serviceOfRank(rank: number): Service | undefined {
  return SERVICES[rank];
}

const RANK: Readonly<Record<Service, number>> = {
  unreliable: 0,
  reliable: 1,
  fifo: 2,
  causal: 3,
  agreed: 4,
  safe: 5,
};
