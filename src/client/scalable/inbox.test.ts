import { describe, expect, test } from "vitest";
import type { Message, NodeGroupEvent, View } from "../events.ts";
import { Inbox, type SlowPolicy } from "./inbox.ts";

function inbox(policy: SlowPolicy, waitingMax: number): { inbox: Inbox; told: string[] } {
  const told: string[] = [];
  const made: Inbox = new Inbox(
    "g",
    policy,
    { waitingMax, waitingBytesMax: 1_000 },
    {
      tell: (event) => made.events.push(event, 0),
      hold: (isHeld) => told.push(isHeld ? "hold" : "release"),
      expel: () => told.push("expel"),
    },
  );
  return { inbox: made, told };
}

function message(sender: string): Message {
  const payload = new Uint8Array(1);
  return {
    kind: "message",
    sender,
    groups: ["g"],
    service: "reliable",
    type: 0,
    payload,
    own: false,
    bigEndian: false,
  };
}

const lost = (sender: string, packets: number) => ({ kind: "lost", group: "g", sender, packets }) as const;

function view(members: string[], joined: string[], left: string[], cause: View["cause"] = "join"): View {
  const id = { leader: 0, time: 0, index: members.length };
  return { kind: "view", group: "g", id, members, index: 0, cause, joined, left, sets: [], ownSet: [], primary: true };
}

/** All that waits, and what comes of its being read. */
async function read({ events }: Inbox): Promise<NodeGroupEvent[]> {
  for await (const batch of events.batches()) return [...batch];
  return [];
}

describe("an inbox that nobody reads", () => {
  test("keeps a bounded number of notices of what is lost, and tells all of it", async () => {
    const { inbox: box } = inbox("drop", 4);
    for (let i = 0; i < 1_000; i++) box.lost(lost(i % 2 === 0 ? "a" : "b", 3));
    const all = await read(box);
    expect(all.length).toBe(7);
    for (const sender of ["a", "b"]) {
      const packets = all.map((event) => (event.kind === "lost" && event.sender === sender ? event.packets : 0));
      expect(packets.reduce((sum, one) => sum + one)).toBe(1_500);
    }
  });

  test("drops messages, and keeps one view for all that have come meanwhile", async () => {
    const { inbox: box } = inbox("drop", 2);
    for (let i = 0; i < 9; i++) box.message(message("a"));
    box.view(view(["a", "b", "c"], ["b", "c"], []));
    box.view(view(["a", "c", "d"], ["d"], ["b"], "disconnect"));
    // Another one with the same name.
    box.view(view(["a", "c", "d"], ["a"], ["a"], "leave"));
    box.lost(lost("a", 7));
    const all = await read(box);
    expect(all.slice(0, 3).map(({ kind }) => kind)).toEqual(["message", "message", "message"]);
    expect(all.slice(3)).toEqual([
      { kind: "gap", group: "g", reason: "slow", count: 6, senders: { a: 6 } },
      lost("a", 7),
      view(["a", "c", "d"], ["a", "c", "d"], ["a"], "disconnect"),
    ]);
    box.view(view(["a"], [], ["c", "d"], "leave"));
    expect(await read(box)).toEqual([view(["a"], [], ["c", "d"], "leave")]);
  });

  test("keeps a bounded number of views, and then one for all that come, before messages of who they bring", async () => {
    for (const policy of ["wait", "expel"] as const) {
      const { inbox: box, told } = inbox(policy, 1_000);
      for (let i = 0; i < 10_000; i++) {
        const isHere = i % 2 === 0;
        box.view(
          view(isHere ? ["a", "b"] : ["a"], isHere ? ["b"] : [], isHere ? [] : ["b"], isHere ? "join" : "leave"),
        );
      }
      box.message(message("a"));
      box.view(view(["a", "c"], ["c"], []));
      box.message(message("c"));
      const all = await read(box);
      expect(all.slice(255)).toMatchObject([
        { kind: "view", members: ["a"], left: ["b"] },
        { kind: "message", sender: "a" },
        { kind: "view", members: ["a", "c"], joined: ["c"] },
        { kind: "message", sender: "c" },
      ]);
      expect(told).toEqual([]);
      // Who reads on gets them one by one again.
      box.view(view(["a"], [], ["c"], "leave"));
      expect(await read(box)).toMatchObject([{ kind: "view", left: ["c"] }]);
    }
  });

  test("tells the view for those that were too many when half of them are read", async () => {
    const { inbox: box } = inbox("wait", 1_000);
    for (let i = 0; i < 300; i++) box.view(view(["a", `m${i}`], [`m${i}`], [], "join"));
    const seen: NodeGroupEvent[] = [];
    for await (const event of box.events) {
      seen.push(event);
      if (seen.length === 257) break;
    }
    expect(seen.at(-1)).toMatchObject({ members: ["a", "m299"] });
  });

  test("is left, or makes senders wait, also for what is lost", async () => {
    const [expelled, held] = [inbox("expel", 2), inbox("wait", 2)];
    for (const { inbox: box } of [expelled, held]) for (let i = 0; i < 3; i++) box.lost(lost("a", 1));
    expect([expelled.told, held.told]).toEqual([["expel"], ["hold"]]);
    await read(held.inbox);
    expect(held.told).toEqual(["hold", "release"]);
  });
});
