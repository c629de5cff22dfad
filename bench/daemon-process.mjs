/*
 * One daemon of a benchmark, in a process of its own, or (third argument "embedded") in that of a program. Arguments: configuration file, name. Tells its parent when it has
 * started and each configuration; answers { kind: "status" } and { kind: "usage" }, and with { kind: "flood" } has clients within (flood.mjs). With AMALGAM_PROFILE=folder it writes a
 * CPU profile of the time between two requests for its usage there.
 */
import { loadSiteConfig, startDaemon } from "../dist/daemon/index.js";
import { keepFreedMemory } from "../dist/host/freed-memory.js";
import { growHeap } from "../dist/host/heap-growth.js";
import { scavengeAlone } from "../dist/host/scavenges.js";
import { profile } from "./cpu-profile.mjs";
import { flood } from "./flood.mjs";
import { takePauses } from "./gc-watch.mjs";

const [file, name, home] = process.argv.slice(2);
process.on("disconnect", () => process.exit(0));
growHeap();
if (home !== "embedded") {
  scavengeAlone();
  keepFreedMemory();
}
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
process.on("message", ({ kind, options }) => void answer(kind, options));

async function answer(kind, options) {
  switch (kind) {
    case "status":
      process.send({ kind, status: await daemon.status() });
      break;
    case "usage":
      profile(name);
      process.send({
        kind,
        cpu: process.cpuUsage(),
        memory: process.memoryUsage(),
        at: performance.now(),
        gc: takePauses(),
      });
      break;
    case "flood":
      // Clients in this very process; from now on they answer as well.
      await flood((client) => daemon.connect(client), options, `client-${name}`);
      break;
    case "stop":
      await daemon.stop();
      process.exit(0);
  }
}

process.send({ kind: "started", address: daemon.address });
