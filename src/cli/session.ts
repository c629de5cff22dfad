import { type Connection, connect, type ConnectionEvent } from "../index.ts";
import type { Arguments } from "./arguments.ts";
import { printable, type Terminal } from "./terminal.ts";

/**
 * Connects as `--address`, `--name` and `--protocol` say. When the terminal is interrupted the connection is closed in
 * order: other members then see it leave at once, and its streams end.
 */
export async function openConnection(args: Arguments, terminal: Terminal): Promise<Connection> {
  const name = args.text("name");
  const protocol = args.text("protocol");
  const { signal } = terminal;
  // A signal that is given to `connect` also ends the connection later, and at once. That is only wanted until it is up.
  const attempt = new AbortController();
  const giveUp = () => attempt.abort(signal.reason);
  signal.addEventListener("abort", giveUp, { once: true });
  if (signal.aborted) giveUp();
  const connection = await connect(args.text("address") ?? "4803@localhost", {
    ...(name === undefined ? {} : { name }),
    ...(protocol === "native" || protocol === "spread" ? { protocol } : {}),
    signal: attempt.signal,
  });
  signal.removeEventListener("abort", giveUp);
  const close = () => void connection.close();
  signal.addEventListener("abort", close, { once: true });
  if (signal.aborted) close();
  return connection;
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
