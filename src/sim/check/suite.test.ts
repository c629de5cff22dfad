import { describe, expect, test } from "vitest";
import type { Service } from "../../ordering/service.ts";
import { messageNumber, Trace, type TraceConfiguration, type TraceEvent } from "../trace.ts";
import { checkTrace } from "./suite.ts";

/** Writes traces by hand: process n runs on daemon n unless said otherwise, and each event is 1 ms after the last. */
class Script {
  readonly trace = new Trace();
  readonly #events: TraceEvent[] = [];
  #at = 0;
  readonly #seen = new Map<number, number>();

  constructor() {
    this.trace.observe((event) => this.#events.push(event));
  }

  add(event: Record<string, unknown> & { kind: TraceEvent["kind"] }): this {
    this.trace.append({ ...event, at: ++this.#at } as unknown as TraceEvent);
    return this;
  }

  start(...processes: number[]): this {
    for (const process of processes) this.add({ kind: "start", process, daemon: process });
    return this;
  }

  restart(process: number, daemon: number): this {
    return this.add({ kind: "start", process, daemon });
  }

  install(configuration: TraceConfiguration, ...processes: number[]): this {
    for (const process of processes.length > 0 ? processes : configuration.members) {
      this.add({ kind: "install", process, configuration });
    }
    return this;
  }

  send(process: number, counter: number, service: Service, session = 1, seen = this.#seen.get(process) ?? 0): this {
    return this.add({ kind: "send", process, message: messageNumber(process, counter), service, session, seen });
  }

  deliver(process: number, ...messages: number[]): this {
    for (const message of messages) {
      this.#seen.set(process, (this.#seen.get(process) ?? 0) + 1);
      this.add({ kind: "deliver", process, message });
    }
    return this;
  }

  deliverAll(processes: number[], ...messages: number[]): this {
    for (const process of processes) this.deliver(process, ...messages);
    return this;
  }

  crash(process: number): this {
    return this.add({ kind: "crash", process });
  }

  quiet(parts: number[][], boundMs: number): this {
    return this.add({ kind: "quiet", parts, boundMs });
  }

  end(): this {
    return this.add({ kind: "end" });
  }

  get properties(): string[] {
    return [...new Set(checkTrace(this.#events).map((violation) => violation.property))];
  }
}

function regular(time: number, ...members: number[]): TraceConfiguration {
  return { kind: "regular", key: `r${time}`, leader: members[0] as number, time, members };
}

function transitional(time: number, ...members: number[]): TraceConfiguration {
  return { kind: "transitional", key: `t${time}-${members[0]}`, leader: members[0] as number, time, members };
}

const m = messageNumber;
const ABC = regular(1, 1, 2, 3);

/** Three daemons in one configuration. */
function three(): Script {
  return new Script().start(1, 2, 3).install(ABC);
}

/** Two are in a group, of whom one is delivered a message that the other one is not; then both are given these members. */
function missedByOne(members: string[], sets?: string[][]): Script {
  const script = three().send(1, 1, "agreed");
  const both = [
    [1, "a"],
    [2, "b"],
  ] as const;
  for (const [process, member] of both) {
    script.add({ kind: "ask", process, member, group: "g", what: "join" });
    script.add(view(process, member, ["a", "b"]));
  }
  script.add({ kind: "groupDeliver", process: 1, member: "a", group: "g", message: m(1, 1) });
  for (const [process, member] of both) script.add({ ...view(process, member, members, sets), id: "2" });
  return script;
}

/** Goes on from `three` to {1, 2}, process 3 crashed, with the deliveries given for the transitional configuration. */
function change(script: Script, inTransitional: (script: Script) => void = () => undefined): Script {
  script.crash(3).install(transitional(2, 1, 2));
  inTransitional(script);
  return script.install(regular(2, 1, 2));
}

describe("legal traces", () => {
  test("services keep to their guarantees through a crash", () => {
    const script = three();
    script.send(1, 1, "agreed").send(2, 1, "safe").send(3, 1, "reliable").send(1, 2, "causal").send(2, 2, "unreliable");
    script.deliver(1, m(1, 1), m(3, 1)).deliver(2, m(3, 1), m(1, 1));
    script.deliver(3, m(1, 1), m(2, 1));
    change(script, (s) => s.deliver(1, m(2, 1), m(1, 2)).deliver(2, m(2, 1), m(1, 2), m(2, 2)));
    expect(script.end().properties).toEqual([]);
  });

  test("a member that committed and then lost the new configuration delivers on its own", () => {
    const script = three().send(3, 1, "safe").send(3, 2, "safe");
    // 1 installs {1, 2}; 2 had committed to it, but goes to {2} alone and keeps its promise.
    script
      .install(transitional(2, 1, 2), 1)
      .deliver(1, m(3, 1))
      .install(regular(2, 1, 2), 1);
    script.install(transitional(3, 2), 2).deliver(2, m(3, 1), m(3, 2)).install(regular(3, 2), 2);
    script.install(transitional(4, 3), 3).deliver(3, m(3, 1), m(3, 2)).install(regular(4, 3), 3);
    expect(script.properties).toEqual([]);
  });

  test("reliable and fifo messages may come before or after the transitional configuration", () => {
    const script = three().send(1, 1, "fifo").send(1, 2, "reliable");
    script.deliver(1, m(1, 1), m(1, 2)).deliver(2, m(1, 2));
    expect(change(script, (s) => s.deliver(2, m(1, 1))).end().properties).toEqual([]);
  });

  test("an exchange that is cut short is made up for by the next one", () => {
    const restarted = cutShort();
    for (const process of [1, 2]) restarted.add(knows(process, "gathers", [1, 2], "a b"));
    restarted.add(knows(3, "gathers", [3], "c"));
    for (const process of [1, 2, 3]) restarted.add(knows(process, "settles", [1, 2, 3], "a b c"));
    expect(restarted.properties).toEqual([]);
  });

  test("who go on after an exchange that was cut short may all have merged what was complete", () => {
    const merged = cutShort();
    for (const process of [1, 2, 3]) merged.add(knows(process, "gathers", [1, 2, 3], "a b c"));
    for (const process of [1, 2, 3]) merged.add(knows(process, "settles", [1, 2, 3], "a b c"));
    expect(merged.properties).toEqual([]);
  });

  test("a change may also come after the end of an exchange that it fell into", () => {
    const delayed = exchange()
      .crash(4)
      .install(transitional(5, 1, 2, 3));
    for (const process of [1, 2, 3]) delayed.add(knows(process, "settles", [1, 2, 3, 4], "a b c d"));
    delayed.install(regular(5, 1, 2, 3));
    for (const process of [1, 2, 3]) delayed.add(knows(process, "settles", [1, 2, 3], "a b c"));
    expect(delayed.properties).toEqual([]);
  });

  test("daemons that restart are new processes with configurations of their own", () => {
    const script = three();
    change(script).restart(4, 3).install(regular(5, 3), 4);
    script.install(transitional(6, 1, 2), 1, 2).install(transitional(6, 3), 4);
    script.install(regular(6, 1, 2, 3), 1, 2, 4).quiet([[1, 2, 3]], 5);
    for (let i = 0; i < 10; i++) script.add({ kind: "heal" });
    expect(script.end().properties).toEqual([]);
  });
});

describe("planted violations", () => {
  const planted: readonly (readonly [string, string, () => Script])[] = [
    ["K1", "a process installs what it is not in", () => three().install(regular(2, 1, 2), 3)],
    [
      "K1",
      "one id has different members",
      () =>
        new Script()
          .start(1, 2)
          .install(regular(1, 1, 2), 1)
          .install(regular(1, 2), 2),
    ],
    ["K2", "two regular configurations follow each other", () => three().install(regular(2, 1, 2, 3))],
    [
      "K2",
      "two transitional configurations follow each other",
      () => three().install(transitional(2, 1), 1).install(transitional(3, 1), 1),
    ],
    [
      "K2",
      "a transitional member was not in the regular configuration",
      () =>
        new Script()
          .start(1)
          .install(regular(1, 1))
          .install(transitional(2, 1, 2), 1),
    ],
    [
      "K2",
      "a transitional member is not in the next one",
      () =>
        three()
          .install(transitional(2, 1, 2), 1)
          .install(regular(2, 1), 1),
    ],
    [
      "K3",
      "a later configuration has an earlier id",
      () => three().install(transitional(2, 1), 1).install(regular(0, 1), 1),
    ],
    ["K4", "a message comes from nowhere", () => three().deliver(1, m(2, 9))],
    ["K4", "a message comes twice", () => three().send(1, 1, "agreed").deliver(1, m(1, 1), m(1, 1))],
    ["K4", "a message is sent twice", () => three().send(1, 1, "agreed").send(1, 1, "agreed")],
    [
      "K5",
      "a message comes a configuration too late",
      () =>
        change(three().send(1, 1, "reliable"))
          .deliver(1, m(1, 1))
          .deliver(2, m(1, 1)),
    ],
    ["K6", "a process never delivers its own message", () => change(three().send(1, 1, "reliable"))],
    ["K6", "a process has not delivered its own message at the end", () => three().send(1, 1, "fifo").end()],
    ["K7", "one of two delivers an agreed message", () => change(three().send(3, 1, "agreed").deliver(1, m(3, 1)))],
    [
      "K7",
      "one delivers an agreed message before, the other after the transitional configuration",
      () => change(three().send(3, 1, "agreed").deliver(1, m(3, 1)), (s) => s.deliver(2, m(3, 1))),
    ],
    [
      "K7",
      "one of two delivers a fifo message, in either configuration",
      () => change(three().send(3, 1, "fifo"), (s) => s.deliver(1, m(3, 1))),
    ],
    [
      "K8",
      "a transitional member goes elsewhere and forgets what was promised",
      () =>
        three()
          .send(3, 1, "agreed")
          .install(transitional(2, 1, 2), 1)
          .deliver(1, m(3, 1))
          .install(regular(2, 1, 2), 1)
          .install(transitional(3, 2), 2)
          .install(regular(3, 2), 2),
    ],
    [
      "K8",
      "a transitional member never was in the regular configuration",
      () =>
        new Script()
          .start(1, 2)
          .install(regular(1, 1, 2), 1)
          .install(transitional(2, 1, 2), 1)
          .install(regular(2, 1, 2), 1),
    ],
    [
      "K9",
      "an answer comes before the question",
      () => {
        const script = three().send(1, 1, "causal").deliver(2, m(1, 1)).send(2, 1, "causal");
        return script.deliver(3, m(2, 1), m(1, 1));
      },
    ],
    [
      "K9",
      "an answer comes without the question, whose sender is gone",
      () => {
        const script = three().send(3, 1, "agreed").deliver(2, m(3, 1)).send(2, 1, "agreed");
        return change(script, (s) => s.deliver(1, m(2, 1)));
      },
    ],
    [
      "K10",
      "two processes disagree on the order",
      () => three().send(1, 1, "agreed").send(2, 1, "safe").deliver(1, m(1, 1), m(2, 1)).deliver(2, m(2, 1), m(1, 1)),
    ],
    [
      "K10",
      "three processes disagree in a ring",
      () =>
        three()
          .send(1, 1, "agreed")
          .send(2, 1, "agreed")
          .send(3, 1, "agreed")
          .deliver(1, m(1, 1), m(2, 1))
          .deliver(2, m(2, 1), m(3, 1))
          .deliver(3, m(3, 1), m(1, 1)),
    ],
    [
      "K11",
      "one process has a gap before a message that both deliver",
      () => three().send(1, 1, "agreed").send(2, 1, "agreed").deliver(1, m(1, 1), m(2, 1)).deliver(2, m(2, 1)),
    ],
    ["K12", "a safe message is lost at one member", () => change(three().send(3, 1, "safe").deliver(3, m(3, 1)))],
    [
      "K12",
      "a safe message of the transitional configuration is lost at one member",
      () => change(three().send(3, 1, "safe"), (s) => s.deliver(1, m(3, 1))),
    ],
    [
      "K14",
      "a session's messages change places",
      () => three().send(1, 1, "fifo").send(1, 2, "safe").deliver(2, m(1, 2), m(1, 1)),
    ],
    [
      "K14",
      "a session's message comes without the one before it",
      () => change(three().send(3, 1, "fifo").send(3, 2, "fifo"), (s) => s.deliverAll([1, 2], m(3, 2))),
    ],
    [
      "K15",
      "a reliable message never comes though all is well",
      () =>
        three()
          .quiet([[1, 2, 3]], 1)
          .send(1, 1, "reliable")
          .deliverAll([1, 2], m(1, 1))
          .end(),
    ],
    [
      "K16",
      "a part never becomes one configuration",
      () =>
        three()
          .quiet([[1, 2]], 1)
          .end(),
    ],
    [
      "K16",
      "a configuration comes too late",
      () =>
        new Script()
          .start(1)
          .quiet([[1]], 1)
          .add({ kind: "heal" })
          .add({ kind: "heal" })
          .install(regular(1, 1))
          .end(),
    ],
    ["K26", "two daemons have different groups", () => groups(three(), 1, "x").add(state(2, 1, "y", [1, 2, 3]))],
    [
      "K26",
      "two daemons differ in whom they share state with",
      () => groups(three(), 1, "x").add(state(2, 1, "x", [2])),
    ],
    [
      "K27",
      "one id names two views",
      () =>
        three()
          .add(view(1, "a", ["a", "b"]))
          .add(view(2, "b", ["b"])),
    ],
    ["K27", "a view is told to one who is not in it", () => three().add(view(1, "a", ["b"]))],
    ["K27", "the sets leave one out", () => three().add(view(1, "a", ["a", "b"], [["a"]]))],
    ["K28", "two come together that delivered different messages", () => missedByOne(["a", "b"], [["a", "b"]])],
    ["K28", "a message comes before a join to one of those who have been there", () => missedByOne(["a", "b", "c"])],
    ["K29", "a member is let in that did not ask", () => three().add(view(1, "a", ["a"]))],
    [
      "K29",
      "a message comes to one who is not in the group",
      () =>
        three()
          .send(1, 1, "agreed")
          .add({ kind: "groupDeliver", process: 1, member: "a", group: "g", message: m(1, 1) }),
    ],
    ["K29", "one leaves that was not in", () => three().add({ kind: "left", process: 1, member: "a", group: "g" })],
    [
      "K31",
      "a client gets a message during the exchange",
      () =>
        three()
          .send(1, 1, "agreed")
          .add({ kind: "exchange", process: 1, phase: "begin" })
          .add({ kind: "groupDeliver", process: 1, member: "a", group: "g", message: m(1, 1) }),
    ],
    [
      "K32",
      "of two in one set, one goes on with what it has merged, the other without",
      () =>
        cutShort()
          .add(knows(1, "gathers", [1, 2, 3], "a b c"))
          .add(knows(2, "gathers", [1, 2], "a b")),
    ],
    [
      "K32",
      "one merges the set of another, which has not merged its own",
      () =>
        cutShort()
          .add(knows(1, "gathers", [1, 2, 3], "a b c"))
          .add(knows(3, "gathers", [3], "c")),
    ],
    [
      "K32",
      "one takes the exchange for completed, the other does not",
      () =>
        cutShort()
          .add(knows(1, "gathers", [1, 2, 3], "a b c"))
          .add(knows(3, "settles", [1, 2, 3], "a b c")),
    ],
    ["K32", "a set is merged, and it is not known what it told", () => goesOn([1, 2, 3], "a b")],
    ["K32", "something is known of a set that was not merged", () => goesOn([1, 2], "a b c")],
    ["K32", "half of a set goes on", () => goesOn([1, 3], "a c")],
    ["K32", "one goes on that did not come along", () => goesOn([1, 2, 4], "a b d")],
    [
      "K32",
      "an exchange is completed without what one had to tell",
      () => exchange().add(knows(1, "settles", [1, 2, 3, 4], "a b d")),
    ],
  ];

  test.each(planted)("%s: %s", (property, _what, script) => {
    expect(script().properties).toContain(property);
  });
});

function state(process: number, position: number, hash: string, synchronised: number[]) {
  return { kind: "groups", process, position, hash, synchronised } as const;
}

function groups(script: Script, process: number, hash: string): Script {
  return script.add(state(process, 1, hash, [1, 2, 3]));
}

/** 1 and 2, which know the same, meet 3 and 4; each has a client, named by the letter, in the group g. */
function exchange(): Script {
  const script = new Script()
    .start(1, 2, 3, 4)
    .install(regular(1, 1, 2))
    .install(regular(2, 3))
    .install(regular(3, 4));
  script
    .install(transitional(4, 1, 2))
    .install(transitional(4, 3))
    .install(transitional(4, 4));
  script.install(regular(4, 1, 2, 3, 4));
  script.add(knows(1, "gathers", [1, 2], "a b")).add(knows(2, "gathers", [1, 2], "a b"));
  return script.add(knows(3, "gathers", [3], "c")).add(knows(4, "gathers", [4], "d"));
}

/** In the middle of the exchange 4 fails. */
function cutShort(): Script {
  return exchange()
    .crash(4)
    .install(transitional(5, 1, 2, 3))
    .install(regular(5, 1, 2, 3));
}

function goesOn(set: number[], clients: string): Script {
  return cutShort().add(knows(1, "gathers", set, clients));
}

/** `clients` of 1 are a, of 2 b, and so on. */
function knows(process: number, phase: "gathers" | "settles", set: number[], clients: string) {
  const parts = clients
    .split(" ")
    .map((name) => ({ group: "g", daemon: "?abcd".indexOf(name), configuration: "r1", members: [name] }));
  return { kind: "knowledge", process, phase, set, parts } as const;
}

function view(process: number, member: string, members: string[], sets?: string[][]) {
  const cause = sets === undefined ? ("join" as const) : ("network" as const);
  return { kind: "view", process, member, group: "g", cause, id: "1", members, ...(sets && { sets }) } as const;
}

test("a trace of the same events has the same hash, and another order another one", () => {
  const a = three().send(1, 1, "agreed").deliver(1, m(1, 1)).deliver(2, m(1, 1));
  const b = three().send(1, 1, "agreed").deliver(1, m(1, 1)).deliver(2, m(1, 1));
  const c = three().send(1, 1, "agreed").deliver(2, m(1, 1)).deliver(1, m(1, 1));
  expect(a.trace.hash).toBe(b.trace.hash);
  expect(a.trace.hash).not.toBe(c.trace.hash);
});
