import { describe, expect, test } from "vitest";
import type { ViewCause, ViewId } from "../wire/spread/membership.ts";
import { FlushGroup } from "./flush-group.ts";
import type { Membership } from "./membership.ts";

const id = (index: number): ViewId => ({ leader: 1, time: 1, index });

function membership(index: number, cause: ViewCause, members: string, changed?: string, ownSet = ""): Membership {
  return { id: id(index), cause, members: members.split(""), changed, ownSet: ownSet.split("") };
}

/** A machine whose output is a log in short words. */
function machine(automatic = false): { group: FlushGroup<string>; log: string[] } {
  const log: string[] = [];
  const group = new FlushGroup<string>(
    {
      vote: (kind, view) => log.push(`${kind} ${view.index}`),
      flushRequest: () => log.push("request"),
      view: (view, cause, survivors) =>
        log.push(`view ${view.id.index} ${cause} ${view.members.join("")} from ${survivors.join("")}`),
      transitional: () => log.push("transitional"),
      message: (message) => log.push(message),
      lost: (count) => log.push(`lost ${count}`),
    },
    automatic,
  );
  return { group, log };
}

function votes(group: FlushGroup<string>, kind: "ok" | "recv", index: number, senders: string): void {
  for (const sender of senders) group.vote(kind, sender, id(index));
}

/** A machine of `a` in a verified view 1 of these members. */
function steady(members: string): { group: FlushGroup<string>; log: string[] } {
  const { group, log } = machine();
  group.membership(membership(1, "join", members, "a"));
  votes(group, "ok", 1, members);
  votes(group, "recv", 1, members);
  log.length = 0;
  return { group, log };
}

describe("the run of trace 10.9", () => {
  test("a joins, then b: what a sends and sees", () => {
    const { group, log } = machine();
    group.membership(membership(1, "join", "a", "a"));
    expect(log).toEqual(["ok 1"]);
    votes(group, "ok", 1, "a");
    expect(log.slice(1)).toEqual(["view 1 join a from ", "recv 1"]);
    votes(group, "recv", 1, "a");
    expect(group.state).toBe("steady");

    log.length = 0;
    group.membership(membership(2, "join", "ab", "b"));
    expect(log).toEqual(["request"]);
    expect(group.flush()).toBe(true);
    votes(group, "ok", 2, "ab");
    expect(log).toEqual(["request", "ok 2", "view 2 join ab from a", "recv 2"]);
    votes(group, "recv", 2, "b");
    expect(group.state).toBe("verify");
    votes(group, "recv", 2, "a");
    expect(group.state).toBe("steady");
  });

  test("b joins a: the votes of a may come before its own membership does", () => {
    const { group, log } = machine();
    votes(group, "ok", 2, "a");
    group.membership(membership(2, "join", "ab", "b"));
    votes(group, "ok", 2, "b");
    expect(log).toEqual(["ok 2", "view 2 join ab from ", "recv 2"]);
  });
});

describe("sending", () => {
  test("is blocked from flush to the next view, and for a joiner until its first", () => {
    const joiner = machine().group;
    expect(joiner.sendMode(false).kind).toBe("blocked");
    const { group } = steady("ab");
    group.membership(membership(2, "leave", "a", "b"));
    expect(group.sendMode(false).kind).toBe("plain");
    group.flush();
    expect(group.sendMode(false).kind).toBe("blocked");
    votes(group, "ok", 2, "a");
    expect(group.sendMode(false).kind).toBe("plain");
  });

  test("marks weak messages while votes may be under way", () => {
    const { group } = steady("ab");
    expect(group.sendMode(true)).toEqual({ kind: "plain" });
    group.membership(membership(2, "join", "abc", "c"));
    expect(group.sendMode(true)).toEqual({ kind: "vulnerable", id: id(1) });
    group.flush();
    votes(group, "ok", 2, "abc");
    expect(group.sendMode(true)).toEqual({ kind: "vulnerable", id: id(2) });
    votes(group, "recv", 2, "abc");
    expect(group.sendMode(true)).toEqual({ kind: "plain" });
  });

  test("flush is refused when it was not asked for", () => {
    expect(steady("ab").group.flush()).toBe(false);
  });
});

describe("messages", () => {
  test("of strangers are dropped", () => {
    const { group, log } = steady("ab");
    group.message("z", "from z", undefined);
    group.message("b", "from b", undefined);
    expect(log).toEqual(["from b"]);
  });

  test("of a faster member wait until its view is installed here", () => {
    const { group, log } = steady("ab");
    group.membership(membership(2, "join", "abc", "c"));
    group.flush();
    votes(group, "ok", 2, "ab");
    group.message("b", "early", id(2));
    expect(log).toEqual(["request", "ok 2"]);
    votes(group, "ok", 2, "c");
    expect(log.slice(2)).toEqual(["view 2 join abc from ab", "early", "recv 2"]);
  });

  test("that are vulnerable in the current view are delivered in it", () => {
    const { group, log } = steady("ab");
    group.membership(membership(2, "join", "abc", "c"));
    group.flush();
    group.message("b", "late", id(1));
    expect(log).toEqual(["request", "ok 2", "late"]);
  });
});

describe("cascading memberships", () => {
  test("a view whose member went before it voted becomes part of the next", () => {
    const { group, log } = steady("abc");
    group.membership(membership(2, "join", "abcd", "d"));
    group.flush();
    votes(group, "ok", 2, "ab");
    group.membership(membership(3, "disconnect", "abd", "c"));
    expect(log).toEqual(["request", "ok 2", "transitional", "ok 3"]);
    votes(group, "ok", 3, "abd");
    expect(log.slice(4)).toEqual(["view 3 network abd from ab", "recv 3"]);
  });

  test("a view whose member voted and then went is still installed", () => {
    const { group, log } = steady("abc");
    group.membership(membership(2, "join", "abcd", "d"));
    group.flush();
    votes(group, "ok", 2, "abc");
    group.membership(membership(3, "disconnect", "abd", "c"));
    votes(group, "ok", 2, "d");
    expect(log).toEqual(["request", "ok 2", "transitional", "view 2 join abcd from abc", "transitional", "request"]);
  });

  test("a network change removes who is not in the own set", () => {
    const { group, log } = steady("abc");
    group.transitional();
    group.membership(membership(2, "network", "abcd", undefined, "ab"));
    expect(log).toEqual(["transitional", "request"]);
    group.flush();
    votes(group, "ok", 2, "abcd");
    expect(log.slice(2)).toEqual(["ok 2", "view 2 network abcd from ab", "recv 2"]);
  });

  test("the automatic mode agrees without asking", () => {
    const { group, log } = machine(true);
    group.membership(membership(1, "join", "a", "a"));
    votes(group, "ok", 1, "a");
    group.membership(membership(2, "join", "ab", "b"));
    votes(group, "ok", 2, "ab");
    expect(log).toEqual(["ok 1", "view 1 join a from ", "recv 1", "ok 2", "view 2 join ab from a", "recv 2"]);
  });
});
