import { describe, expect, test } from "vitest";
import { decodePlato, encodePlato, type PlatoBody } from "../wire/plato/bodies.ts";
import { type PlatoConfig, platoDefaults } from "./config.ts";
import { PlatoGroup } from "./plato-group.ts";

/** A member of a group of three, of which 1 is the sequencer, and what it hands over. */
class Member {
  readonly said: string[] = [];
  readonly sent: { readonly to: number; readonly body: PlatoBody | undefined }[] = [];
  readonly group: PlatoGroup;
  #seq = 0;

  constructor(me: number, config: Partial<PlatoConfig> = {}) {
    this.group = new PlatoGroup(
      { ...platoDefaults, threshold: 2, commit: "ordered", ...config, me },
      {
        multicast: (bytes) => {
          this.sent.push({ to: 0, body: decodePlato(bytes) });
          return ++this.#seq;
        },
        unicast: (to, bytes) => this.sent.push({ to, body: decodePlato(bytes) }),
        deliver: ({ sender, seq, position }) => this.said.push(`deliver ${sender}.${seq} at ${position}`),
        commit: (position) => this.said.push(`commit ${position}`),
        rollback: (position) => this.said.push(`rollback ${position}`),
      },
      0,
    );
  }

  /** In a view whose members bring nothing with them. */
  open(view = 1, members: readonly number[] = [1, 2, 3]): this {
    this.group.setView(view, members, 0);
    for (const member of members) {
      const state = { kind: "state", view, part: 0, parts: 1, opened: 0, base: 0, entries: [] } as const;
      this.group.receiveFrom(member, encodePlato(state), 0);
    }
    return this;
  }

  message(seq: number, now: number, waitedMs?: number): void {
    this.run(now);
    const bytes = encodePlato({ kind: "message", view: 1, payload: Uint8Array.of(seq) });
    this.group.receive(3, seq, bytes, waitedMs, now);
  }

  order(first: number, seqs: readonly number[], now: number, stable = 0): void {
    this.run(now);
    const entries = seqs.map((seq) => ({ sender: 3, seq, age: 0 }));
    this.group.receiveFrom(1, encodePlato({ kind: "order", view: 1, first, stable, base: 0, entries }), now);
  }

  /** Calls the machine as often as it wants until then. */
  run(until: number): void {
    while (this.group.deadline <= until) this.group.tick(this.group.deadline);
  }

  take(): string[] {
    return this.said.splice(0);
  }
}

