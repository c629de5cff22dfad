/**
 * How members to repair are chosen (docs/adr/0009-targets-of-repairs.md): `auto` takes aligned for regions of enough members and assigned for
 * the rest.
 */
export const TARGETS = ["auto", "random", "assigned", "aligned"] as const;
export type Targets = (typeof TARGETS)[number];

/**
 * How the packets of a group are repaired: a fact of the group, the same at all its members. With `recovery` each receiver says itself how it is to be
 * repaired (ricochet/fire-control.ts), and `every` is what payloads have to leave room for.
 */
export type Repairs = {
  /** r of the rate of fire (r, c): packets that make a repair, 2 to 32. */
  readonly every: number;
  /** c: repairs of so many others cover each packet at each member, up to 64; 0: there are none, what is lost is asked for. */
  readonly copies: number;
  readonly targets: Targets;
  /** The share of what is lost that repairs shall bring, 0.9 to 0.9999, in steps of 0.0001; as cheaply as that can be had. */
  readonly recovery?: number;
};

export const REPAIRS_DEFAULT: Repairs = { every: 8, copies: 5, targets: "auto" };

export const EVERY_MIN = 2;
export const EVERY_MAX = 32;
export const COPIES_MAX = 64;
const RECOVERY_MIN = 0.9;
const RECOVERY_MAX = 0.9999;
const RECOVERY_STEPS = 10_000;
/** Codes of what adapts, behind those of all (r, c). */
const ADAPTIVE_CODES_FROM = 2 ** 15;

/** What was asked for, with defaults for what was not; a text says what is wrong with it. */
export function repairsOf(wanted: unknown): Repairs | string {
  if (typeof wanted !== "object" || wanted === null || Array.isArray(wanted)) {
    return `"repairs" has to be {"every", "copies", "targets"} or {"recovery"}, not ${shown(wanted)}`;
  }
  const { recovery } = wanted as { readonly recovery?: unknown };
  if (recovery !== undefined) return adaptiveOf(recovery, wanted);
  const { every, copies, targets } = { ...REPAIRS_DEFAULT, ...(wanted as Partial<Record<keyof Repairs, unknown>>) };
  if (!isInteger(every, EVERY_MIN, EVERY_MAX)) {
    return `"repairs.every" has to be an integer of ${EVERY_MIN} to ${EVERY_MAX} packets, not ${shown(every)}`;
  }
  if (!isInteger(copies, 0, COPIES_MAX)) {
    return `"repairs.copies" has to be an integer of 0 to ${COPIES_MAX}, not ${shown(copies)}`;
  }
  const known = TARGETS.find((one) => one === targets);
  if (known === undefined) {
    return `"repairs.targets" has to be one of ${TARGETS.map((one) => `"${one}"`).join(", ")}, not ${shown(targets)}`;
  }
  return { every, copies, targets: known };
}

function adaptiveOf(recovery: unknown, wanted: object): Repairs | string {
  for (const name of ["every", "copies", "targets"] as const) {
    const asked = (wanted as Partial<Record<keyof Repairs, unknown>>)[name];
    if (asked === undefined || asked === REPAIRS_DEFAULT[name]) continue;
    return `"repairs.${name}" is not for a group with "repairs.recovery", whose members choose it`;
  }
  if (typeof recovery !== "number" || !(recovery >= RECOVERY_MIN && recovery <= RECOVERY_MAX)) {
    return `"repairs.recovery" has to be a share of ${RECOVERY_MIN} to ${RECOVERY_MAX}, not ${shown(recovery)}`;
  }
  return { ...REPAIRS_DEFAULT, recovery: Math.round(recovery * RECOVERY_STEPS) / RECOVERY_STEPS };
}

/** A recovery on the wire, 16 bits. */
export function recoveryCode(recovery: number): number {
  return Math.round((1 - recovery) * RECOVERY_STEPS);
}

/** Undefined: there is none such. */
export function recoveryOfCode(code: number): number | undefined {
  const recovery = (RECOVERY_STEPS - code) / RECOVERY_STEPS;
  return recovery >= RECOVERY_MIN && recovery <= RECOVERY_MAX ? recovery : undefined;
}

/** On the wire, 16 bits: 0 for none. */
export function repairsCode(repairs: Repairs | undefined): number {
  if (repairs === undefined) return 0;
  if (repairs.recovery !== undefined) return ADAPTIVE_CODES_FROM + recoveryCode(repairs.recovery);
  const { every, copies, targets } = repairs;
  return (every * (COPIES_MAX + 1) + copies) * TARGETS.length + TARGETS.indexOf(targets);
}

/** `none` for 0; undefined if no repairs have this code. */
export function repairsOfCode(code: number): Repairs | "none" | undefined {
  if (code === 0) return "none";
  if (code >= ADAPTIVE_CODES_FROM) {
    const recovery = recoveryOfCode(code - ADAPTIVE_CODES_FROM);
    return recovery === undefined ? undefined : { ...REPAIRS_DEFAULT, recovery };
  }
  const targets = TARGETS[code % TARGETS.length];
  const rest = Math.floor(code / TARGETS.length);
  const every = Math.floor(rest / (COPIES_MAX + 1));
  if (targets === undefined || every < EVERY_MIN || every > EVERY_MAX) return undefined;
  return { every, copies: rest % (COPIES_MAX + 1), targets };
}

/** `(8, 5) auto`, or `99 % adaptive`, for people. */
export function shownRepairs({ every, copies, targets, recovery }: Repairs): string {
  if (recovery !== undefined) return `${Number((100 * recovery).toFixed(2))} % adaptive`;
  return `(${every}, ${copies}) ${targets}`;
}

function isInteger(value: unknown, min: number, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? "nothing").slice(0, 60);
}
