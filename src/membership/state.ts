import type { DaemonId } from "../base/ids.ts";
import type { Representative } from "../wire/announce.ts";
import type { Form1 } from "../wire/form.ts";

/** The states of G.9. What exists only in some of them lives in those. */
export type MembershipState =
  /** A ring works. `lookupAt`: when its leader looks for daemons that are not in it. */
  | { readonly name: "operational"; lookupAt: number }
  /** Without a ring; collects the daemons of the segment that have none either. */
  | { readonly name: "segment"; readonly members: Set<DaemonId>; aliveAt: number; readonly decideAt: number }
  /** Somebody else speaks for this daemon. */
  | { readonly name: "represented"; by: DaemonId; until: number }
  /** Speaks for its ring, or for `members` of its segment, and collects other representatives. */
  | {
      readonly name: "gather";
      readonly representatives: Map<DaemonId, Representative>;
      readonly members: Set<DaemonId>;
      joinAt: number;
      decideAt: number;
    }
  /** On a FORM1; repeats what it passed on until FORM2 comes. */
  | { readonly name: "form"; readonly form: Form1; readonly until: number; resend: Resend | undefined }
  /** Has read FORM2 and carries its old configuration over; repeats FORM2 until the token comes. */
  | { readonly name: "recovery"; readonly since: number; progressAt: number; resend: Resend | undefined }
  /** Has left for good. */
  | { readonly name: "left" };

/** A form that was passed on, to be sent again until there is progress. */
export type Resend = {
  readonly to: DaemonId;
  readonly kind: number;
  readonly body: Uint8Array;
  readonly creator: DaemonId;
  readonly attempt: number;
  at: number;
  /** The form has arrived there, though it may not have been gone along with. */
  reached: boolean;
};
