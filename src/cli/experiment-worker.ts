/* A thread of `amalgam sim qsm`: runs the scenarios that it is sent, one at a time, and answers each. */
import { parentPort } from "node:worker_threads";
import { runLoad } from "../sim/load/load-run.ts";
import type { Point } from "../sim/load/experiment.ts";

const port = parentPort;
if (port === null) throw new Error("this file is for a worker thread");

// What a run throws ends the thread: the owner then names the point.
port.on("message", ({ scenario }: Point) => port.postMessage(runLoad(scenario)));
