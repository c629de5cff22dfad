import {
  type AnyGroup,
  type Connection,
  connect,
  type ConnectionEvent,
  type OrderedTimelyJoinOptions,
  type ScalableJoinOptions,
} from "../index.ts";
import type { Arguments } from "./arguments.ts";
import { credentialsOf } from "./credentials.ts";
import { usageError } from "./exit-codes.ts";
import { printable, type Terminal } from "./terminal.ts";

/**
 * Connects as `--address`, `--name`, `--protocol` and `--user` say. When the terminal is interrupted the connection is closed in
 * order: other members then see it leave at once, and its streams end. What cannot be a name or an address is a usage error.
 */
export async function openConnection(args: Arguments, terminal: Terminal): Promise<Connection> {
  const name = args.text("name");
  const protocol = args.text("protocol");
  const host = args.text("node-host");
  const credentials = await credentialsOf(args, terminal, process.env);
  const { signal } = terminal;
  // A signal that is given to `connect` also ends the connection later, and at once. That is only wanted until it is up.
  const attempt = new AbortController();
  const giveUp = () => attempt.abort(signal.reason);
  signal.addEventListener("abort", giveUp, { once: true });
  if (signal.aborted) giveUp();
  const connection = await connect(args.text("address") ?? "4803@localhost", {
    ...(name === undefined ? {} : { name }),
    ...(protocol === "native" || protocol === "spread" ? { protocol } : {}),
    ...(credentials === undefined ? {} : { credentials }),
    ...(host === undefined ? {} : { node: { host } }),
    signal: attempt.signal,
  }).catch((error: unknown) => {
    throw error instanceof RangeError ? usageError(error.message) : error;
  });
  signal.removeEventListener("abort", giveUp);
  const close = () => void connection.close();
  signal.addEventListener("abort", close, { once: true });
  if (signal.aborted) close();
  return connection;
}

/** Joins a group with the quality that `--quality` names. */
export function joinGroup(
  connection: Connection,
  group: string,
  args: Arguments,
  { sendOnly = false, ...options }: Pick<ScalableJoinOptions, "slow" | "signal" | "sendOnly"> = {},
): Promise<AnyGroup> {
  const { slow, ...rest } = options;
  switch (qualityOf(args)) {
    case "ordered":
      return connection.join(group, options);
    case "scalable":
      return connection.join(group, { ...options, sendOnly, quality: "scalable" });
    case "timely": {
      if (slow === "wait") throw usageError("nobody waits in a timely group: --slow drop, or --slow expel");
      const order = orderOf(args);
      if (order === undefined) {
        return connection.join(group, { ...rest, ...(slow && { slow }), sendOnly, quality: "timely" });
      }
      if (slow === "drop") throw usageError("nothing is left out of an order: --slow expel");
      return connection.join(group, { ...rest, ...order, sendOnly, quality: "timely" });
    }
  }
}

/** How a timely group is ordered, if `--order` says so; what does not fit together is a usage error. */
export function orderOf(args: Arguments): Pick<OrderedTimelyJoinOptions, "order" | "optimistic"> | undefined {
  const isTotal = args.text("order") === "total";
  if (isTotal && qualityOf(args) !== "timely")
    throw usageError("--order total is for timely groups: add --quality timely");
  if (args.flag("optimistic") && !isTotal)
    throw usageError("--optimistic is for groups in one order: add --order total");
  return isTotal ? { order: "total", optimistic: args.flag("optimistic") } : undefined;
}

export function qualityOf(args: Arguments): "ordered" | "scalable" | "timely" {
  const quality = args.text("quality");
  return quality === "scalable" || quality === "timely" ? quality : "ordered";
}

/** An event that is no message, in one line for people. */
export function describeEvent(event: Exclude<ConnectionEvent, { kind: "message" }>): string {
  switch (event.kind) {
    case "view": {
      const { group, members, joined, left, cause, primary } = event;
      const isNetwork = cause === "network";
      const who = [
        ...(joined.length > 0 ? [`${joined.join(" ")} ${isNetwork ? "came, as daemons were found" : "joined"}`] : []),
        ...(left.length > 0 ? [`${left.join(" ")} ${LEFT[cause] ?? "left"}`] : []),
      ];
      const change = who.length > 0 ? who.join("; ") : isNetwork ? "the daemons changed" : "same members";
      const side = primary === undefined ? "" : primary ? "; primary" : "; NOT primary";
      const count = members.length === 1 ? "1 member" : `${members.length} members`;
      return `${group}: ${change}; ${count}: ${members.join(" ")}${side}`;
    }
    case "transitional":
      return `${event.group}: the daemons are changing; a new view follows`;
    case "gap":
      return `${event.group}: ${event.count ?? "some"} messages were missed (${GAP_REASONS[event.reason]})`;
    case "flushRequest":
      return `${event.group}: a new view waits for this member to flush`;
    case "primary":
      return `the daemons are ${event.primary ? "" : "NOT "}primary`;
    case "left":
      return `${event.group}: left${event.reason === "slow" ? ", as this client read too slowly" : ""}`;
    case "lost":
      return `${event.group}: ${event.packets} packets of ${event.sender} are lost`;
    case "commit":
      return `${event.group}: all up to ${event.position} is committed`;
    case "rollback":
      return `${event.group}: all behind ${event.position} is taken back`;
    case "suspended":
      return event.reason === "minority"
        ? "memberships of scalable and timely groups are suspended: the daemon is on the lesser side of a split"
        : "memberships of scalable and timely groups are suspended: no daemon is connected";
    case "resumed":
      return "memberships of scalable and timely groups go on";
    case "expelled":
      return `${event.group}: declared failed by the daemons; ${event.unconfirmed} own messages may not have been accepted`;
    case "disconnected":
      return `connection lost: ${printable(event.reason)}; reconnecting`;
    case "reconnected":
      return `connected again to ${event.address} as ${event.privateGroup}${event.resumed ? "; nothing was missed" : ""}`;
  }
}

/** What became of members that are gone, by the cause of the view. */
const LEFT: Readonly<Record<string, string>> = {
  network: "gone, as daemons were lost",
  disconnect: "disconnected",
};

const GAP_REASONS = {
  slow: "this client read too slowly",
  reconnected: "it was away and came back as a new member",
  window: "it was away for longer than the daemon keeps messages",
} as const;

/** A payload as text if it is UTF-8. */
export function payloadText(payload: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(payload);
  } catch {
    return undefined;
  }
}

/** An event as a JSON value; payloads are `text` if they are UTF-8, else `base64`. */
export function jsonOfEvent(event: ConnectionEvent): Record<string, unknown> {
  if (event.kind !== "message") return { ...event };
  const { payload, ...rest } = event;
  const text = payloadText(payload);
  return { ...rest, ...(text === undefined ? { base64: Buffer.from(payload).toString("base64") } : { text }) };
}
