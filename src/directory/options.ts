/**
 * What a daemon does about a member that receives more slowly than the group sends: hold the senders back, skip
 * messages and say so with a gap notice, or expel the member. In the order in which less is lost.
 */
export const SLOW_POLICIES = ["wait", "drop", "expel"] as const;
export type SlowPolicy = (typeof SLOW_POLICIES)[number];

/**
 * Which machinery carries a group's messages: the totally ordered stream of the daemons, or regions of nodes that send straight to
 * each other (QSM), for which the daemons keep the membership only.
 */
export const QUALITIES = ["ordered", "scalable"] as const;
export type Quality = (typeof QUALITIES)[number];

/** Facts of a group that are the same at all daemons, fixed by the joins that name them. */
export type GroupOptions = {
  /** `undefined`: no join has named one, each daemon follows its own default. */
  readonly slow: SlowPolicy | undefined;
  readonly quality: Quality;
};

export const DEFAULT_OPTIONS: GroupOptions = { slow: undefined, quality: "ordered" };

/**
 * The options of a group after a join that asks for `wanted`: the first join fixes the quality, the first that names a policy fixes
 * that. A text that says why not, if the group has another one. `fixed`: undefined for a group that nobody is in.
 */
export function agreeOnOptions(fixed: GroupOptions | undefined, wanted: GroupOptions): GroupOptions | string {
  if (fixed === undefined) return wanted;
  if (wanted.quality !== fixed.quality) {
    return `the group's quality is "${fixed.quality}", not "${wanted.quality}": join it with { quality: "${fixed.quality}" }`;
  }
  if (wanted.slow === undefined || wanted.slow === fixed.slow) return fixed;
  if (fixed.slow === undefined) return wanted;
  return `the group's slow-receiver policy is "${fixed.slow}", not "${wanted.slow}": join without naming one, or name this one`;
}

/**
 * Two components met: of different policies the one that loses less, whichever component asks. A group that one of them has as an ordered
 * one is that: only one of them can have been primary, and so have made regions.
 */
export function mergeOptions(a: GroupOptions, b: GroupOptions): GroupOptions {
  if (a.quality !== b.quality) return a.quality === "ordered" ? a : b;
  if (a.slow === b.slow || b.slow === undefined) return a;
  if (a.slow === undefined) return b;
  return SLOW_POLICIES.indexOf(a.slow) <= SLOW_POLICIES.indexOf(b.slow) ? a : b;
}

const POLICY_CODES = SLOW_POLICIES.length + 1;

/** On the wire: the policy, 0 for none, otherwise one more than its place in `SLOW_POLICIES`; and the quality above it. */
export function optionsCode({ slow, quality }: GroupOptions): number {
  return (slow === undefined ? 0 : SLOW_POLICIES.indexOf(slow) + 1) + QUALITIES.indexOf(quality) * POLICY_CODES;
}

export function optionsOfCode(code: number): GroupOptions | undefined {
  const quality = QUALITIES[Math.floor(code / POLICY_CODES)];
  const policy = code % POLICY_CODES;
  return quality && { slow: policy === 0 ? undefined : SLOW_POLICIES[policy - 1], quality };
}

/** The options that a join asks for, as JSON has them; a text says what is wrong with one that is not understood. */
export function optionsOf({ slow, quality }: { slow?: unknown; quality?: unknown }): GroupOptions | string {
  const known = QUALITIES.find((one) => one === (quality ?? "ordered"));
  if (known === undefined) {
    return `group quality ${JSON.stringify(quality)} is not served here: only ${QUALITIES.map((one) => `"${one}"`).join(" and ")}`;
  }
  const policy = SLOW_POLICIES.find((one) => one === slow);
  if (slow !== undefined && policy === undefined) {
    return `slow-receiver policy ${JSON.stringify(slow)} is none of "wait", "drop", "expel"`;
  }
  return { slow: policy, quality: known };
}
