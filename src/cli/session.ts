import { type Connection, connect, type ConnectionEvent } from "../index.ts";
import type { Arguments } from "./arguments.ts";
import { printable, type Terminal } from "./terminal.ts";

/** Connects as `--address`, `--name` and `--protocol` say. */
export function openConnection(args: Arguments, terminal: Terminal): Promise<Connection> {
  const name = args.text("name");
  const protocol = args.text("protocol");
  return connect(args.text("address") ?? "4803@localhost", {
    ...(name === undefined ? {} : { name }),
    ...(protocol === "native" || protocol === "spread" ? { protocol } : {}),
    signal: terminal.signal,
  });
}

/** An event that is no message, in one line for people. */
export function describeEvent(event: Exclude<ConnectionEvent, { kind: "message" }>): string {
  switch (event.kind) {
    case "view": {
      const who = [
        ...(event.joined.length > 0 ? [`${event.joined.join(" ")} joined`] : []),
        ...(event.left.length > 0 ? [`${event.left.join(" ")} left`] : []),
      ];
      const primary = event.primary === undefined ? "" : event.primary ? ", primary" : ", NOT primary";
      const why = event.cause === "network" ? "daemons were lost or found" : event.cause;
      const change = who.length > 0 ? who.join("; ") : "same members";
      return `${event.group}: view of ${event.members.length}: ${event.members.join(" ")} (${change}; cause: ${why}${primary})`;
    }
    case "transitional":
      return `${event.group}: the daemons' configuration changes; until the next view only those who come along are sure to deliver`;
    case "gap":
      return `${event.group}: ${event.count ?? "some"} messages were missed (${GAP_REASONS[event.reason]})`;
    case "flushRequest":
      return `${event.group}: a new view waits for this member to flush`;
    case "left":
      return `${event.group}: left`;
    case "disconnected":
      return `connection lost: ${printable(event.reason)}; reconnecting`;
    case "reconnected":
      return `connected again to ${event.address} as ${event.privateGroup}${event.resumed ? "; nothing was missed" : ""}`;
  }
}

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
