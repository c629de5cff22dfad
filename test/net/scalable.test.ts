import { afterEach, describe, expect, it } from "vitest";
import { expectAllOf, NodeClient } from "../e2e/node-client.ts";
import { Site } from "../e2e/site.ts";
import { sleep, until } from "../e2e/until.ts";
import { Lab, namespacesAvailable } from "./namespaces.ts";

/** How long the load lasts: some seconds in the everyday suite, a minute to be sure (AMALGAM_SCALABLE_MS=60000). */
const LOAD_MS = Number(process.env["AMALGAM_SCALABLE_MS"] ?? 8_000);
const LOSS = 0.01;
const DAEMONS = ["alpha", "beta", "gamma"];
/** Messages of each member every 5 ms; 200 is as fast as its window lets it (AMALGAM_SCALABLE_PER_TICK). */
const PER_TICK = Number(process.env["AMALGAM_SCALABLE_PER_TICK"] ?? 2);

let lab: Lab | undefined;
let site: Site | undefined;
const clients: NodeClient[] = [];

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await site?.close();
  lab?.close();
  lab = site = undefined;
});

/** A client on a host, which connects to the daemon there first. */
async function start(daemons: Site, network: Lab, name: string, host: number): Promise<NodeClient> {
  const first = DAEMONS[host] as string;
  const addresses = [first, ...DAEMONS.filter((other) => other !== first)].map(
    (daemon) => `${daemons.port(daemon)}@${daemons.host(daemon)}`,
  );
  const client = await NodeClient.start(addresses, name, {}, { lab: network, host });
  clients.push(client);
  return client;
}

describe.runIf(namespacesAvailable())("scalable groups on a network that loses every hundredth datagram", () => {
  it(
    "every survivor has every promised message once and in order, though a member and daemons are killed under load",
    async () => {
      const network = Lab.create(3);
      lab = network;
      const daemons = await Site.start(DAEMONS, { lab: network });
      site = daemons;
      const members = await Promise.all([0, 1, 2, 0, 1, 2].map((host, i) => start(daemons, network, `m${i}`, host)));
      const [m0, m1, m2, m3, m4, victim] = members as [
        NodeClient,
        NodeClient,
        NodeClient,
        NodeClient,
        NodeClient,
        NodeClient,
      ];
      await Promise.all(members.map((member) => member.join("g")));
      // Another region, which shares the group.
      await Promise.all([m3, m4].map((member) => member.join("h")));
      for (const member of members) await member.untilMembers("g", 6);
      for (let host = 0; host < 3; host++) network.setLoss(host, LOSS);

      await Promise.all(members.map((member) => member.flood("g", PER_TICK)));
      await m3.flood("h", PER_TICK);
      await sleep(LOAD_MS / 4);
      victim.signal("SIGKILL");
      await sleep(LOAD_MS / 4);
      daemons.signal("beta", "SIGKILL");
      await sleep(LOAD_MS / 4);
      await daemons.startDaemon("beta");
      await daemons.untilTogether(DAEMONS);
      // The first of the configuration, which says when a batch is complete.
      daemons.signal("alpha", "SIGKILL");
      await sleep(LOAD_MS / 4);

      const survivors = [m0, m1, m2, m3, m4];
      await Promise.all(survivors.map((member) => member.stop()));
      for (const member of survivors) await member.untilMembers("g", 5);
      const groups = await Promise.all(survivors.map((member) => member.group("g")));
      const total = groups.reduce((sum, { sent }) => sum + sent, 0);
      process.stderr.write(`scalable groups under loss: ${total} messages from ${survivors.length} survivors\n`);
      await expectAllOf("g", survivors, survivors);
      await expectAllOf("h", [m3, m4], [m3]);
      for (const { failed } of groups) expect(failed).toBe(0);
      // Of the one that was killed, members of one region have the same, in order, up to some message or with what is lost told.
      for (const region of [groups.slice(0, 3), groups.slice(3)]) {
        const ofVictim = region.map(
          ({ streams }) => Object.entries(streams).find(([key]) => key.startsWith("#m5#"))?.[1],
        );
        for (const stream of ofVictim) expect(stream).toEqual(ofVictim[0]);
      }
    },
    LOAD_MS + 120_000,
  );

  it("a member on the lesser side of a split is told so, and has missed nothing when that was short", async () => {
    const network = Lab.create(3);
    lab = network;
    const daemons = await Site.start(DAEMONS, { lab: network });
    site = daemons;
    const members = await Promise.all([0, 1, 2].map((host) => start(daemons, network, `m${host}`, host)));
    await Promise.all(members.map((member) => member.join("g")));
    for (const member of members) await member.untilMembers("g", 3);
    await Promise.all(members.map((member) => member.flood("g", 2)));
    network.split([0, 1], [2]);
    const [, , alone] = members as [NodeClient, NodeClient, NodeClient];
    const told = async (): Promise<string[]> => (await alone.report()).session.map(({ kind }) => kind);
    await until("it is suspended", async () => (await told()).includes("suspended"));
    network.merge();
    await until("it is so no more", async () => (await told()).at(-1) === "resumed");
    await Promise.all(members.map((member) => member.stop()));
    await expectAllOf("g", members, members);
    for (const member of members) expect((await member.group("g")).members).toHaveLength(3);
    for (const member of members) expect((await member.group("g")).failed).toBe(0);
  });
});
