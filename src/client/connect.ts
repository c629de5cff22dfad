import type { ConnectOptions } from "./config.ts";
import { Connection } from "./connection.ts";
import { nodeTransport } from "./transport.ts";

/**
 * Connects to a daemon: `"4803@localhost"`, or `"4803"` for its Unix socket `/tmp/4803`; of several addresses the first that
 * answers, the others being there for later. Rejects with a `GroupError` (`UNREACHABLE`, `REFUSED`) or with the signal's
 * reason; a wrong option is a `RangeError`.
 */
export function connect(addresses: string | readonly string[], options: ConnectOptions = {}): Promise<Connection> {
  return Connection.open(nodeTransport, addresses, options);
}
