import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { takePorts } from "../e2e/ports.ts";

/** An application that blocks its own thread for a second, which is longer than the token may be away. */
const APPLICATION = `
  import { loopbackConfig, startDaemon } from "amalgam/daemon";
  const site = loopbackConfig(["a", "b"], { port: Number(process.argv[1]) });
  const daemons = [];
  for (const name of ["a", "b"]) daemons.push(await startDaemon({ config: site, name, unixSocket: false }));
  const statuses = () => Promise.all(daemons.map((daemon) => daemon.status()));
  while ((await statuses()).some((status) => status.configuration.members.length < 2)) await new Promise(setImmediate);
  const before = (await statuses()).map(({ changeCount }) => changeCount);
  for (const end = Date.now() + 1000; Date.now() < end; );
  const after = (await statuses()).map(({ changeCount }) => changeCount);
  await Promise.all(daemons.map((daemon) => daemon.stop()));
  await Promise.all(daemons.map((daemon) => daemon.closed));
  console.log(JSON.stringify({ before, after }));
`;

it("an embedded daemon keeps its ring while the application is busy, and ends with the process", async () => {
  const setup = fileURLToPath(new URL("../../scripts/setup.mjs", import.meta.url));
  const built = spawnSync(process.execPath, [setup, "--build"], { encoding: "utf8" });
  expect(built.status, built.stderr).toBe(0);
  using ports = await takePorts();
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--input-type=module", "--eval", APPLICATION, "--", String(ports.base)],
    { encoding: "utf8", cwd: fileURLToPath(new URL("../..", import.meta.url)), timeout: 90_000 },
  );
  expect(status, stderr).toBe(0);
  const { before, after } = JSON.parse(stdout) as { before: number[]; after: number[] };
  expect(after).toEqual(before);
});
