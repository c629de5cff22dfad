import { describe, expect, test } from "vitest";
import { RangeSet } from "../../../base/range-set.ts";
import type { GroupView, WholeRegionView } from "../../../cms/views.ts";
import { newPartitionPart, type RegionToken, type TokenRecord } from "../../../wire/region/token.ts";
import { messageNumber } from "../../trace.ts";
import type { HeldStream, RegionEvent } from "../event.ts";
import type { Happening } from "../node-process.ts";
import { NO_CHANGE } from "../../../cms/no-change.ts";
import { regionCheckers, RegionCheckSuite } from "./suite.ts";

const OPTIONS = {
  plan: "byReplication",
  replication: 2,
  ringMax: 25,
  rateMin: 10,
  transitMs: 50,
  release: "afterReturn",
  ringMode: "sequential",
  tokenRate: 10,
} as const;
const [A, B, C] = [1, 2, 3];
const G = 50;
const ID = { region: 100, view: 1 };

function view(members: readonly number[], number = 1): WholeRegionView {
  const infos = members.map((id) => ({
    id,
    name: `n${id}`,
    address: { host: `m${id}`, controlPort: 1, repairPort: 2, dataPort: 3 },
  }));
  return { id: { region: 100, view: number }, groups: [G], address: 0, members: infos };
}

const GROUP: GroupView = { group: G, name: "g", view: 1, regions: [100], places: [0] };

/** The nodes A, B and C in one region of one group. */
function beginning(members: readonly number[] = [A, B, C]): Happening[] {
  const starts = members.map((node): Happening => ({ kind: "start", node, machine: node }));
  const known = [view(members)];
  const enters = members.flatMap((node): Happening[] => [
    { kind: "applying", node },
    { kind: "group", node, view: GROUP },
    { kind: "applied", node, change: { ...NO_CHANGE, seq: 1, n: 1 }, known },
  ]);
  return [...starts, { kind: "opened", n: 1, view: view(members) }, ...enters];
}

const message = (sender: number, counter: number): number => messageNumber(sender, counter);

/** A message of a sender, sent in a packet of its own with the same number. */
function sent(node: number, counter: number, pinned: WholeRegionView = view([A, B, C])): Happening[] {
  const number = message(node, counter);
  return [
    { kind: "submit", node, group: G, message: number },
    {
      kind: "packet",
      node,
      id: pinned.id,
      seq: counter,
      isResent: false,
      messages: [number],
      firsts: [{ message: number, group: GROUP, regions: [pinned] }],
    },
  ];
}

function delivers(node: number, sender: number, counter: number): Happening {
  return { kind: "deliver", node, group: G, sender, message: message(sender, counter) };
}

function record(sender: number, changes: Partial<TokenRecord> = {}): TokenRecord {
  return {
    sender,
    maximumSeen: 9,
    cutOff: 9,
    maxContiguous: 0,
    toClean: 0,
    keptContiguous: 0,
    toTrim: 0,
    settle: undefined,
    ...newPartitionPart(),
    ...changes,
  };
}

function token(round: number, changes: Partial<RegionToken> = {}): RegionToken {
  return {
    kind: "token",
    id: ID,
    phase: "visit",
    failure: 0,
    round,
    level: 0,
    partition: 0,
    partitions: 1,
    quiesce: false,
    quiesceCommit: false,
    retire: false,
    admissible: { least: 100, sum: 100, greatest: 100, count: 1 },
    records: [],
    ...changes,
  };
}

function passes(
  node: number,
  to: number,
  what: RegionToken,
  seen: readonly (readonly [number, number])[] = [],
): Happening {
  return { kind: "token", node, to, token: what, seen: new Map(seen) };
}

/** A stream at a member that has two packets, and keeps these. */
function heldStream(kept: readonly number[]): HeldStream {
  return {
    contiguous: 2,
    clean: 0,
    maxSeen: 2,
    kept: { packets: kept.length },
    isBarred: false,
    givenUp: new RangeSet(),
    has: (seq) => seq <= 2,
    get: (seq) => (kept.includes(seq) ? new Uint8Array(1) : undefined),
  };
}

const OVER: Happening = { kind: "over", isSilent: true, remains: [], stragglers: [] };

/** What one checker objects to. `contiguous`: what every member has of every sender. */
function objections(property: string, happenings: readonly Happening[], contiguous = 0): readonly string[] {
  const checkers = regionCheckers(OPTIONS).filter(([name]) => name === property);
  const suite = new RegionCheckSuite(checkers, () => contiguous);
  happenings.forEach((happening, at) => suite.observe({ ...happening, at } as RegionEvent));
  return suite.violations.map(({ what }) => what);
}

