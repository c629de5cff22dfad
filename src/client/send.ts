import { SUBGROUP_CAST, USER_TYPE_MIN } from "../flush/body.ts";
import { type Service, serviceRank } from "../ordering/service.ts";
import { GROUPS_MAX, TypeBit, typeOfService } from "../wire/spread/codes.ts";
import { isGroupName, isPrivate, parsePrivateGroup } from "../wire/spread/names.ts";
import { GroupError } from "./errors.ts";

/**
 * What is sent: text (as UTF-8), bytes, or bytes in several pieces that need not be joined first. Bytes are given away:
 * they must not be changed until the message was delivered.
 */
export type Payload = string | Uint8Array | readonly Uint8Array[];

/** How a message is sent. */
export type SendOptions = {
  /** Default `agreed`: all members deliver in the same order. */
  readonly service?: Service;
  /** A 16-bit number for the receivers, −32,768 … 32,767; in flush mode from −32,765. Default 0. */
  readonly type?: number;
  /** True: this connection does not get its own copy. */
  readonly selfDiscard?: boolean;
  /**
   * Gives up waiting until a daemon has accepted the message: `send` rejects with its reason. What had not been written by then is not sent, nor is
   * anything sent again over another connection; what had been may still be delivered. After `send` has resolved it does nothing.
   */
  readonly signal?: AbortSignal;
};

/** How a message is posted: nobody waits for it. */
export type PostOptions = Omit<SendOptions, "signal">;

/** How a message is sent to a group. */
export type GroupSendOptions = SendOptions & {
  /** Further groups or private groups; who is in several of them gets one copy. Not in flush mode. */
  readonly alsoTo?: readonly string[];
  /** Only to these members of the view, by their private groups. Flush mode only. */
  readonly onlyTo?: readonly string[];
};

/** An accepted message. */
export interface Receipt {
  /**
   * Resolves when the message was delivered with its service's guarantee. Rejects with a `GroupError` if that will not be
   * known. It may be ignored: its rejection is never unhandled.
   */
  readonly delivered: Promise<void>;
}

const encoder = new TextEncoder();

export function piecesOf(payload: Payload): readonly Uint8Array[] {
  if (typeof payload === "string") return [encoder.encode(payload)];
  if (payload instanceof Uint8Array) return [payload];
  if (Array.isArray(payload) && payload.every((piece) => piece instanceof Uint8Array)) return payload;
  throw new TypeError("a payload is a string, a Uint8Array, or an array of Uint8Array");
}

/** Spread's type word of a message. */
export function typeWord(options: SendOptions, subgroupCast: boolean): number {
  const service = options.service ?? "agreed";
  const bit = typeOfService(service);
  if (bit === undefined) {
    throw new RangeError(`service: "${service}" is none of unreliable, reliable, fifo, causal, agreed, safe`);
  }
  return (bit | (options.selfDiscard ? TypeBit.selfDiscard : 0) | (subgroupCast ? SUBGROUP_CAST : 0)) >>> 0;
}

/** Checks and returns the message type. */
export function messageType(options: SendOptions, flushed: boolean): number {
  const type = options.type ?? 0;
  const min = flushed ? USER_TYPE_MIN : -32_768;
  if (!Number.isInteger(type) || type < min || type > 32_767) {
    throw new RangeError(`type: ${type} is not an integer of ${min} to 32767`);
  }
  return type;
}

/** Services that the flush layer has to mark where they may overtake its votes. */
export function isWeak(service: Service | undefined): boolean {
  return service !== undefined && serviceRank(service) < serviceRank("causal");
}

/** Whether a group may be joined under this name, as an error or nothing. */
export function checkGroup(name: string): GroupError | undefined {
  if (typeof name === "string" && isGroupName(name)) return undefined;
  return new GroupError("ILLEGAL_NAME", `"${name}" cannot be a group: use 1 to 31 characters from "$" to "~"`);
}

/** Whether these may be the destinations of one message. */
export function checkDestinations(groups: readonly string[]): GroupError | undefined {
  if (groups.length === 0 || groups.length > GROUPS_MAX) {
    return new GroupError("TOO_LARGE", `${groups.length} destinations: a message has 1 to ${GROUPS_MAX}`);
  }
  for (const group of groups) {
    if (isPrivate(group) ? parsePrivateGroup(group) === undefined : !isGroupName(group)) {
      return new GroupError("ILLEGAL_NAME", `"${group}" is neither a group nor a private group such as "#user#daemon"`);
    }
  }
  return undefined;
}

/** Whether these may be members of a group, as private groups. */
export function checkMembers(members: readonly string[]): GroupError | undefined {
  const stranger = members.find((member) => !isPrivate(member));
  if (stranger === undefined) return checkDestinations(members);
  return new GroupError(
    "ILLEGAL_NAME",
    `onlyTo: "${stranger}" is no member: use private groups such as "#user#daemon"`,
  );
}
