/*
 * One daemon of an end-to-end test, in a process of its own, as an installed daemon runs: from dist/. Arguments:
 * configuration file, name, folder for its state, and how it disseminates if not as the file says. Tells its parent when it has started, each change of its
 * configuration and what it says of streams, answers { kind: "status" }, leaves gracefully on SIGTERM, and ends with its parent.
 */
import { startDaemon } from "../../dist/daemon/index.js";

const [config, name, stateDirectory, dissemination] = process.argv.slice(2);
const tell = (message) => process.connected && process.send(message, () => undefined);
process.on("disconnect", () => process.exit(0));

try {
  const daemon = await startDaemon({
    config,
    name,
    stateDirectory,
    ...(dissemination ? { dissemination } : {}),
    thread: false,
    ownProcess: true,
    onEvent: (event) => {
      if (event.kind === "network") tell({ kind: "network", event: event.event });
      if (event.kind === "configuration") tell({ kind: "change", change: event.change });
    },
  });
  process.on("SIGTERM", () => void daemon.stop().then(() => process.exit(0)));
  process.on("message", () => void daemon.status().then((status) => tell({ kind: "status", status })));
  tell({ kind: "started" });
} catch (error) {
  tell({ kind: "failed", message: error.message });
  process.exitCode = 1;
}
