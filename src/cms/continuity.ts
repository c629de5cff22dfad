import { type ConfigurationId, configurationKey, type DaemonId } from "../base/ids.ts";

/**
 * An epoch that a primary configuration tried to begin. Durable at each of its members before the first id of the epoch is given out: what
 * a daemon forgets when it dies is that it knows the state, never that there is one.
 */
export type EpochRecord = {
  readonly epoch: number;
  readonly configuration: ConfigurationId;
  /** The epoch of the state from which it set out: if this epoch never began, that state is the last one. */
  readonly basis: number;
};

/** As it is kept: JSON, so that people can read it. */
export function encodeEpochRecord({ epoch, configuration: { leader, time }, basis }: EpochRecord): string {
  return `${JSON.stringify({ epoch, configuration: { leader, time }, basis })}\n`;
}

/** `undefined` for a text that is no record. */
export function decodeEpochRecord(text: string): EpochRecord | undefined {
  let json: Partial<Record<keyof EpochRecord, unknown>> | null;
  try {
    json = JSON.parse(text) as typeof json;
  } catch {
    return undefined;
  }
  const { epoch, configuration, basis } = json ?? {};
  const { leader, time } = (configuration ?? {}) as { leader?: unknown; time?: unknown };
  if (!isCount(epoch) || !isCount(basis) || !isCount(leader) || !isCount(time) || epoch <= basis) return undefined;
  return { epoch, configuration: { leader, time }, basis };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** What a daemon says of itself when a primary configuration begins. */
export type Standing = {
  /** The last epoch that it has taken part in beginning, in this life or an earlier one. */
  readonly attempt: EpochRecord | undefined;
  /**
   * Primary configurations that it has been in, in this life, and left: if an epoch began in one of them anywhere, it knows that, because
   * what is delivered as safe to one member is delivered to all that live. The latest `WITNESSED_MAX`.
   */
  readonly witnessed: readonly ConfigurationId[];
  /** It has begun no epoch in this life: of the sessions that it had before nobody knows whether they are there. */
  readonly isNew: boolean;
  /** Its state: of which epoch, how long its log is, and which (`Replica.chain`). */
  readonly epoch: number;
  readonly n: number;
  readonly chain: string;
};

export const WITNESSED_MAX = 16;

export type Verdict = {
  /** Greater than any that a member has heard of. */
  readonly epoch: number;
  readonly basis: number;
  /** The member whose state goes on; `undefined`: nobody here knows the last one, all begins anew. */
  readonly heir: DaemonId | undefined;
};

/**
 * Whose state goes on in a primary configuration (protocols.md J2, K59). All members come to the same verdict from the same standings,
 * which are in configured order.
 *
 * Two primary configurations have a member in common, and an epoch begins only when all members of its configuration have recorded it. So
 * the greatest recorded epoch E is at least the last one that began, and a state goes on if it is that of E, or if somebody knows that E
 * did not begin and it is the state from which E set out. Otherwise those who know the last state are dead or elsewhere: to go on from an
 * older one would give out its views' numbers again.
 */
export function judge(standings: ReadonlyMap<DaemonId, Standing>): Verdict {
  let greatest = 0;
  for (const { attempt } of standings.values()) greatest = Math.max(greatest, attempt?.epoch ?? 0);
  const witnessed = new Set<string>();
  const last: EpochRecord[] = [];
  let heir: [DaemonId, Standing] | undefined;
  for (const [daemon, standing] of standings) {
    for (const configuration of standing.witnessed) witnessed.add(configurationKey(configuration));
    if (standing.attempt !== undefined && standing.attempt.epoch === greatest) last.push(standing.attempt);
    if (heir === undefined || isLonger(standing, heir[1])) heir = [daemon, standing];
  }
  const known = heir?.[1].epoch ?? 0;
  const isKnown = last.every(
    ({ configuration, basis }) => witnessed.has(configurationKey(configuration)) && known >= basis,
  );
  if (!isKnown) return { epoch: greatest + 1, basis: greatest, heir: undefined };
  return { epoch: greatest + 1, basis: known, heir: heir?.[0] };
}

/** Whether their states are equal. */
export function isSameState(a: Standing, b: Standing): boolean {
  return a.epoch === b.epoch && a.n === b.n && a.chain === b.chain;
}

function isLonger(a: Standing, b: Standing): boolean {
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.n > b.n);
}
