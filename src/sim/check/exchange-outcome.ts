import type { DaemonId } from "../../base/ids.ts";
import type { KnownPart, ProcessNumber, TraceEvent } from "../trace.ts";
import type { CheckerFactory, Report } from "./checker.ts";
import { type History, passageOf } from "./history.ts";

type Knowledge = TraceEvent & { readonly kind: "knowledge" };

/** What a daemon of a configuration knew when it began there. */
type Claim = {
  readonly daemon: DaemonId;
  readonly configuration: string;
  readonly phase: Knowledge["phase"];
  readonly set: readonly DaemonId[];
  readonly parts: readonly KnownPart[];
};

/**
 * K32: an exchange ends whole, or is cut short and made up for by the next one, and nothing in between.
 *
 * Who completes one knows of each daemon of the configuration exactly what that daemon's set had to tell when it began.
 * Who is cut short goes on with whole sets, its own and those that it has merged, less the daemons that did not come along;
 * and knows of each daemon in them, and of no other, exactly what that daemon's set had to tell. And all who go on together
 * have decided the same: in the next configuration, daemons that are in one set say the same set and know the same, and
 * either all of its members settle at once or none.
 */
export const exchangeOutcome: CheckerFactory = (history, report) => {
  const claims = new Map<string, Claim[]>();
  /** Of processes in an exchange, what they began with. */
  const gathering = new Map<ProcessNumber, Claim>();
  return {
    kinds: ["knowledge"],
    observe(event) {
      if (event.kind !== "knowledge") return;
      const before = gathering.get(event.process);
      const { daemon, epochs } = history.life(event.process);
      const configuration = epochs.at(-1)?.regular;
      if (configuration === undefined) return;
      const { key } = configuration;
      if (before !== undefined && event.phase === "settles" && before.configuration === key) {
        gathering.delete(event.process);
        checkComplete(event, daemon, configuration.members, claims.get(key) ?? [], report);
        return;
      }

      const { phase, set, parts } = event;
      const claim: Claim = { daemon, configuration: key, phase, set, parts };
      const known = claims.get(key);
      const other = known?.find((one) => one.set.includes(daemon) || set.includes(one.daemon));
      if (other !== undefined) checkAgreement(claim, other, event.at, report);
      if (known === undefined) claims.set(key, [claim]);
      else known.push(claim);
      if (before !== undefined) checkCutShort(event, before, history, claims.get(before.configuration) ?? [], report);
      if (phase === "gathers") gathering.set(event.process, claim);
      else gathering.delete(event.process);
    },
  };
};

function checkAgreement(mine: Claim, theirs: Claim, at: number, report: Report): void {
  const who = `daemons ${theirs.daemon} and ${mine.daemon} go into ${mine.configuration}`;
  if (mine.phase !== theirs.phase) {
    report(`${who}, and only one of them takes all to know the same`, at);
  } else if (setText(mine.set) !== setText(theirs.set)) {
    report(`${who} with the sets ${setText(theirs.set)} and ${setText(mine.set)}`, at);
  } else if (partsText(mine.parts) !== partsText(theirs.parts)) {
    report(`${who} in the set ${setText(mine.set)}: ${difference(mine.parts, theirs.parts)}`, at);
  }
}

/** What counts is who is a member; that all parts have come to the configuration is what the exchange was for. */
function checkComplete(
  { parts, at }: Knowledge,
  daemon: DaemonId,
  members: readonly DaemonId[],
  told: readonly Claim[],
  report: Report,
): void {
  const own = parts.map(withoutConfiguration);
  const expected = members.flatMap((member) => toldOf(member, told).map(withoutConfiguration));
  if (partsText(own) !== partsText(expected)) {
    report(`daemon ${daemon} completes an exchange: ${difference(own, expected)}`, at);
  }
}

function checkCutShort(
  { process, set, parts, at }: Knowledge,
  before: Claim,
  history: History,
  told: readonly Claim[],
  report: Report,
): void {
  const { daemon, configuration } = before;
  const transitional = passageOf(history.life(process), configuration)?.transitional?.configuration.members ?? [];
  const who = `daemon ${daemon}, cut short in the exchange of ${configuration}, goes on with ${setText(set)}`;
  for (const member of set) {
    const whole = told.find((claim) => claim.set.includes(member))?.set ?? [];
    const lacking = whole.find((other) => transitional.includes(other) && !set.includes(other));
    if (!transitional.includes(member)) report(`${who}, and ${member} did not come along`, at);
    if (lacking !== undefined) report(`${who}, with ${member} but without ${lacking} of the same set`, at);
  }
  const expected = set.flatMap((member) => toldOf(member, told));
  if (partsText(parts) !== partsText(expected)) report(`${who}: ${difference(parts, expected)}`, at);
}

/** What the set of a daemon had to tell of that daemon. */
function toldOf(daemon: DaemonId, told: readonly Claim[]): readonly KnownPart[] {
  const claim = told.find(({ set }) => set.includes(daemon));
  return claim?.parts.filter((part) => part.daemon === daemon) ?? [];
}

function withoutConfiguration(part: KnownPart): KnownPart {
  return { ...part, configuration: "" };
}

function setText(set: readonly DaemonId[]): string {
  return `{${[...set].sort((a, b) => a - b).join(", ")}}`;
}

function partText({ group, daemon, configuration, members }: KnownPart): string {
  return `${group} at ${daemon} ${configuration} {${members.join(", ")}}`;
}

function partsText(parts: readonly KnownPart[]): string {
  return parts.map(partText).sort().join("; ");
}

/** The first part that only one side has, for people. */
function difference(has: readonly KnownPart[], expected: readonly KnownPart[]): string {
  const own = new Set(has.map(partText));
  const theirs = new Set(expected.map(partText));
  const more = [...own].find((part) => !theirs.has(part));
  const less = [...theirs].find((part) => !own.has(part));
  return more === undefined ? `it does not know ${less ?? "a part twice"}` : `it knows ${more}, not ${less ?? "that"}`;
}
