import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { METRICS_CONTENT_TYPE, metricsText } from "./metrics.ts";
import type { DaemonStatus } from "./status.ts";

/** Takes a status now, with all regions and nodes or the largest; a promise where the daemon runs in a thread of its own. */
export type StatusSource = (whole: boolean) => DaemonStatus | Promise<DaemonStatus>;

export type HttpEndpoints = AsyncDisposable & {
  /** The port in use, also where 0 was asked for. */
  readonly port: number;
};

/**
 * Serves GET /metrics (Prometheus), /healthz (200 while the daemon answers at all), /readyz (200 while it serves
 * clients, else 503) and /status (JSON; /status?all with all regions and nodes). Rejects if the address cannot be listened at.
 */
export async function serveHttp(options: {
  address: string;
  port: number;
  status: StatusSource;
}): Promise<HttpEndpoints> {
  const server = createServer((request, response) => {
    answer(request, options.status).then(
      (reply) => send(request, response, reply),
      (error: unknown) => send(request, response, { code: 503, type: PLAIN, body: `no status: ${String(error)}\n` }),
    );
  });
  // Scrapers keep connections; whoever sends nothing for long should not.
  server.requestTimeout = 10_000;
  server.maxConnections = 64;
  await listening(server, options.port, options.address);
  // A connection that fails before it is accepted, or no descriptors left: the daemon goes on.
  server.on("error", () => undefined);
  const bound = server.address();
  return {
    port: typeof bound === "object" && bound !== null ? bound.port : options.port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

const PLAIN = "text/plain; charset=utf-8";

type Reply = { readonly code: number; readonly type: string; readonly body: string };

async function answer(request: IncomingMessage, status: StatusSource): Promise<Reply> {
  if (request.method !== "GET" && request.method !== "HEAD") return { code: 405, type: PLAIN, body: "GET only\n" };
  const [path = "/", query] = (request.url ?? "/").split("?", 2);
  switch (path) {
    case "/metrics":
      return { code: 200, type: METRICS_CONTENT_TYPE, body: metricsText(await status(false)) };
    case "/healthz":
      await status(false);
      return { code: 200, type: PLAIN, body: "ok\n" };
    case "/readyz": {
      const now = await status(false);
      if (now.ready) return { code: 200, type: PLAIN, body: `ready\n${aboutRegions(now)}` };
      const why = `not ready: membership ${now.membershipState}, groups ${now.groupsState}\n`;
      return { code: 503, type: PLAIN, body: why };
    }
    case "/status":
      return {
        code: 200,
        type: "application/json",
        body: `${JSON.stringify(await status(query === "all"), undefined, 2)}\n`,
      };
    default:
      return { code: 404, type: PLAIN, body: "There are /metrics, /healthz, /readyz, /status and /status?all.\n" };
  }
}

/** Clients are served all the same: who only sends and receives in groups need not care. */
function aboutRegions({ regions, configuration }: DaemonStatus): string {
  if (!regions.suspended || (regions.groups === 0 && regions.nodes === 0)) return "";
  const why = configuration.primary ? "the epoch has not begun" : "the daemon is in no primary configuration";
  return `memberships of scalable groups are suspended: ${why}\n`;
}

function send(request: IncomingMessage, response: ServerResponse, { code, type, body }: Reply): void {
  response.writeHead(code, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

function listening(server: Server, port: number, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, address, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
