/*
 * One daemon of a benchmark, in a process of its own. Arguments: configuration file, name. Tells its parent when it has
 * started and each configuration; answers { kind: "status" } and { kind: "usage" }. With AMALGAM_PROFILE=folder it writes a
 * CPU profile of the time between two requests for its usage there.
 */
import { writeFileSync } from "node:fs";
import { Session } from "node:inspector";
import { loadSiteConfig, startDaemon } from "../dist/daemon/index.js";

let inspector;
const [file, name] = process.argv.slice(2);
process.on("disconnect", () => process.exit(0));
const { site } = await loadSiteConfig(file);
const daemon = await startDaemon({
  config: site,
  name,
  thread: false,
  ownProcess: true,
  onEvent: (event) => {
    if (event.kind === "configuration") process.send?.({ kind: "configuration", members: event.change.members });
  },
});
process.on("message", ({ kind }) => void answer(kind));

async function answer(kind) {
  switch (kind) {
    case "status":
      process.send({ kind, status: await daemon.status() });
      break;
    case "usage":
      profile();
      process.send({ kind, cpu: process.cpuUsage(), memory: process.memoryUsage(), at: performance.now() });
      break;
    case "stop":
      await daemon.stop();
      process.exit(0);
  }
}

function profile() {
  const folder = process.env.AMALGAM_PROFILE;
  if (folder === undefined) return;
  if (inspector === undefined) {
    inspector = new Session();
    inspector.connect();
    inspector.post("Profiler.enable");
    inspector.post("Profiler.start");
  } else {
    inspector.post("Profiler.stop", (_error, { profile }) =>
      writeFileSync(`${folder}/${name}.cpuprofile`, JSON.stringify(profile)),
    );
  }
}
process.send({ kind: "started", address: daemon.address });
