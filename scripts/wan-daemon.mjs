/*
 * One daemon of `npm run demo:wan`, in a process of its own: told by its parent what to run, and ends with it.
 */
import { parseSiteConfig, startDaemon } from "../dist/daemon/index.js";

const { text, name, via } = JSON.parse(process.argv[2]);
process.on("SIGINT", () => undefined);
process.on("disconnect", () => process.exit(0));

try {
  const daemon = await startDaemon({
    config: parseSiteConfig(text).site,
    name,
    via,
    thread: false,
    ownProcess: true,
    unixSocket: false,
    onEvent: (event) => {
      if (event.kind === "configuration") process.send?.({ kind: "configuration", change: event.change });
    },
  });
  process.send({ kind: "started" });
  process.on("message", ({ kind }) => {
    if (kind === "stop") void daemon.stop().then(() => process.exit(0));
    else void daemon.status().then((status) => process.send({ kind: "status", status }));
  });
} catch (error) {
  process.send({ kind: "failed", message: error.message });
  process.exitCode = 1;
  process.disconnect();
}
