/* The thread in which `startDaemon` runs a daemon: a busy application must not keep the token waiting. */
import { parentPort, workerData } from "node:worker_threads";
import { type RunningDaemon, type RunOptions, runDaemon } from "./run.ts";
import { type CarriedError, carriedError } from "./carried-error.ts";
import type { NodeEvent } from "./node.ts";
import type { DaemonStatus } from "./status.ts";

/** What the owner asks of the thread. */
export type ToWorker =
  | { readonly kind: "status"; readonly id: number }
  | { readonly kind: "reload"; readonly id: number; readonly text: string }
  | { readonly kind: "stop" | "abort" };

/** What the thread tells its owner. */
export type FromWorker =
  | { readonly kind: "started"; readonly httpPort: number | undefined }
  | { readonly kind: "failed"; readonly error: CarriedError }
  | { readonly kind: "status"; readonly id: number; readonly status: DaemonStatus }
  | {
      readonly kind: "reloaded";
      readonly id: number;
      readonly answer: { readonly why: string | undefined } | CarriedError;
    }
  | { readonly kind: "event"; readonly event: NodeEvent }
  | { readonly kind: "stopped" };

const port = parentPort;
if (port === null) throw new Error("this file is for a worker thread");
const tell = (message: FromWorker): void => port.postMessage(message);

try {
  const daemon = await runDaemon(workerData as RunOptions, (event) => tell({ kind: "event", event }));
  port.on("message", (message: ToWorker) => void obey(daemon, message));
  tell({ kind: "started", httpPort: daemon.httpPort });
  void daemon.ended.then(() => {
    tell({ kind: "stopped" });
    port.close();
  });
} catch (error) {
  tell({ kind: "failed", error: carriedError(error) });
  port.close();
}

async function obey(daemon: RunningDaemon, message: ToWorker): Promise<void> {
  if (message.kind === "status") {
    tell({ kind: "status", id: message.id, status: daemon.status() });
    return;
  }
  if (message.kind === "reload") {
    const answer = await daemon.reload(message.text).then((why) => ({ why }), carriedError);
    tell({ kind: "reloaded", id: message.id, answer });
    return;
  }
  await (message.kind === "stop" ? daemon.stop() : daemon.close());
}
