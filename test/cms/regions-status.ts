import type { RegionsStatus, RegionStatus } from "../../src/daemon/regions-status.ts";
import { noNodeFigures } from "../../src/qsm/statistics.ts";
import { noFigures, REGION_FIGURES } from "../../src/wire/native/node-statistics.ts";

const NO_RATES = { sent: 0, received: 0, delivered: 0, deliveredBytes: 0, repaired: 0, resent: 0 };

/** A status of regions for tests of what shows it: five groups, twelve nodes in four regions, two of them at this daemon. */
export function someRegions(own: Partial<RegionsStatus> = {}): RegionsStatus {
  const largest: RegionStatus = {
    id: "3:1",
    view: 7,
    address: 0,
    groups: { count: 5, first: ["g1", "g2", "g3", "g4", "g5"] },
    nodes: 6,
    members: { count: 6, first: ["#ann#alpha", "#bob#beta"] },
    leader: "#ann#alpha",
    reporting: 2,
    rates: { ...NO_RATES, sent: 100, received: 190, delivered: 200, deliveredBytes: 200_000, repaired: 3 },
    pendingBytes: 4_096,
    keptBytes: 8_192,
    lost: 1,
    led: {
      ...noFigures(REGION_FIGURES),
      leader: 1,
      roundTripUs: 12_345,
      rounds: 99,
      rateLeast: 9_000,
      rateAverage: 9_500,
    },
  };
  return {
    epoch: 3,
    position: 321,
    suspended: false,
    nodes: 12,
    regions: 4,
    groups: 5,
    endingViews: 1,
    changeCount: 9,
    changes: [
      {
        atMs: 1_000,
        kind: "batch",
        position: 320,
        came: { count: 7, first: ["#n1#alpha", "#n2#alpha", "#n3#alpha", "#n4#alpha", "#n5#alpha"] },
        went: { count: 0, first: [] },
        moved: { count: 0, first: [] },
        failed: { count: 1, first: ["#eve#beta"] },
        causes: { session: 1 },
        regionsCreated: 1,
        regionsChanged: 2,
        regionsEnded: 0,
      },
    ],
    failures: { session: 2, absent: 1, replaced: 0, unreported: 0, unknown: 0 },
    largest: [largest],
    absent: [{ name: "#eve#gamma", failsInMs: 7_000 }],
    served: {
      count: 2,
      attached: 2,
      reporting: 2,
      late: 1,
      lateMs: 2_500,
      totals: { ...noNodeFigures(), messagesSent: 1_000, pushed: 4, lost: 1, dropsRetired: 6, dropsOverrun: 2 },
      rates: { ...NO_RATES, sent: 100, delivered: 200 },
      queuedBytes: 1_024,
      unstableBytes: 3_072,
      keptBytes: 8_192,
      roundTripMsMax: 12.345,
      loopDelayMsMax: 0.4,
      rateAdmissibleLeast: 9_000,
    },
    busiest: [
      {
        name: "#bob#alpha",
        id: "3:2",
        region: "3:1",
        attached: true,
        lateMs: 2_500,
        figures: {
          ...noNodeFigures(),
          upMs: 60_000,
          unstableBytes: 3_072,
          receiveBufferBytes: 4 << 20,
          datagramBytes: 1_400,
        },
        reportAgeMs: 300,
        rates: { ...NO_RATES, sent: 100, delivered: 100 },
      },
    ],
    ...own,
  };
}
