import { afterEach, describe, expect, it } from "vitest";
import { type GroupReport, NodeClient } from "../e2e/node-client.ts";
import { Site } from "../e2e/site.ts";
import { until } from "../e2e/until.ts";
import { Lab, namespacesAvailable } from "./namespaces.ts";

const LOSS = 0.01;
const DAEMONS = ["alpha", "beta", "gamma"];
const MEMBERS = [0, 1, 2, 0, 1, 2];
/** Datagrams that each host has to lose before the load ends, however long that takes: many are data. */
const DROPPED_MIN = 50;

let lab: Lab | undefined;
let site: Site | undefined;
const clients: NodeClient[] = [];

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await site?.close();
  lab?.close();
  lab = site = undefined;
});

function countsOf({ statistics }: GroupReport): NonNullable<GroupReport["statistics"]> {
  if (statistics === undefined) throw new Error("a member of a timely group counts");
  return statistics;
}

/** The stream of one sender, by its life, and how many of it the member was told will not come. */
function cameFrom(report: GroupReport, life: string) {
  const [key, stream] = Object.entries(report.streams).find(([known]) => known.endsWith(` ${life}`)) ?? [];
  let lost = 0;
  for (const event of report.events) {
    if (event.kind === "lost" && key?.startsWith(`${event.sender} `)) lost += event.packets;
  }
  return { count: stream?.count ?? 0, faults: stream?.faults ?? [], lost };
}

describe.runIf(namespacesAvailable())("timely groups on a network that loses every hundredth datagram", () => {
  it("every member gets each message once or is told that it is lost, and repairs bring what was missing", async () => {
    const network = Lab.create(DAEMONS.length);
    lab = network;
    const daemons = await Site.start(DAEMONS, { lab: network });
    site = daemons;
    const addresses = (host: number): string[] => {
      const first = DAEMONS[host] as string;
      return [first, ...DAEMONS.filter((name) => name !== first)].map(
        (name) => `${daemons.port(name)}@${daemons.host(name)}`,
      );
    };
    const members = await Promise.all(
      MEMBERS.map(async (host, i) => {
        const client = await NodeClient.start(addresses(host), `m${i}`, {}, { lab: network, host });
        clients.push(client);
        return client;
      }),
    );
    await Promise.all(members.map((member) => member.join("t", undefined, "timely")));
    for (const member of members) await member.untilMembers("t", members.length);
    DAEMONS.forEach((_, host) => network.setLoss(host, LOSS));

    await Promise.all(members.map((member) => member.flood("t", 1)));
    // A busy machine has packets rebuilt that are only late: that something was rebuilt does not yet say that something was lost.
    for (let host = 0; host < DAEMONS.length; host++) {
      await until(`host ${host} has lost enough`, () => network.dropped(host) >= DROPPED_MIN);
    }
    await Promise.all(members.map((member) => member.stop()));

    const senders = await Promise.all(members.map((member) => member.group("t")));
    for (const member of members) {
      for (const { life, sent } of senders) {
        await until(`${member.name} has all of ${life}, or knows better`, async () => {
          const { count, lost } = cameFrom(await member.group("t"), life);
          return count + lost >= sent;
        });
      }
    }
    for (const member of members) {
      const report = await member.group("t");
      let [came, told] = [0, 0];
      for (const { life, sent } of senders) {
        const { count, lost, faults } = cameFrom(report, life);
        expect({ member: member.name, life, faults, all: count + lost }).toEqual({
          member: member.name,
          life,
          faults: [],
          all: sent,
        });
        if (life !== report.life) came += count;
        told += lost;
      }
      const { received, rebuilt, resent, lost } = countsOf(report);
      expect(rebuilt).toBeGreaterThan(0);
      expect({ came: received + rebuilt + resent, told: lost }).toEqual({ came, told });
      expect(report.members).toHaveLength(members.length);
    }
  });
});
