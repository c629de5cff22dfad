/* A thread of `amalgam sim qsm` and the like: runs the scenarios that it is sent, one at a time, and answers each. */
import { parentPort } from "node:worker_threads";
import { suiteNamed } from "../sim/suites.ts";
import type { ExperimentTask } from "./experiments.ts";

const port = parentPort;
if (port === null) throw new Error("this file is for a worker thread");

// What a run throws ends the thread: the owner then names the point.
port.on("message", ({ suite, scenario }: ExperimentTask) => port.postMessage(suiteNamed(suite)?.run(scenario)));
