import { describe, expect, test } from "vitest";
import { someRegions } from "../../test/cms/regions-status.ts";
import type { RegionsStatus } from "../daemon/regions-status.ts";
import type { DaemonStatus } from "../daemon/status.ts";
import { regionSections } from "./region-view.ts";

function status(name: string, regions: Partial<RegionsStatus> = {}): DaemonStatus {
  return { name, regions: someRegions(regions) } as unknown as DaemonStatus;
}

/** As `alpha` has it, but for what its own nodes say. */
function elsewhere(): Partial<RegionsStatus> {
  const { largest, served } = someRegions();
  return {
    largest: largest.map((region) => ({ ...region, led: undefined, reporting: 3, lost: 0, pendingBytes: 1_000 })),
    served: { ...served, late: 0, lateMs: 0, count: 3, attached: 2 },
    busiest: [],
    absent: [],
  };
}

const site = [status("alpha"), status("beta", elsewhere())];

describe("regions in the monitor's picture", () => {
  test("are the sums of what all daemons' nodes say, with what the leader knows", () => {
    const [regions] = regionSections(site, 200, false);
    expect(regions).toMatch(/^Regions: 4, with 12 nodes in 5 groups; epoch 3; 1 replaced view is not over yet\n/);
    const [head, row] = (regions ?? "")
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/ {2,}/));
    const cell = (name: string): string | undefined => row?.[head?.indexOf(name) ?? -1];
    expect(row?.[0]).toBe("3:1");
    expect(cell("leader")).toBe("#ann#alpha");
    expect(cell("round")).toBe("12.35 ms");
    expect(cell("sent/s")).toBe("200");
    expect(cell("delivered/s")).toBe("400");
    expect(cell("pending")).toBe("5.1 kB");
    expect(cell("repairs/s")).toBe("6");
    expect(cell("lost")).toBe("1");
    expect(cell("least/s")).toBe("9,000");
    expect(cell("reporting")).toBe("5");
    expect(cell("names")).toBe("g1 g2 g3 g4 g5");
  });

  test("show by daemon who is late and who is away", () => {
    const daemons = regionSections(site, 200, false)[1];
    expect(daemons).toMatch(/^ {2}alpha +current +2 +1 \(2500 ms\) +1 /m);
    expect(daemons).toMatch(/^ {2}beta +current +3 +0 +1 /m);
  });

  test("say how packets of timely groups came, once there are some", () => {
    const { served } = someRegions();
    const shown = (counts: object): string | undefined =>
      regionSections(
        [status("alpha", { served: { ...served, totals: { ...served.totals, ...counts } } })],
        200,
        false,
      ).find((section) => section.startsWith("Timely"));
    expect(shown({})).toBeUndefined();
    const arrivals = { timelyReceived: 980, timelyRebuilt: 15, timelyResent: 5, timelyLost: 2, recoveredUs: 40_000 };
    const text = shown({
      ...arrivals,
      timelyRepairsReceived: 500,
      timelyRepairsUseless: 400,
      orderedDelivered: 200,
      orderedRolledBack: 1,
    });
    expect(text).toContain("1,000 packets, of which 20 were missing at first: 75.00 % rebuilt, 25.00 % asked for");
    expect(text).toContain("after 2.00 ms on average; 2 lost");
    expect(text).toContain("80.00 % told nothing new");
    expect(text).toContain("in one order: 200 deliveries, 0.00 % before their order was known, 0.50 % taken back");
  });

  test("count the repairs of all nodes, by who brought them", () => {
    const { served } = someRegions();
    const totals = {
      ...served.totals,
      packetsReceived: 990,
      pushed: 6,
      pulled: 3,
      resent: 1,
      repaired: 10,
      redundant: 2,
    };
    const sections = regionSections([status("a", { served: { ...served, totals } })], 400, false);
    expect(sections[2]?.split("\n")).toEqual([
      "Repairs by nodes since start",
      "  6 pushed to the predecessor, 3 pulled by the successor, 0 by other partitions, 0 forwarded when they came, 1 sent again by senders; of these 10 came in time (1.00 % of all packets), 2 in vain; 1 given up as lost",
    ]);
  });

  test("name the nodes of note: who is away, who is late, who has much to do", () => {
    const nodes = regionSections(site, 200, false)[3];
    expect(nodes).toMatch(/^Nodes\n.*\n {2}#eve#gamma +away, fails in 7 s .*alpha/);
    expect(nodes).toMatch(/^ {2}#bob#alpha +late 2500 ms +100 +100 +3.1 kB +0 /m);
  });

  test("tell each change of memberships once, and who was suspended", () => {
    const suspended = { atMs: 2_000, kind: "suspended" } as const;
    const three = [...site, status("gamma", { suspended: true, changes: [suspended, ...someRegions().changes] })];
    expect(regionSections(three, 200, false)[4]?.split("\n")).toEqual([
      "Last changes of regions",
      "  00:00:02.000  gamma: memberships are suspended: no primary configuration",
      "  00:00:01.000  #n1#alpha, #n2#alpha, #n3#alpha, #n4#alpha, #n5#alpha and 2 more joined; #eve#beta failed (session ended); regions: 1 new, 2 changed",
    ]);
    expect(regionSections(three, 200, false)[1]).toMatch(/^ {2}gamma +suspended /m);
  });

  test("are left out where nobody uses them", () => {
    const served = { ...someRegions().served, count: 0 };
    expect(regionSections([status("a", { nodes: 0, groups: 0, served })], 80, false)).toEqual([]);
  });

  test("a daemon of an earlier release, which says less, is passed over", () => {
    const old = { epoch: 1, suspended: false, nodes: 3, regions: 1, groups: 1 };
    expect(regionSections([{ name: "old", regions: old } as unknown as DaemonStatus], 80, false)).toEqual([]);
  });

  test.each([200, 80, 60, 40])(
    "fit %d columns, and never lose which region or node it is, and of how many",
    (width) => {
      const picture = regionSections(site, width, false).join("\n\n");
      for (const line of picture.split("\n")) expect(line.length).toBeLessThanOrEqual(width);
      expect(picture).toMatch(/^ {2}region +nodes/m);
      expect(picture).toMatch(/^ {2}#bob#alpha +late 2500 ms/m);
    },
  );

  test("has as many lines as there is to tell only when all is asked for", () => {
    const [first] = someRegions().largest;
    const largest = Array.from({ length: 30 }, (_, i) => ({ ...first, id: `3:${i}` }) as NonNullable<typeof first>);
    const rows = (isWhole: boolean) =>
      regionSections([status("a", { largest })], 200, isWhole)[0]?.match(/^ {2}3:/gm)?.length;
    expect([rows(false), rows(true)]).toEqual([8, 30]);
  });
});
