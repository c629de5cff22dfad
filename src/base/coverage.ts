/**
 * Which cells of the protocols' state tables a run has entered. Machines name the cell at the head of its handler,
 * as `cover("evs gather decide")`, or in its parts where the state varies; while no one watches that costs one
 * comparison. It is the one piece of shared state in the protocol folders, and nothing may ever depend on it.
 */
let watched: Map<string, number> | undefined;

/** The names of cells by machine, state and event: a name put together anew at each visit would cost more than all else. */
const names = new Map<string, Map<string, Map<string, string>>>();

/** Counts a visit of the cell. */
export function cover(cell: string): void {
  if (watched !== undefined) watched.set(cell, (watched.get(cell) ?? 0) + 1);
}

/** Counts a visit of the cell `machine state event`. */
export function coverIn(machine: string, state: string, event: string): void {
  if (watched !== undefined) cover(names.get(machine)?.get(state)?.get(event) ?? nameCell(machine, state, event));
}

function nameCell(machine: string, state: string, event: string): string {
  const cell = `${machine} ${state} ${event}`;
  const states = names.get(machine) ?? new Map<string, Map<string, string>>();
  const events = states.get(state) ?? new Map<string, string>();
  names.set(machine, states.set(state, events.set(event, cell)));
  return cell;
}

/** Counts visits of cells into `cells` from now on, or stops counting (`undefined`). Returns what was watched before. */
export function watchCoverage(cells: Map<string, number> | undefined): Map<string, number> | undefined {
  const before = watched;
  watched = cells;
  return before;
}

/** What a table of a protocol says about its cells: those that a correct run may enter and those that it never may. */
export type CoverageTable = {
  readonly reachable: readonly string[];
  readonly fatal: readonly string[];
};

/** The cells of a table by what became of them; `unlisted` are visited ones that the table does not name. */
export type CoverageReport = {
  readonly hit: readonly string[];
  readonly missed: readonly string[];
  readonly fatalHit: readonly string[];
  readonly unlisted: readonly string[];
};

/** Compares visited cells with the table. */
export function coverageReport(table: CoverageTable, visits: ReadonlyMap<string, number>): CoverageReport {
  const listed = new Set([...table.reachable, ...table.fatal]);
  return {
    hit: table.reachable.filter((cell) => visits.has(cell)),
    missed: table.reachable.filter((cell) => !visits.has(cell)),
    fatalHit: table.fatal.filter((cell) => visits.has(cell)),
    unlisted: [...visits.keys()].filter((cell) => !listed.has(cell)).sort(),
  };
}