/** A story that must pass, and changed stories each of which breaks the property. */
const STORIES: Readonly<
  Record<string, { readonly good: readonly Happening[]; readonly bad: Readonly<Record<string, readonly Happening[]>> }>
> = {
  K42: {
    good: [
      ...beginning(),
      ...sent(A, 1),
      ...sent(A, 2),
      ...[A, B, C].flatMap((node) => [delivers(node, A, 1), delivers(node, A, 2)]),
      OVER,
    ],
    bad: {
      twice: [...beginning(), ...sent(A, 1), delivers(B, A, 1), delivers(B, A, 1)],
      "out of order": [...beginning(), ...sent(A, 1), ...sent(A, 2), delivers(B, A, 2)],
      "from nobody": [...beginning(), delivers(B, A, 1)],
      "with other bytes": [
        ...beginning(),
        ...sent(A, 1),
        { kind: "deliver", node: B, group: G, sender: A, message: undefined },
      ],
      "to who is not in the view": [...beginning(), ...sent(A, 1, view([A, B])), delivers(C, A, 1)],
      "after it left": [...beginning(), ...sent(A, 1), { kind: "left", node: B, group: G }, delivers(B, A, 1)],
      "from before it came back": [
        ...beginning(),
        ...sent(A, 1),
        { kind: "left", node: B, group: G },
        { kind: "applying", node: B },
        { kind: "group", node: B, view: GROUP },
        delivers(B, A, 1),
      ],
      never: [...beginning(), ...sent(A, 1), delivers(A, A, 1), delivers(B, A, 1), OVER],
      "lost though the sender lives": [...beginning(), { kind: "lost", node: B, sender: A, groups: [G] }],
      "a gap of a failed sender without LOST": [
        ...beginning(),
        ...sent(A, 1),
        ...sent(A, 2),
        { kind: "failed", n: 2, failed: A },
        delivers(B, A, 2),
      ],
    },
  },
  K35: {
    good: [
      ...beginning(),
      ...sent(A, 1),
      { kind: "failed", n: 2, failed: A },
      delivers(B, A, 1),
      delivers(C, A, 1),
      OVER,
    ],
    bad: {
      "one has it and another has not": [
        ...beginning(),
        ...sent(A, 1),
        { kind: "failed", n: 2, failed: A },
        delivers(B, A, 1),
        OVER,
      ],
    },
  },
  acceptance: {
    good: [
      ...beginning(),
      ...sent(A, 1),
      ...sent(A, 2),
      { kind: "failed", n: 2, failed: A },
      { kind: "stable", node: A, message: message(A, 1) },
      delivers(B, A, 1),
      delivers(C, A, 1),
      OVER,
    ],
    bad: {
      "one has not got what was accepted": [
        ...beginning(),
        ...sent(A, 1),
        { kind: "failed", n: 2, failed: A },
        { kind: "stable", node: A, message: message(A, 1) },
        delivers(B, A, 1),
        OVER,
      ],
    },
  },
  K33: {
    good: [
      {
        kind: "map",
        n: 1,
        groups: [GROUP],
        regions: [view([A, B])],
        members: new Map([
          [A, [G]],
          [B, [G]],
        ]),
      },
    ],
    bad: {
      "a member in no region": [
        {
          kind: "map",
          n: 1,
          groups: [GROUP],
          regions: [view([A])],
          members: new Map([
            [A, [G]],
            [B, [G]],
          ]),
        },
      ],
      "a region with others": [
        {
          kind: "map",
          n: 1,
          groups: [GROUP],
          regions: [view([A, B])],
          members: new Map([
            [A, [G]],
            [B, []],
          ]),
        },
      ],
    },
  },
  K34: {
    good: beginning(),
    bad: {
      "another content": [
        ...beginning(),
        { kind: "applied", node: A, change: { ...NO_CHANGE, seq: 2, n: 2 }, known: [view([A, B])] },
      ],
      "a view left out": [
        ...beginning(),
        { kind: "applied", node: A, change: { ...NO_CHANGE, seq: 2, n: 2 }, known: [view([A, B], 3)] },
      ],
      "a group's view left out": [...beginning(), { kind: "group", node: A, view: { ...GROUP, view: 3 } }],
    },
  },
  K36: {
    good: [...beginning(), { kind: "cleaned", node: A, id: ID, sender: B, seq: 0 }],
    bad: {
      "cleaned too early": [...beginning(), { kind: "cleaned", node: A, id: ID, sender: B, seq: 1 }],
      "stable too early": [...beginning(), { kind: "acknowledged", node: A, id: ID, seq: 1 }],
      "acknowledged too early": [
        ...beginning(),
        {
          kind: "told",
          node: A,
          to: B,
          message: {
            kind: "ack",
            id: ID,
            acknowledged: 1,
            grant: 0,
            least: 0,
            average: 0,
            greatest: 0,
            isolated: new RangeSet(),
          },
        },
      ],
    },
  },
  K38: {
    good: [
      ...beginning(),
      ...sent(A, 1),
      passes(A, B, token(1)),
      passes(A, B, token(2, { records: [record(A, { naks: RangeSet.of([1, 1]) })] })),
    ],
    bad: {
      "younger than the round before": [
        ...beginning(),
        passes(A, B, token(1)),
        ...sent(A, 1),
        passes(A, B, token(2, { records: [record(A, { naks: RangeSet.of([1, 1]) })] })),
      ],
      "not overtaken long ago": [
        ...beginning(),
        passes(A, B, token(1)),
        ...sent(A, 1),
        ...sent(A, 2),
        { kind: "taken", node: B, id: ID, sender: A, seq: 2, isDirect: true },
        passes(B, C, token(2, { records: [record(A, { naks: RangeSet.of([1, 1]) })] })),
      ],
    },
  },
  K39: {
    good: [...beginning(), passes(A, B, token(1)), nak(), { ...resent(1) }],
    bad: {
      "asked for what is there": [
        ...beginning(),
        { kind: "taken", node: B, id: ID, sender: A, seq: 1, isDirect: true },
        passes(A, B, token(1)),
        nak(),
      ],
      "sent again unasked": [
        ...beginning([A, B]),
        { kind: "start", node: C, machine: C },
        { ...resent(1), node: C } as Happening,
      ],
    },
  },
  K40: {
    good: [...beginning(), passes(A, B, token(1)), passes(B, C, token(1)), passes(A, B, token(2))],
    bad: { "passed on twice": [...beginning(), passes(A, B, token(1)), passes(A, B, token(1))] },
  },
  K41: {
    good: [
      ...beginning(),
      { kind: "sent", node: A, channel: "data", turn: 1 },
      ...idleRounds(20),
      ...sent(A, 1),
      ...idleRounds(20),
      // Of rounds that overlap: what parts of a tree have found.
      ...idleRounds(20).slice(18),
      ...idleRounds(20).slice(18),
      OVER,
    ],
    bad: {
      "no end": [
        ...beginning(),
        { kind: "sent", node: A, channel: "data", turn: 1 },
        { kind: "over", isSilent: false, remains: [], stragglers: [] },
      ],
      "rounds for nothing": [...beginning(), ...idleRounds(21)],
    },
  },
  K44: {
    good: [...beginning(), passes(A, B, token(1, { records: [record(C)] }), [[C, 9]])],
    bad: { stale: [...beginning(), passes(A, B, token(1, { records: [record(C)] }), [[C, 10]])] },
  },
  K45: {
    good: [
      { kind: "sent", node: A, channel: "data", turn: undefined },
      { kind: "sent", node: A, channel: "repair", turn: 1 },
      { kind: "sent", node: A, channel: "data", turn: 1 },
      { kind: "sent", node: A, channel: "control", turn: 1 },
      { kind: "sent", node: B, channel: "repair", turn: 1 },
      { kind: "sent", node: A, channel: "repair", turn: 2 },
    ],
    bad: {
      "data before copies": [
        { kind: "sent", node: A, channel: "data", turn: 1 },
        { kind: "sent", node: A, channel: "repair", turn: 1 },
      ],
    },
  },
  "rule 5": {
    good: [
      ...beginning(),
      passes(A, B, token(3)),
      {
        kind: "applied",
        node: A,
        change: { ...NO_CHANGE, seq: 2, n: 7, viewsFailed: [{ id: ID, nodes: [C] }] },
        known: [],
      },
      passes(A, B, token(1, { failure: 7 })),
      passes(B, A, token(3)),
    ],
    bad: {
      "of before a failure": [
        ...beginning(),
        {
          kind: "applied",
          node: A,
          change: { ...NO_CHANGE, seq: 2, n: 7, viewsFailed: [{ id: ID, nodes: [C] }] },
          known: [],
        },
        passes(A, B, token(3)),
      ],
      "of a round that is over": [...beginning(), passes(B, C, token(3)), passes(B, C, token(2))],
    },
  },
  K59: {
    good: [
      logged(1, 5, "a"),
      logged(2, 5, "a"),
      logged(1, 6, "b"),
      { ...logged(1, 6, "c"), epoch: 2, configuration: "1.2" } as Happening,
      { kind: "opened", n: 1, view: view([A]) },
      { kind: "opened", n: 2, view: view([A, B], 2) },
      OVER,
    ],
    bad: {
      "two logs": [logged(1, 5, "a"), logged(2, 5, "b")],
      "two configurations of one epoch": [
        logged(1, 5, "a"),
        { ...logged(2, 6, "b"), configuration: "1.2" } as Happening,
      ],
      "a view issued twice": [
        { kind: "opened", n: 1, view: view([A]) },
        { kind: "opened", n: 2, view: view([A, B]) },
      ],
      "a daemon that stays behind": [{ ...OVER, stragglers: [2] } as Happening],
    },
  },
  fence: {
    good: [...beginning(), { kind: "fencedHeard", node: A, from: B, isAccepted: false }],
    bad: { "taken from a failed node": [...beginning(), { kind: "fencedHeard", node: A, from: B, isAccepted: true }] },
  },
  retirement: {
    good: [
      ...beginning(),
      { kind: "superseded", n: 2, id: ID },
      { kind: "final", n: 3, id: ID, last: [{ sender: A, seq: 0 }] },
      passes(A, B, token(1, { retire: true })),
      { kind: "retired", node: A, id: ID },
      { kind: "closed", id: ID },
    ],
    bad: {
      "a token before FINAL": [...beginning(), passes(A, B, token(1, { retire: true }))],
      "forgotten before FINAL": [...beginning(), { kind: "retired", node: A, id: ID }],
      "reported before FINAL": [...beginning(), { kind: "closed", id: ID }],
      "while a member lacks something": [
        ...beginning(),
        { kind: "final", n: 3, id: ID, last: [{ sender: A, seq: 1 }] },
        passes(A, B, token(1, { retire: true })),
      ],
      "a number beyond what is final": [
        ...beginning(),
        { kind: "final", n: 3, id: ID, last: [{ sender: A, seq: 0 }] },
        ...sent(A, 1),
      ],
    },
  },
  completion: {
    good: [
      ...beginning(),
      ...sent(A, 1),
      { kind: "stable", node: A, message: message(A, 1) },
      { kind: "superseded", n: 2, id: ID },
      { kind: "final", n: 3, id: ID, last: [] },
      { kind: "closed", id: ID },
      { ...OVER, remains: [{ node: A, unapplied: 0, views: [], keptPackets: 0, unstable: [] }] } as Happening,
    ],
    bad: {
      "never final": [...beginning(), { kind: "superseded", n: 2, id: ID }, OVER],
      "never stable": [...beginning(), ...sent(A, 1), OVER],
      "never sent": [...beginning(), { kind: "submit", node: A, group: G, message: message(A, 1) }, OVER],
      "views and packets left": [
        ...beginning(),
        { ...OVER, remains: [{ node: A, unapplied: 1, views: [ID], keptPackets: 1, unstable: [ID] }] } as Happening,
      ],
    },
  },
};

