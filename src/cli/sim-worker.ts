/* A thread of `amalgam sim --jobs`: runs the schedules that it is sent, one at a time, and answers each. */
import { parentPort } from "node:worker_threads";
import { runTask, type SimTask } from "./sim-runs.ts";

const port = parentPort;
if (port === null) throw new Error("this file is for a worker thread");

// What a run throws ends the thread: the owner then names the seed.
port.on("message", (task: SimTask) => void runTask(task).then((run) => port.postMessage(run)));
