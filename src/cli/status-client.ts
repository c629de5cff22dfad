import { createConnection } from "node:net";
import { type Address, parseAddress } from "../client/address.ts";
import type { DaemonStatus } from "../daemon/status.ts";
import { ENVELOPE_BYTES, envelopeBytes, Kind, PREFACE } from "../wire/native/envelope.ts";
import { encodeNative } from "../wire/native/messages.ts";
import { CliError, ExitCode, usageError } from "./exit-codes.ts";

/** A status of this size belongs to no daemon of ours. */
const REPORT_BYTES_MAX = 16 * 1024 * 1024;

export type StatusRequest = {
  /** How long to wait for the answer; 3 s. */
  readonly timeoutMs?: number;
  /** All regions and nodes, not only the largest and most remarkable. */
  readonly whole?: boolean;
};

/** Asks a daemon for its status over the native protocol. Throws a `CliError` that says why there is none. */
export async function fetchStatus(
  address: string,
  signal: AbortSignal,
  request: StatusRequest = {},
): Promise<DaemonStatus> {
  const { timeoutMs = 3_000, whole = false } = request;
  const target = addressOf(address);
  return new Promise((resolve, reject) => {
    const socket =
      target.kind === "unix"
        ? createConnection({ path: target.path })
        : createConnection({ host: target.host, port: target.port });
    let received: Buffer = Buffer.alloc(0);
    const end = (error: Error | undefined, status?: DaemonStatus) => {
      signal.removeEventListener("abort", aborted);
      socket.destroy();
      if (status === undefined) reject(error ?? new Error("no status"));
      else resolve(status);
    };
    const fail = (why: string) =>
      end(new CliError(ExitCode.unreachable, `no status of the daemon at ${address}: ${why}`));
    const aborted = () => end(new CliError(ExitCode.interrupted, "interrupted"));
    signal.addEventListener("abort", aborted, { once: true });
    socket.setTimeout(timeoutMs, () => fail(`no answer for ${timeoutMs} ms`));
    socket.on("error", (error) => fail(error.message));
    socket.on("close", () => fail("it closed the connection; is it a Spread daemon?"));
    socket.on("connect", () => {
      socket.write(PREFACE);
      socket.write(encodeNative({ kind: "status", whole }));
    });
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < ENVELOPE_BYTES) return;
      const length = envelopeBytes(received, 0);
      if (received[4] !== Kind.statusReport || length > REPORT_BYTES_MAX) return fail("it speaks another protocol");
      if (received.length < length) return;
      try {
        end(undefined, JSON.parse(received.toString("utf8", ENVELOPE_BYTES, length)) as DaemonStatus);
      } catch {
        fail("its answer is no JSON");
      }
    });
    if (signal.aborted) aborted();
  });
}

function addressOf(text: string): Address {
  try {
    return parseAddress(text);
  } catch (error) {
    throw error instanceof RangeError ? usageError(error.message) : error;
  }
}
