import type { ConfigurationId, DaemonId } from "../base/ids.ts";
import type { Form1, Form2 } from "../wire/form.ts";
import type { Evidence, MembershipStateName } from "./events.ts";

/** What membership asks of the daemon around it, which may not call back meanwhile. Methods only, as in `RingOutbox`. */
export interface MembershipOutbox {
  /** To all configured daemons of this daemon's segment. */
  announce(kind: number, body: Uint8Array): void;
  send(to: DaemonId, kind: number, body: Uint8Array): void;
  /** Members, of all sites, of the configuration whose token is alive here; empty without one. During recovery: of the one that forms. */
  ringMembers(): readonly DaemonId[];
  /** The configuration installed last. */
  configurationId(): ConfigurationId;
  /** The token is dead here: stamp and deliver nothing more, drop a ring that was forming. */
  freeze(): void;
  /** Adds to the form what this daemon holds of its configuration; false when the form cannot be right. */
  visit(form: Form1): boolean;
  /** FORM2 has come: fills in what its first readers fill in, and begins to recover. False when it cannot be right. */
  recover(form: Form2): boolean;
  /** Every member of this site has read FORM2: make the first token of its ring. */
  startToken(now: number): void;
  /** When the token was last seen. */
  tokenSeenAt(now: number): number;
  /** Recovery: whether anything was gained since the last call. */
  recoveryProgressed(): boolean;
  evidence(evidence: Evidence, now: number): void;
  stateChanged(from: MembershipStateName, to: MembershipStateName): void;
}
