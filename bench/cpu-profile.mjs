/* With AMALGAM_PROFILE=folder: a CPU profile of the time between two calls, written there. */
import { writeFileSync } from "node:fs";
import { Session } from "node:inspector";

let inspector;

export function profile(name) {
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
