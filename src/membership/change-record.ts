import type { DaemonId } from "../base/ids.ts";
import type { Configuration } from "../ring/configuration.ts";
import type { Evidence, EvsEvent } from "./events.ts";

/** What a change of configuration came to, once it is over; times in milliseconds. */
export type ChangeSummary = {
  /** Everything that pointed to the change, oldest first. */
  readonly evidence: readonly Evidence[];
  /** From the first evidence to the install. */
  readonly tookMs: number;
  /** From the last sign of the old ring's token to the install: nothing was ordered in that time. */
  readonly outageMs: number;
  /** Forms that this daemon took part in. */
  readonly attempts: number;
};

/** Evidence of a change that does not come to an end is cut off here. */
const EVIDENCE_MAX = 64;

/** Follows a change of configuration from its first evidence to its install, to explain it afterwards; decides nothing. */
export class ChangeRecord {
  #evidence: Evidence[] = [];
  #firstAt = 0;
  /** Since when nothing is ordered; `undefined` while the old ring works. */
  #stoppedAt: number | undefined;
  #attempts = 0;

  note(evidence: Evidence, now: number): void {
    if (this.#evidence.length === 0) this.#firstAt = now;
    if (this.#evidence.length < EVIDENCE_MAX) this.#evidence.push(evidence);
    if (evidence.kind === "start") this.#stoppedAt ??= now;
  }

  attempted(): void {
    this.#attempts++;
  }

  /** The ring works no more. `lastTokenAt`: when its token, or what was sent with it, was last seen. */
  stopped(lastTokenAt: number | undefined, now: number): void {
    if (this.#stoppedAt !== undefined) return;
    // A token that was lost had been silent before anybody knew; one that was given up worked until now.
    const wasSilent = this.#evidence.some(({ kind }) => kind === "tokenLoss" || kind === "memberLost");
    this.#stoppedAt = wasSilent ? (lastTokenAt ?? now) : now;
  }

  /** The ring goes on: what pointed to a change led to none. */
  abandon(): void {
    this.#evidence = [];
    this.#attempts = 0;
    this.#stoppedAt = undefined;
  }

  /** The new configuration is installed: `finish`, as an event. */
  event({ id, members }: Configuration, before: readonly DaemonId[], primary: boolean, now: number): EvsEvent {
    return {
      kind: "configuration",
      id,
      members,
      primary,
      came: members.filter((member) => !before.includes(member)),
      left: before.filter((member) => !members.includes(member)),
      ...this.finish(now),
    };
  }

  /** The new configuration is installed; the next change begins with an empty record. */
  finish(now: number): ChangeSummary {
    const summary = {
      evidence: this.#evidence,
      tookMs: this.#evidence.length === 0 ? 0 : now - this.#firstAt,
      outageMs: now - (this.#stoppedAt ?? now),
      attempts: this.#attempts,
    };
    this.abandon();
    return summary;
  }
}
