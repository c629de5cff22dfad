/**
 * The timeouts of daemon membership in milliseconds (protocols.md G.9). All daemons of a site use the same ones: who
 * gives up sooner than the others costs everybody another attempt.
 */
export type MembershipTimeouts = {
  /** Without the token for so long, the ring is lost and a new one forms. */
  readonly tokenMs: number;
  /** How often an idle token goes round, so that its loss is noticed. */
  readonly tokenProbeMs: number;
  /** Between two ALIVE packets of a daemon in state SEG. */
  readonly aliveMs: number;
  /** Between two JOIN packets of a representative in state GATHER. */
  readonly joinMs: number;
  /** A represented daemon without word from its representative for so long starts again in SEG. */
  readonly repMs: number;
  /** How long SEG collects daemons of its segment. */
  readonly segMs: number;
  /** How long GATHER collects representatives. */
  readonly gatherMs: number;
  /** How long a FORM token may take from creation to the first regular token. */
  readonly formMs: number;
  /** How often the leader of a ring looks for daemons that are configured and not in it. */
  readonly lookupMs: number;
  /** Who has passed a FORM token on and saw no sign of it for so long sends it again. */
  readonly formResendMs: number;
};

/** The named sets: our own default, one for quiet networks, one for several sites, and the two of Spread in production. */
export const TIMEOUT_PROFILES = ["lan", "fast", "sites", "spread", "wan"] as const;
export type TimeoutProfile = (typeof TIMEOUT_PROFILES)[number];

// In every profile: rep > 2 × join (one lost JOIN costs nothing), token > 2 × probe (an idle ring survives a
// lost probe), form > 3 × resend. After a kill the outage is at most token + seg + gather + the two rounds of FORM.
const PROFILES: Readonly<Record<TimeoutProfile, MembershipTimeouts>> = {
  lan: profile([700, 300, 50, 50, 300, 150, 250, 300, 2_000]),
  fast: profile([150, 50, 15, 15, 90, 45, 75, 120, 1_000]),
  // Tokens stay within a site; what is agreed on between sites takes round trips of up to 150 ms.
  sites: profile([700, 300, 50, 100, 600, 150, 600, 2_000, 3_000]),
  spread: profile([1_250, 500, 250, 250, 625, 500, 1_250, 1_250, 30_000]),
  wan: profile([5_000, 1_500, 250, 250, 1_250, 500, 2_500, 2_500, 45_000]),
};

/** The timeouts of a profile. */
export function membershipTimeouts(name: TimeoutProfile): MembershipTimeouts {
  return PROFILES[name];
}

/** The same timeouts times `factor`, each at least 1 ms; simulations run with theirs divided by ten. */
export function scaledTimeouts(timeouts: MembershipTimeouts, factor: number): MembershipTimeouts {
  const scale = (ms: number) => Math.max(1, Math.round(ms * factor));
  return {
    tokenMs: scale(timeouts.tokenMs),
    tokenProbeMs: scale(timeouts.tokenProbeMs),
    aliveMs: scale(timeouts.aliveMs),
    joinMs: scale(timeouts.joinMs),
    repMs: scale(timeouts.repMs),
    segMs: scale(timeouts.segMs),
    gatherMs: scale(timeouts.gatherMs),
    formMs: scale(timeouts.formMs),
    lookupMs: scale(timeouts.lookupMs),
    formResendMs: scale(timeouts.formResendMs),
  };
}

/**
 * Timeouts from the nine numbers that a configuration file gives, in the order of the table of protocols.md G.9:
 * token, hurry, alive, join, rep, seg, gather, form, lookup.
 */
export function timeoutsOfTable(nine: TimeoutTable): MembershipTimeouts {
  return profile(nine);
}

export type TimeoutTable = readonly [
  tokenMs: number,
  hurryMs: number,
  aliveMs: number,
  joinMs: number,
  repMs: number,
  segMs: number,
  gatherMs: number,
  formMs: number,
  lookupMs: number,
];

function profile(nine: TimeoutTable): MembershipTimeouts {
  const [tokenMs, tokenProbeMs, aliveMs, joinMs, repMs, segMs, gatherMs, formMs, lookupMs] = nine;
  // Spread sends a FORM token once; a lost one costs a whole Form timeout. Sent again, it costs an eighth of it.
  const formResendMs = Math.max(1, Math.round(formMs / 8));
  return { tokenMs, tokenProbeMs, aliveMs, joinMs, repMs, segMs, gatherMs, formMs, lookupMs, formResendMs };
}
