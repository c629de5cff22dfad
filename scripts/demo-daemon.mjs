/*
 * One daemon of `npm start`, in a process of its own so that it can be killed. Its parent tells it what to run and hears
 * of its configurations; it ends with its parent.
 */
import { loopbackConfig, startDaemon } from "../dist/daemon/index.js";

const [name, names, port] = process.argv.slice(2);
// Ctrl-C reaches the whole group of processes: the parent decides in which order they end.
process.on("SIGINT", () => undefined);
process.on("disconnect", () => process.exit(0));

try {
  const daemon = await startDaemon({
    config: loopbackConfig(names.split(","), { port: Number(port) }),
    name,
    thread: false,
    ownProcess: true,
    onEvent: (event) => {
      if (event.kind === "configuration") process.send?.({ kind: "configuration", change: event.change });
    },
  });
  process.send({ kind: "started", address: daemon.address });
  process.on("message", () => void daemon.stop().then(() => process.exit(0)));
} catch (error) {
  process.send({ kind: "failed", code: error.code, message: error.message });
  process.exitCode = 1;
  process.disconnect();
}