describe("a member of a totally ordered group", () => {
  test("delivers at once what comes well apart, the rest when it is ordered (O17)", () => {
    const member = new Member(2).open();
    member.message(1, 0);
    member.run(1.9);
    expect(member.take()).toEqual([]);
    member.run(2);
    expect(member.take()).toEqual(["deliver 3.1 at 1"]);
    member.message(2, 5);
    member.message(3, 5.4);
    member.message(4, 9);
    member.run(11.9);
    expect(member.take()).toEqual([]);
    member.order(1, [1, 3, 2, 4], 12);
    expect(member.take()).toEqual(["deliver 3.3 at 2", "deliver 3.2 at 3", "deliver 3.4 at 4", "commit 4"]);
  });

  test("takes back what was ordered otherwise, and delivers it again in its place (O17)", () => {
    const member = new Member(2).open();
    member.message(1, 0);
    member.message(2, 5);
    member.message(3, 5.4);
    member.order(1, [3, 1, 2], 12);
    const expected = ["deliver 3.1 at 1", "rollback 0", "deliver 3.3 at 1", "deliver 3.1 at 2", "deliver 3.2 at 3"];
    expect(member.take()).toEqual([...expected, "commit 3"]);
  });

  test("keeps of what it has delivered early what the order agrees with", () => {
    const member = new Member(2).open();
    for (const seq of [1, 2, 3]) member.message(seq, seq * 10);
    member.run(35);
    expect(member.take()).toEqual(["deliver 3.1 at 1", "deliver 3.2 at 2", "deliver 3.3 at 3"]);
    member.order(1, [1, 3], 36);
    expect(member.take()).toEqual(["rollback 1", "deliver 3.3 at 2", "commit 2"]);
    member.order(3, [2], 40);
    expect(member.take()).toEqual(["deliver 3.2 at 3", "commit 3"]);
  });

  test("commits only what all members have, if commitment is to be stable, and forgets it then", () => {
    const member = new Member(2, { commit: "stable" }).open();
    for (const seq of [1, 2]) member.message(seq, seq * 10);
    member.order(1, [1, 2], 25);
    expect(member.take()).toEqual(["deliver 3.1 at 1", "deliver 3.2 at 2"]);
    expect(member.group.unstable).toBe(2);
    member.run(40);
    expect(member.sent).toContainEqual({ to: 1, body: { kind: "ack", view: 1, held: 2, stable: 0 } });
    member.order(3, [], 41, 1);
    expect(member.take()).toEqual(["commit 1"]);
    expect(member.group.unstable).toBe(1);
  });

  test("delivers nothing early if it is conservative, and nothing that it might have to take back", () => {
    const ordered = new Member(2, { optimistic: false }).open();
    const stable = new Member(2, { optimistic: false, commit: "stable" }).open();
    for (const member of [ordered, stable]) {
      member.message(1, 0);
      member.run(9);
      expect(member.take()).toEqual([]);
      member.order(1, [1], 10);
    }
    expect(ordered.take()).toEqual(["deliver 3.1 at 1", "commit 1"]);
    expect(stable.take()).toEqual([]);
    stable.order(2, [], 20, 1);
    expect(stable.take()).toEqual(["deliver 3.1 at 1", "commit 1"]);
  });

  test("takes a message that came late as if it had come in time, and waits for the order", () => {
    const member = new Member(2).open();
    member.message(1, 0);
    member.message(2, 10, 8);
    member.message(3, 14);
    member.run(20);
    expect(member.take()).toEqual(["deliver 3.1 at 1"]);
    member.order(1, [1, 2, 3], 21);
    expect(member.take()).toEqual(["deliver 3.2 at 2", "deliver 3.3 at 3", "commit 3"]);
  });

  test("delivers nothing behind a message that is ordered and not here, and asks for it", () => {
    const member = new Member(2).open();
    member.message(2, 0);
    member.order(1, [1, 2], 1);
    member.message(3, 10);
    member.run(300);
    expect(member.take()).toEqual([]);
    const asked = member.sent.filter(({ body }) => body?.kind === "fetch").map(({ to }) => to);
    expect(asked.slice(0, 2)).toEqual([3, 1]);
    member.message(1, 301);
    expect(member.take()).toEqual(["deliver 3.1 at 1", "deliver 3.2 at 2", "commit 2", "deliver 3.3 at 3"]);
  });

  test("asks for orders that it has missed, and takes them in any order", () => {
    const member = new Member(2).open();
    for (const seq of [1, 2, 3]) member.message(seq, seq / 10);
    member.order(3, [3], 1);
    member.order(2, [2], 1.5);
    member.run(100);
    expect(member.sent.at(-1)?.body).toMatchObject({ kind: "fetch", from: 1 });
    member.order(1, [1], 101);
    expect(member.take().at(-1)).toBe("commit 3");
  });

  test("keeps an order with messages, and not an empty one of the same place that has overtaken others", () => {
    const member = new Member(2).open();
    for (const seq of [1, 2, 3]) member.message(seq, seq / 10);
    member.order(3, [3], 1);
    member.order(3, [], 1);
    member.order(1, [1, 2], 2);
    expect(member.take().at(-1)).toBe("commit 3");
  });

  test("of too many orders that wait for an earlier one keeps the first, and asks for the rest when it has caught up", () => {
    const member = new Member(2).open();
    const seqs = Array.from({ length: 100 }, (_, i) => i + 1);
    for (const seq of seqs) member.message(seq, seq / 100);
    for (const seq of seqs.slice(1).toReversed()) member.order(seq, [seq], 2);
    member.order(1, [1], 3);
    expect(member.group.statistics.committed).toBe(65);
  });

  test("goes on with a failed sequencer's order, which another member has heard more of", () => {
    const member = new Member(2).open();
    for (const seq of [1, 2]) member.message(seq, seq * 10);
    member.message(3, 20.1);
    member.run(30);
    member.take();
    member.group.setView(2, [2, 3], 31);
    const entries = [3, 2, 1].map((seq) => ({ sender: 3, seq, isOrdered: true, isHeld: true, isVoid: false }));
    const lost = { sender: 1, seq: 9, isOrdered: true, isHeld: false, isVoid: false };
    const state = { kind: "state", view: 2, part: 0, parts: 1, opened: 1, base: 0 } as const;
    member.group.receiveFrom(3, encodePlato({ ...state, entries: [lost, ...entries] }), 32);
    expect(member.take()).toEqual([
      "rollback 0",
      "deliver 3.3 at 2",
      "deliver 3.2 at 3",
      "deliver 3.1 at 4",
      "commit 4",
    ]);
    expect(member.group.sequencer).toBe(2);
  });

  test("gives a new member what was sent since it joined, though the view has opened only later, and passes over what was before", () => {
    const member = new Member(2);
    member.group.setView(5, [1, 2, 3, 4], 0);
    // 4 never says what it brings.
    member.group.setView(6, [1, 2, 3], 10);
    const entry = { isHeld: true, isVoid: false };
    const state = { kind: "state", view: 6, part: 0, parts: 1 } as const;
    const entries = [
      { ...entry, sender: 3, seq: 1, isOrdered: true },
      { ...entry, sender: 2, seq: 9, isOrdered: true },
      { ...entry, sender: 3, seq: 4, isOrdered: false },
      { ...entry, sender: 3, seq: 2, isOrdered: false },
    ];
    member.group.receiveFrom(1, encodePlato({ ...state, opened: 4, base: 10, entries }), 11);
    member.group.receiveFrom(3, encodePlato({ ...state, opened: 0, base: 0, entries: [] }), 11);
    const asked = () => member.sent.flatMap(({ body }) => (body?.kind === "fetch" ? body.messages : []));
    member.run(100);
    expect(asked().map(({ sender, seq }) => `${sender}.${seq}`)).toEqual(
      expect.arrayContaining(["3.1", "2.9", "3.4", "3.2"]),
    );
    const forward = (sender: number, seq: number, view: number) => {
      const body = { kind: "forward", view, sender, seq, payload: Uint8Array.of(seq) } as const;
      member.group.receiveFrom(1, encodePlato(body), 101);
    };
    forward(3, 4, 5);
    forward(3, 1, 4);
    expect(member.take()).toEqual([]);
    // It was a member before, and has sent that.
    forward(2, 9, 3);
    expect(member.take()).toEqual(["deliver 3.4 at 13", "commit 13"]);
    forward(3, 2, 4);
    const order = { kind: "order", view: 6, first: 15, stable: 10, base: 0, entries: [] } as const;
    member.group.receiveFrom(1, encodePlato(order), 102);
    member.run(200);
    expect(member.take()).toEqual([]);
    expect(member.sent.at(-1)).toMatchObject({ to: 1, body: { kind: "ack", held: 14 } });
    expect(member.group.canSend).toBe(true);
  });

  test("orders as the sequencer each few milliseconds, and comes to rest when all have everything", () => {
    const member = new Member(1, { commit: "stable" }).open();
    member.message(1, 13);
    member.message(2, 14);
    member.run(20);
    const orders = () => member.sent.flatMap(({ body }) => (body?.kind === "order" ? [body] : []));
    expect(orders().at(-1)).toMatchObject({ first: 1, stable: 0, entries: [{ seq: 1 }, { seq: 2 }] });
    const ack = { kind: "ack", view: 1, held: 2 } as const;
    member.group.receiveFrom(2, encodePlato({ ...ack, stable: 0 }), 21);
    member.run(25);
    expect(member.take()).not.toContain("commit 2");
    member.group.receiveFrom(3, encodePlato({ ...ack, stable: 0 }), 26);
    expect(member.take()).toContain("commit 2");
    member.run(30);
    expect(orders().at(-1)).toMatchObject({ first: 3, stable: 2, entries: [] });
    for (const other of [2, 3]) member.group.receiveFrom(other, encodePlato({ ...ack, stable: 2 }), 31);
    member.run(50);
    expect(member.group.deadline).toBe(Number.POSITIVE_INFINITY);
  });

  test("takes no notice of what is malformed, of strangers, and of orders from others than the sequencer", () => {
    const member = new Member(2).open();
    member.group.receive(3, 1, Uint8Array.of(9, 9), undefined, 1);
    expect(member.group.statistics.malformed).toBe(1);
    const order = {
      kind: "order",
      view: 1,
      first: 1,
      stable: 0,
      base: 0,
      entries: [{ sender: 3, seq: 1, age: 0 }],
    } as const;
    for (const from of [3, 7]) member.group.receiveFrom(from, encodePlato(order), 2);
    member.message(1, 3);
    expect(member.take()).toEqual([]);
  });
});
