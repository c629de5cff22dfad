import { Code } from "../wire/spread/codes.ts";

/**
 * Stable codes to branch on; the messages are for people and may change.
 *
 * | code | meaning | what to do |
 * |---|---|---|
 * | `UNREACHABLE` | no daemon could be reached at any address | start one, check the address |
 * | `REFUSED` | the daemon refused the session (name, authentication, version, quota) | see the message |
 * | `DISCONNECTED` | the connection ended while this was under way, and could not be resumed | connect again |
 * | `CLOSED` | the connection or group was closed by this program before | do not use it any more |
 * | `ILLEGAL_NAME` | a group, private or user name breaks the rules | 1…31 bytes of `$`…`~`; names of users at most 10 |
 * | `ALREADY_JOINED` | this connection is in the group | use the group that `join` returned |
 * | `GROUP_REFUSED` | the join disagrees with the group's options, or the message is for a scalable group that this is not in | join with the options of the first join |
 * | `TOO_LARGE` | more bytes or groups than the daemon takes | split the message |
 * | `BUSY` | too much has been sent that no daemon has accepted yet | await `send` |
 * | `FLUSHING` | the view of a flush group is closing, or was not asked to | send in the next view |
 * | `VIEW_ENDED` | the view that the message belonged to ended first, at a reconnection elsewhere | send it again |
 * | `NOT_TOLD` | a stock Spread daemon does not report this; nor do members of a timely group | join a destination group, or use a native daemon |
 * | `EXPELLED` | a slow receiver is out of the group; or, of a message to a scalable group: the node was declared failed before it was known to be everywhere | read faster, or choose another policy; send it again |
 */
export type GroupErrorCode =
  | "UNREACHABLE"
  | "REFUSED"
  | "DISCONNECTED"
  | "CLOSED"
  | "ILLEGAL_NAME"
  | "ALREADY_JOINED"
  | "GROUP_REFUSED"
  | "TOO_LARGE"
  | "BUSY"
  | "FLUSHING"
  | "VIEW_ENDED"
  | "NOT_TOLD"
  | "EXPELLED";

/** What goes wrong between a client and its daemon. Wrong arguments are a `TypeError` or `RangeError` instead. */
export class GroupError extends Error {
  override readonly name = "GroupError";
  readonly code: GroupErrorCode;

  constructor(code: GroupErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** What was asked for after the connection had been closed. */
export function closedError(): GroupError {
  return new GroupError("CLOSED", "the connection is closed: open a new one");
}

/** What a client is told about a reject code that comes without a text. */
export function refusalText(code: number): string {
  switch (code) {
    case Code.rejectQuota:
      return "the daemon has no room for another session: try another daemon, or later";
    case Code.rejectIllegalName:
      return 'the daemon does not accept the name: use 1 to 10 characters from "$" to "~"';
    case Code.rejectNotUnique:
      return "another session at this daemon has the same name: choose another, or wait until its end is known";
    case Code.rejectVersion:
      return "the daemon does not accept this version of the protocol";
    case Code.rejectAuth:
      return "the daemon does not accept this client: check credentials and its access list";
    default:
      return `the daemon refused the session (code ${code})`;
  }
}
