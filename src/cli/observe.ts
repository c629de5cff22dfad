import type { DaemonStatus } from "../daemon/status.ts";
import type { Observation } from "./monitor-view.ts";
import { fetchStatus, type StatusRequest } from "./status-client.ts";

/**
 * Asks the daemon at `address`, and through it learns of all others of its site and asks them too.
 */
export async function observeSite(
  address: string,
  signal: AbortSignal,
  request?: StatusRequest,
): Promise<Observation[]> {
  const first = await fetchStatus(address, signal, request);
  return Promise.all(
    first.site.daemons.map(async (daemon) => {
      if (daemon.name === first.name) return { name: first.name, address, status: first, problem: undefined };
      return observe(daemon.name, `${daemon.port}@${daemon.address}`, signal, request);
    }),
  );
}

/** As `observeSite`, by the first of several daemons that answers: a monitor outlives the one it began with. */
export async function observeSiteByAny(
  addresses: readonly string[],
  signal: AbortSignal,
  request?: StatusRequest,
): Promise<Observation[]> {
  let failure: unknown;
  for (const address of addresses) {
    try {
      return await observeSite(address, signal, request);
    } catch (error) {
      if (signal.aborted) throw error;
      failure ??= error;
    }
  }
  throw failure;
}

/** Asks one daemon; a failure is part of the observation. */
export async function observe(
  name: string,
  address: string,
  signal: AbortSignal,
  request?: StatusRequest,
): Promise<Observation> {
  try {
    const status: DaemonStatus = await fetchStatus(address, signal, request);
    return { name, address, status, problem: undefined };
  } catch (error) {
    return {
      name,
      address,
      status: undefined,
      problem: error instanceof Error ? shortened(error.message) : "no answer",
    };
  }
}

/** The reason without the address, which stands beside it anyway. */
function shortened(message: string): string {
  return message.replace(/^no status of the daemon at \S+: /, "");
}
