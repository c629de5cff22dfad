/**
 * How members to repair are chosen (docs/adr/0009-targets-of-repairs.md): `auto` takes aligned for regions of enough members and assigned for
 * the rest.
 */
export const TARGETS = ["auto", "random", "assigned", "aligned"] as const;
export type Targets = (typeof TARGETS)[number];

/** How the packets of a group are repaired: a fact of the group, the same at all its members. */
export type Repairs = {
  /** r of the rate of fire (r, c): packets that make a repair, 2 to 32. */
  readonly every: number;
  /** c: repairs of so many others cover each packet at each member, up to 64; 0: there are none, what is lost is asked for. */
  readonly copies: number;
  readonly targets: Targets;
};

export const REPAIRS_DEFAULT: Repairs = { every: 8, copies: 5, targets: "auto" };

const EVERY_MIN = 2;
const EVERY_MAX = 32;
const COPIES_MAX = 64;

/** What was asked for, with defaults for what was not; a text says what is wrong with it. */
export function repairsOf(wanted: unknown): Repairs | string {
  if (typeof wanted !== "object" || wanted === null || Array.isArray(wanted)) {
    return `"repairs" has to be {"every", "copies", "targets"}, not ${shown(wanted)}`;
  }
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

/** On the wire, 16 bits: 0 for none. */
export function repairsCode(repairs: Repairs | undefined): number {
  if (repairs === undefined) return 0;
  const { every, copies, targets } = repairs;
  return (every * (COPIES_MAX + 1) + copies) * TARGETS.length + TARGETS.indexOf(targets);
}

/** `none` for 0; undefined if no repairs have this code. */
export function repairsOfCode(code: number): Repairs | "none" | undefined {
  if (code === 0) return "none";
  const targets = TARGETS[code % TARGETS.length];
  const rest = Math.floor(code / TARGETS.length);
  const every = Math.floor(rest / (COPIES_MAX + 1));
  if (targets === undefined || every < EVERY_MIN || every > EVERY_MAX) return undefined;
  return { every, copies: rest % (COPIES_MAX + 1), targets };
}

/** `(8, 5) auto`, for people. */
export function shownRepairs({ every, copies, targets }: Repairs): string {
  return `(${every}, ${copies}) ${targets}`;
}

function isInteger(value: unknown, min: number, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? "nothing").slice(0, 60);
}
