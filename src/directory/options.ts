/**
 * What a daemon does about a member that receives more slowly than the group sends: hold the senders back, skip
 * messages and say so with a gap notice, or expel the member. In the order in which less is lost.
 */
export const SLOW_POLICIES = ["wait", "drop", "expel"] as const;
export type SlowPolicy = (typeof SLOW_POLICIES)[number];

/** Facts of a group that are the same at all daemons, fixed by the joins that name them. */
export type GroupOptions = {
  /** `undefined`: no join has named one, each daemon follows its own default. */
  readonly slow: SlowPolicy | undefined;
  /** Which machinery carries the group's messages: the totally ordered stream of the daemons. */
  readonly quality: "ordered";
};

export const DEFAULT_OPTIONS: GroupOptions = { slow: undefined, quality: "ordered" };

/**
 * The options of a group after a join that asks for `wanted`: the first that names a policy fixes it. A text that says
 * why not, if the group has another one.
 */
export function agreeOnOptions(fixed: GroupOptions, wanted: GroupOptions): GroupOptions | string {
  if (wanted.slow === undefined || wanted.slow === fixed.slow) return fixed;
  if (fixed.slow === undefined) return wanted;
  return `the group's slow-receiver policy is "${fixed.slow}", not "${wanted.slow}": join without naming one, or name this one`;
}

/** Two components met: of different policies the one that loses less, whichever component asks. */
export function mergeOptions(a: GroupOptions, b: GroupOptions): GroupOptions {
  if (a.slow === b.slow || b.slow === undefined) return a;
  if (a.slow === undefined) return b;
  return SLOW_POLICIES.indexOf(a.slow) <= SLOW_POLICIES.indexOf(b.slow) ? a : b;
}

/** On the wire: 0 for none, otherwise one more than the policy's place in `SLOW_POLICIES`. */
export function optionsCode(options: GroupOptions): number {
  return options.slow === undefined ? 0 : SLOW_POLICIES.indexOf(options.slow) + 1;
}

export function optionsOfCode(code: number): GroupOptions | undefined {
  if (code === 0) return DEFAULT_OPTIONS;
  const slow = SLOW_POLICIES[code - 1];
  return slow === undefined ? undefined : { slow, quality: "ordered" };
}

/**
 * What the data of a native join asks for (docs/protocols/native-session.md). Nothing at all is the default; a text
 * says what is wrong with anything that is not understood.
 */
export function parseOptions(data: Uint8Array): GroupOptions | string {
  if (data.length === 0) return DEFAULT_OPTIONS;
  if (data.length > OPTIONS_BYTES_MAX) return `join options are longer than ${OPTIONS_BYTES_MAX} bytes`;
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data));
  } catch {
    return "join options are not JSON";
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) return "join options are not a JSON object";
  const { slow, quality } = json as { slow?: unknown; quality?: unknown };
  if (quality !== undefined && quality !== "ordered") {
    return `group quality ${JSON.stringify(quality)} is not served here: only "ordered"`;
  }
  if (slow === undefined) return DEFAULT_OPTIONS;
  const policy = SLOW_POLICIES.find((known) => known === slow);
  if (policy === undefined) return `slow-receiver policy ${JSON.stringify(slow)} is none of "wait", "drop", "expel"`;
  return { slow: policy, quality: "ordered" };
}

const OPTIONS_BYTES_MAX = 1024;
