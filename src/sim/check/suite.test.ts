import { describe, expect, test } from "vitest";
import type { Service } from "../../ordering/service.ts";
import { messageNumber, Trace, type TraceConfiguration, type TraceEvent } from "../trace.ts";
import { checkTrace } from "./suite.ts";

/** Writes traces by hand: process n runs on daemon n unless said otherwise, and each event is 1 ms after the last. */
class Script {
  readonly trace = new Trace();
  #at = 0;
  readonly #seen = new Map<number, number>();

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
    return [...new Set(checkTrace(this.trace.events).map((violation) => violation.property))];
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
    [
      "K28",
      "two come together that delivered different messages",
      () => {
        const script = three().send(1, 1, "agreed");
        for (const [process, member] of [
          [1, "a"],
          [2, "b"],
        ] as const) {
          script.add({ kind: "ask", process, member, group: "g", what: "join" });
          script.add(view(process, member, ["a", "b"]));
        }
        script.add({ kind: "groupDeliver", process: 1, member: "a", group: "g", message: m(1, 1) });
        for (const [process, member] of [
          [1, "a"],
          [2, "b"],
        ] as const) {
          script.add({ ...view(process, member, ["a", "b"], [["a", "b"]]), id: "2" });
        }
        return script;
      },
    ],
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
