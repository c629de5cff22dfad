import { chmodSync, lstatSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { join } from "node:path";
import { SITE_FILE_BYTES_MAX } from "../wire/site-file.ts";

/*
 * What only those may ask of a daemon who run it: a Unix socket in a folder that belongs to the daemon's user and is closed to all others, so that
 * the operating system says who may. GET /configuration: the file in force. POST /reload: puts the file of the body in force.
 */

/** What came of a request to put a file in force; `why` it was not, for people. */
export type ReloadAnswer = { readonly why: string | undefined };

export interface AdminSource {
  configuration(): string;
  reload(text: string): Promise<ReloadAnswer>;
}

const OWNER_ONLY = 0o700;

/** The folder of a daemon's socket, and the socket. */
export function adminPlaces(unixDirectory: string, port: number): { readonly folder: string; readonly socket: string } {
  const folder = join(unixDirectory, `${port}.admin`);
  return { folder, socket: join(folder, "socket") };
}

/** Rejects when the folder cannot be made, or is somebody else's. */
export async function serveAdmin(unixDirectory: string, port: number, source: AdminSource): Promise<AsyncDisposable> {
  const { folder, socket } = adminPlaces(unixDirectory, port);
  // A daemon that became another user and crashed has left it to that one.
  if (process.getuid?.() === 0) rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: OWNER_ONLY });
  const about = lstatSync(folder);
  if (!about.isDirectory() || about.uid !== process.getuid?.()) {
    throw new Error(`${folder} belongs to somebody else`);
  }
  chmodSync(folder, OWNER_ONLY);
  rmSync(socket, { force: true });
  const server = createServer((request, response) => {
    answer(request, source).then(
      ({ code, body }) => response.writeHead(code, { "content-type": "text/plain; charset=utf-8" }).end(body),
      (error: unknown) => response.writeHead(500).end(`${String(error)}\n`),
    );
  });
  server.maxConnections = 16;
  await listening(server, socket);
  // A connection that fails before it is accepted, or no descriptors left: the daemon goes on.
  server.on("error", () => undefined);
  return {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      try {
        rmSync(folder, { recursive: true, force: true });
      } catch {
        // Who has become another user may not be allowed to take it away: the next start does.
      }
    },
  };
}

type Reply = { readonly code: number; readonly body: string };

async function answer(request: IncomingMessage, source: AdminSource): Promise<Reply> {
  switch (`${request.method} ${request.url}`) {
    case "GET /configuration":
      return { code: 200, body: source.configuration() };
    case "POST /reload": {
      const text = await bodyOf(request);
      if (text === undefined) return { code: 413, body: `a file is at most ${SITE_FILE_BYTES_MAX} bytes long` };
      const { why } = await source.reload(text);
      return why === undefined ? { code: 200, body: "" } : { code: 409, body: why };
    }
    default:
      return { code: 404, body: "There are GET /configuration and POST /reload." };
  }
}

async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > SITE_FILE_BYTES_MAX) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
