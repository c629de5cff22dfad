import { describe, expect, test } from "vitest";
import type { GroupEvent, Reconnected } from "../../client/events.ts";
import type { Service } from "../../ordering/service.ts";
import { checkClientLogs, type SentMessage, type SessionLog } from "./client-logs.ts";

function view(index: number, members: readonly string[], self = "a", ownSet = members): GroupEvent {
  const id = { leader: 1, time: 1, index };
  const changes = { joined: [], left: [], sets: [ownSet], ownSet, primary: true } as const;
  return { kind: "view", group: "g", id, members, index: members.indexOf(self), cause: "network", ...changes };
}

function message(key: string, service: Service = "agreed", own = false): GroupEvent {
  const payload = new TextEncoder().encode(key);
  return { kind: "message", sender: "#x#d", groups: ["g"], service, type: 0, payload, own, bigEndian: false };
}

function log(name: string, events: SessionLog["events"], sent: SentMessage[] = []): SessionLog {
  return { name, events, sent, hasEnded: false, wasKilled: false };
}

function sent(key: string, outcome: SentMessage["outcome"], wasResent = false): SentMessage {
  return { key, groups: ["g"], service: "agreed", asMember: true, outcome, wasResent };
}

const LEFT: GroupEvent = { kind: "left", group: "g" };
const GAP: GroupEvent = { kind: "gap", group: "g", reason: "reconnected", count: undefined };
const NEW: Reconnected = { kind: "reconnected", address: "4803@b", privateGroup: "#a#b", resumed: false };
const BOTH = ["a", "b"];

describe("what clients saw", () => {
  test.each<[string, SessionLog[]]>([
    [
      "a group life without faults",
      [log("a", [view(1, ["a"]), message("a/1", "safe", true), LEFT], [sent("a/1", "delivered")])],
    ],
    [
      "two who see the same in the same views",
      [
        log("a", [view(1, BOTH), message("a/1"), message("b/1"), view(2, BOTH)]),
        log("b", [view(1, BOTH, "b"), message("a/1"), message("b/1"), view(2, BOTH, "b")]),
      ],
    ],
    [
      "one who missed something and was told",
      [
        log("a", [view(1, BOTH), message("a/1"), view(2, BOTH)]),
        log("b", [view(1, BOTH, "b"), GAP, view(2, BOTH, "b")]),
      ],
    ],
    [
      "a new member that gets what the old one had",
      [log("a", [view(1, ["a"]), message("b/1"), NEW, GAP, view(2, ["a"]), message("b/1")])],
    ],
    [
      "a message that was sent again where nobody knew of it, and so has two places",
      [
        log("a", [view(1, BOTH), message("x/1"), message("y/1")]),
        log("b", [view(1, BOTH, "b"), message("y/1"), message("x/1")]),
        log("x", [], [sent("x/1", "accepted", true)]),
      ],
    ],
    [
      "two who come from one view on different ways",
      [
        log("a", [view(1, BOTH), message("a/1"), view(2, BOTH, "a", ["a"])]),
        log("b", [view(1, BOTH, "b"), view(2, BOTH, "b", ["b"])]),
      ],
    ],
  ])("%s passes", (_what, logs) => {
    expect(checkClientLogs(logs, 0)).toEqual([]);
  });

  test.each<[string, string, SessionLog[]]>([
    ["K4", "a message comes twice", [log("a", [view(1, ["a"]), message("b/1"), message("b/1")])]],
    [
      "K14",
      "a sender's messages change places",
      [log("a", [view(1, ["a"]), message("b/2", "fifo"), message("b/1", "fifo")])],
    ],
    ["K29", "a message comes before the first view", [log("a", [message("b/1"), view(1, ["a"])])]],
    ["K29", "a message comes after the end", [log("a", [view(1, ["a"]), LEFT, message("b/1")])]],
    ["K27", "one id names two views", [log("a", [view(1, BOTH)]), log("b", [view(1, ["b"], "b")])]],
    ["K27", "somebody is not in his own set", [log("a", [view(1, BOTH, "a", ["b"])])]],
    [
      "K28",
      "one of two who come along lacks a message",
      [log("a", [view(1, BOTH), message("a/1"), view(2, BOTH)]), log("b", [view(1, BOTH, "b"), view(2, BOTH, "b")])],
    ],
    [
      "K10",
      "two see messages in different orders",
      [
        log("a", [view(1, BOTH), message("a/1"), message("b/1")]),
        log("b", [view(1, BOTH, "b"), message("b/1"), message("a/1")]),
      ],
    ],
    [
      "K6",
      "what counts as delivered never came to its sender",
      [log("a", [view(1, ["a"])], [sent("a/1", "delivered")])],
    ],
    ["receipt", "nobody says what became of a message", [log("a", [view(1, ["a"])], [sent("a/1", "pending")])]],
  ])("%s is broken when %s", (property, _what, logs) => {
    expect(checkClientLogs(logs, 0).map((violation) => violation.property)).toEqual([property]);
  });
});
