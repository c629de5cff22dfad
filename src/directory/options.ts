import {
  REPAIRS_DEFAULT,
  type Repairs,
  repairsCode,
  repairsOf,
  repairsOfCode,
  shownRepairs,
} from "../wire/timely/repairs.ts";

/**
 * What a daemon does about a member that receives more slowly than the group sends: hold the senders back, skip
 * messages and say so with a gap notice, or expel the member. In the order in which less is lost.
 */
export const SLOW_POLICIES = ["wait", "drop", "expel"] as const;
export type SlowPolicy = (typeof SLOW_POLICIES)[number];

/**
 * Which machinery carries a group's messages: the totally ordered stream of the daemons, or nodes that send straight to each other, for which the
 * daemons keep the membership only: in regions (`scalable`, QSM) or at once, with repairs between receivers (`timely`, Ricochet).
 */
export const QUALITIES = ["ordered", "scalable", "timely"] as const;
export type Quality = (typeof QUALITIES)[number];

/** Facts of a group that are the same at all daemons, fixed by the joins that name them. */
export type GroupOptions = {
  /** `undefined`: no join has named one, each daemon follows its own default. */
  readonly slow: SlowPolicy | undefined;
  readonly quality: Quality;
  /** Of a timely group how receivers repair each other; a join that does not name any takes what there is. */
  readonly repairs?: Repairs;
  /** Of a timely group whose messages are totally ordered (PLATO). */
  readonly order?: "total";
};

export const DEFAULT_OPTIONS: GroupOptions = { slow: undefined, quality: "ordered" };

/**
 * The options of a group after a join that asks for `wanted`: the first join fixes the quality, the first that names a policy fixes
 * that. A text that says why not, if the group has another one. `fixed`: undefined for a group that nobody is in.
 */
export function agreeOnOptions(fixed: GroupOptions | undefined, wanted: GroupOptions): GroupOptions | string {
  if (fixed === undefined) return founded(wanted);
  if (wanted.quality !== fixed.quality) {
    return `the group's quality is "${fixed.quality}", not "${wanted.quality}": join it with ${shownOptions(fixed)}`;
  }
  if (wanted.order !== fixed.order) {
    const [is, asked] = [fixed.order, wanted.order].map((order) => order ?? "none");
    return `the group's order is "${is}", not "${asked}": join it with ${shownOptions(fixed)}`;
  }
  if (wanted.repairs !== undefined && repairsCode(wanted.repairs) !== repairsCode(fixed.repairs)) {
    const [is, asked] = [fixed.repairs ?? REPAIRS_DEFAULT, wanted.repairs].map(shownRepairs);
    return `the group's repairs are ${is}, not ${asked}: join without naming any, or name these`;
  }
  if (wanted.slow === undefined || wanted.slow === fixed.slow) return fixed;
  if (fixed.slow === undefined) return { ...fixed, slow: wanted.slow };
  return `the group's slow-receiver policy is "${fixed.slow}", not "${wanted.slow}": join without naming one, or name this one`;
}

/** For people: what a join has to ask for to be let into a group with these options. */
export function shownOptions({ quality, order }: GroupOptions): string {
  return order === undefined ? `{ quality: "${quality}" }` : `{ quality: "${quality}", order: "${order}" }`;
}

/**
 * Two components met: of different policies the one that loses less, whichever component asks. A group that one of them has as an ordered
 * one is that: only one of them can have been primary, and so have made regions. Of different repairs those that come first stay: all daemons
 * come to the same answer.
 */
export function mergeOptions(a: GroupOptions, b: GroupOptions): GroupOptions {
  if (a.quality !== b.quality) return QUALITIES.indexOf(a.quality) < QUALITIES.indexOf(b.quality) ? a : b;
  const { repairs } = repairsCode(a.repairs) <= repairsCode(b.repairs) ? a : b;
  const order = a.order ?? b.order;
  const policy = gentler(a.slow, b.slow);
  // Nothing is left out of an order.
  const slow = order !== undefined && policy === "drop" ? "expel" : policy;
  return { slow, quality: a.quality, ...(repairs && { repairs }), ...(order && { order }) };
}

