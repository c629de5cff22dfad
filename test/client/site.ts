import { loopbackConfigText } from "../../src/daemon/config/parse-site.ts";
import { type Daemon, parseSiteConfig, startDaemon } from "../../src/daemon/index.ts";
import { takePorts } from "../e2e/ports.ts";

/** Real daemons on this host, one site over loopback, in this process. `settings`: directives for all of them. */
export async function startSite(names: readonly string[], settings = ""): Promise<Daemon[]> {
  const { base: port } = await takePorts();
  const config = parseSiteConfig(`${settings}\n${loopbackConfigText(names, { port })}`).site;
  const daemons = await Promise.all(
    names.map((name) => startDaemon({ config, name, thread: false, unixSocket: false })),
  );
  for (const daemon of daemons) await untilMembers(daemon, names.length);
  return daemons;
}

/** Waits until a daemon's configuration has this many members. */
export async function untilMembers(daemon: Daemon, count: number): Promise<void> {
  for (;;) {
    const { configuration } = await daemon.status();
    if (configuration.members.length === count) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