/** So many rounds that come back and have found nothing to do. */
function idleRounds(count: number): Happening[] {
  return Array.from({ length: count }, (_, i) => {
    return { kind: "heard", node: A, token: token(i + 1, { phase: "close", quiesce: true }) };
  });
}

function logged(daemon: number, n: number, chain: string): Happening {
  return { kind: "logged", daemon, epoch: 1, n, chain, configuration: "1.1" };
}

function nak(): Happening {
  const ranges = RangeSet.of([1, 1]);
  return {
    kind: "told",
    node: B,
    to: A,
    message: { kind: "nak", id: ID, failure: 0, round: 1, partition: 0, partitions: 1, ranges },
  };
}

function resent(seq: number): Happening {
  return { kind: "packet", node: A, id: ID, seq, isResent: true, messages: [], firsts: [] };
}

describe("checkers of regions", () => {
  for (const [property, { good, bad }] of Object.entries(STORIES)) {
    test(`${property} lets a good run pass`, () => expect(objections(property, good)).toEqual([]));
    test.each(Object.entries(bad))(`${property} objects: %s`, (_what, story) => {
      expect(objections(property, story)).not.toEqual([]);
    });
  }

  test("K43 objects to grants that are more than the weakest member takes", () => {
    const ack = (to: number, grant: number): Happening => ({
      kind: "told",
      node: A,
      to,
      message: {
        kind: "ack",
        id: ID,
        acknowledged: 1,
        grant,
        least: 100,
        average: 100,
        greatest: 100,
        isolated: new RangeSet(),
      },
    });
    const active = [B, C].map(
      (sender): Happening => ({ kind: "taken", node: A, id: ID, sender, seq: 1, isDirect: true }),
    );
    const suite = (grantsOfBoth: number): number => {
      const checkers = regionCheckers(OPTIONS).filter(([name]) => name === "K43");
      const checks = new RegionCheckSuite(checkers, () => 0);
      const story = [...beginning(), passes(A, B, token(1)), ...active, ack(B, grantsOfBoth), ack(C, grantsOfBoth)];
      // After a round a leader tells all senders at once.
      for (const happening of story) checks.observe({ ...happening, at: 7 } as RegionEvent);
      return checks.violations.length;
    };
    expect(suite(50)).toBe(0);
    expect(suite(100)).toBe(1);
  });

  /** B passes a round on, with the word that rounds end, and is looked at in the same moment; `seen` of A before, `clean` of these stable. */
  const visit = (seen: number, clean: number, at: number): RegionEvent[] => {
    const what = token(1, { quiesce: true, quiesceCommit: true, records: [record(A)] });
    const stream = { ...heldStream([]), clean };
    return [
      { ...passes(B, C, what, [[A, seen]]), at },
      { kind: "heard", node: B, token: what, at },
      { kind: "visited", node: B, token: what, view: view([A, B, C]), streams: new Map([[A, stream]]), at },
    ] as RegionEvent[];
  };

  function objectionsTo(events: readonly RegionEvent[]): number {
    const suite = new RegionCheckSuite(
      regionCheckers(OPTIONS).filter(([name]) => name === "K41"),
      () => 0,
    );
    for (const event of events) suite.observe(event);
    return suite.violations.length;
  }

  const begun = beginning().map((happening) => ({ ...happening, at: 0 }) as RegionEvent);

  test("K41 objects to a round that says that it is quiet where a member has seen something", () => {
    expect(objectionsTo([...begun, ...visit(2, 2, 5)])).toBe(0);
    expect(objectionsTo([...begun, ...visit(3, 2, 5)])).toBe(1);
  });

  test("K41 objects to a quiet member that meets something new and does not wake its leader, though it runs", () => {
    // Two periods of 100 ms, then ten times 20 ms.
    const met = { kind: "taken", node: B, id: ID, sender: A, seq: 3, isDirect: true, at: 10 } as RegionEvent;
    const runs = Array.from(
      { length: 40 },
      (_, i) => ({ kind: i % 5 === 0 ? "ticked" : "deliver", node: B, at: 30 + i * 20 }) as RegionEvent,
    );
    const wakes = { kind: "told", node: B, to: A, message: { kind: "wake", id: ID }, at: 150 } as RegionEvent;
    const quiet = [...begun, ...visit(2, 2, 5), met];
    expect(objectionsTo([...quiet, wakes, ...runs])).toBe(0);
    expect(objectionsTo([...quiet, ...runs])).toBe(1);
    // It is not quiet: a token was here that had come before the view was known.
    const round = { kind: "round", node: B, id: ID, failure: 0, round: 2, at: 9 } as RegionEvent;
    expect(objectionsTo([...quiet.slice(0, -1), round, met, ...runs])).toBe(0);
    // Too much for the leader waits already.
    expect(objectionsTo([...quiet, { kind: "untold", node: B, at: 120 } as RegionEvent, ...runs])).toBe(0);
    // Frozen, and not run ten times since.
    expect(objectionsTo([...quiet, ...runs.slice(0, 12), ...runs.slice(38)])).toBe(0);
    // So busy with packets that its timers have no turn.
    const taken = runs.map(({ at }, i) => ({ ...met, seq: 4 + i, at }) as RegionEvent);
    expect(objectionsTo([...quiet, ...taken])).toBe(0);
  });

  test("K37 objects to packets that are let go too early, and to those kept for too long", () => {
    // Two partitions: A, C and E keep odd packets, B and D even ones.
    const members = [1, 2, 3, 4, 5];
    const visited = (kept: readonly number[], toTrim: number): Happening[] => {
      const what = token(1, { partitions: 2, records: [record(B, { toTrim })] });
      return [
        ...beginning(members),
        { kind: "heard", node: A, token: what },
        { kind: "visited", node: A, token: what, view: view(members), streams: new Map([[B, heldStream(kept)]]) },
      ];
    };
    expect(objections("K37", visited([1, 2], 0))).toEqual([]);
    expect(objections("K37", visited([1], 2))).toEqual([]);
    expect(objections("K37", visited([2], 2))).not.toEqual([]);
    expect(objections("K37", visited([1], 1))).not.toEqual([]);
    expect(objections("K37", visited([1, 2], 2))).not.toEqual([]);
  });
});