function gentler(a: SlowPolicy | undefined, b: SlowPolicy | undefined): SlowPolicy | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return SLOW_POLICIES.indexOf(a) <= SLOW_POLICIES.indexOf(b) ? a : b;
}

function founded(wanted: GroupOptions): GroupOptions {
  return wanted.quality === "timely" ? { ...wanted, repairs: wanted.repairs ?? REPAIRS_DEFAULT } : wanted;
}

const POLICY_CODES = SLOW_POLICIES.length + 1;
const REPAIRS_CODES = 2 ** 16;
const BASIC_CODES = POLICY_CODES * QUALITIES.length;

/** On the wire: the policy, 0 for none, otherwise one more than its place in `SLOW_POLICIES`; the quality above it; above that the repairs, and the order. */
export function optionsCode({ slow, quality, repairs, order }: GroupOptions): number {
  const policy = slow === undefined ? 0 : SLOW_POLICIES.indexOf(slow) + 1;
  const timely = repairsCode(repairs) + (order === undefined ? 0 : REPAIRS_CODES);
  return policy + QUALITIES.indexOf(quality) * POLICY_CODES + timely * BASIC_CODES;
}

export function optionsOfCode(code: number): GroupOptions | undefined {
  const basic = code % BASIC_CODES;
  const quality = QUALITIES[Math.floor(basic / POLICY_CODES)];
  const policy = basic % POLICY_CODES;
  const timely = Math.floor(code / BASIC_CODES);
  if (timely >= 2 * REPAIRS_CODES) return undefined;
  const repairs = repairsOfCode(timely % REPAIRS_CODES);
  const isOrdered = timely >= REPAIRS_CODES;
  // A timely group has repairs, and only such a group.
  if (quality === undefined || repairs === undefined || (quality === "timely") !== (repairs !== "none"))
    return undefined;
  const slow = policy === 0 ? undefined : SLOW_POLICIES[policy - 1];
  return { slow, quality, ...(repairs !== "none" && { repairs }), ...(isOrdered && { order: "total" }) };
}

/** The options that a join asks for, as JSON has them; a text says what is wrong with one that is not understood. */
export function optionsOf(wanted: {
  slow?: unknown;
  quality?: unknown;
  repairs?: unknown;
  order?: unknown;
}): GroupOptions | string {
  const { slow, quality } = wanted;
  const known = QUALITIES.find((one) => one === (quality ?? "ordered"));
  if (known === undefined) {
    return `group quality ${JSON.stringify(quality)} is not served here: only ${QUALITIES.map((one) => `"${one}"`).join(", ")}`;
  }
  const policy = SLOW_POLICIES.find((one) => one === slow);
  if (slow !== undefined && policy === undefined) {
    return `slow-receiver policy ${JSON.stringify(slow)} is none of "wait", "drop", "expel"`;
  }
  if (known !== "timely") {
    if (wanted.repairs !== undefined) return `"repairs" are for groups of quality "timely", not "${known}"`;
    if (wanted.order !== undefined) return `"order" is for groups of quality "timely", not "${known}"`;
    return { slow: policy, quality: known };
  }
  if (policy === "wait") return 'in a timely group nobody waits for a slow receiver: name the policy "drop" or "expel"';
  if (wanted.order !== undefined && wanted.order !== "total") {
    return `"order" has to be "total" or nothing, not ${JSON.stringify(wanted.order)}`;
  }
  if (wanted.order !== undefined && policy === "drop") {
    return 'in a totally ordered group nothing is dropped: name the policy "expel"';
  }
  const order = wanted.order === undefined ? {} : ({ order: "total" } as const);
  if (wanted.repairs === undefined) return { slow: policy, quality: known, ...order };
  const repairs = repairsOf(wanted.repairs);
  return typeof repairs === "string" ? repairs : { slow: policy, quality: known, repairs, ...order };
}
