import { expect, test } from "vitest";
import { Town } from "../../test/groups/town.ts";
import { daemonName } from "../../test/groups/perfect-evs.ts";
import { EVERYBODY, type Interest, NOT_YET, OWN_SITE } from "../ordering/interest.ts";
import { TypeBit } from "../wire/spread/codes.ts";
import { encodeFrame } from "../wire/spread/frame.ts";
import type { SitesKnowledge } from "./group-interests.ts";

const NOTHING = new Uint8Array(0);

/** Daemons 1 and 2, of which 1 asks; they are of two sites. Somebody may join what is in `awaited`. */
function asking(awaited: ReadonlySet<string> = new Set()): {
  t: Town;
  ask: (type: number, ...groups: string[]) => Interest;
} {
  const t = new Town(1, 2);
  t.client("x", 1);
  t.client("y", 2);
  t.evs.merge([1, 2]);
  t.seen();
  const sites: SitesKnowledge = { isNear: (daemon) => daemon === 1, isAwaited: (group) => awaited.has(group) };
  const ask = (type: number, ...groups: string[]): Interest =>
    t.node(1).groups.interest(encodeFrame(type, `#x#${daemonName(1)}`, groups, 0, NOTHING), {}, sites);
  return { t, ask };
}

test("a message stays at its site unless one of its groups has a member elsewhere, or may have one soon", () => {
  const { t, ask } = asking(new Set(["soon"]));
  t.join("x", "near");
  t.join("x", "both");
  t.join("y", "both");
  t.seen();
  expect(ask(TypeBit.agreed, "near")).toBe(OWN_SITE);
  expect(ask(TypeBit.agreed, "none")).toBe(OWN_SITE);
  expect(ask(TypeBit.agreed, "both")).toBe(EVERYBODY);
  expect(ask(TypeBit.agreed, "near", "both")).toBe(EVERYBODY);
  expect(ask(TypeBit.agreed, "soon")).toBe(EVERYBODY);
  expect(ask(TypeBit.leave, "near")).toBe(EVERYBODY);
});

test("a join waits until its announcement has been delivered in the configuration, and then no more", () => {
  const { t, ask } = asking();
  expect(ask(TypeBit.join, "town")).toBe(NOT_YET);
  expect(ask(TypeBit.join, "town")).toBe(NOT_YET);
  // What is sent is delivered.
  t.seen();
  expect(ask(TypeBit.join, "town")).toBe(EVERYBODY);
  t.evs.split(t.evs.current[0] as never, [[1], [2]]);
  t.evs.merge([1]);
  t.evs.merge([2]);
  t.seen();
  expect(ask(TypeBit.join, "town")).toBe(NOT_YET);
  t.seen();
  expect(ask(TypeBit.join, "town")).toBe(EVERYBODY);
});

test("while daemons come together nothing may be stamped that asks to join", () => {
  const { t, ask } = asking();
  t.evs.split(t.evs.current[0] as never, [[1], [2]]);
  t.seen();
  expect(ask(TypeBit.join, "town")).toBe(NOT_YET);
  expect(ask(TypeBit.agreed, "town")).toBe(EVERYBODY);
});

test("groups that were announced for requests that come to nothing are withdrawn as others are", () => {
  const { t, ask } = asking();
  const token = new Uint8Array(16).fill(7);
  // Too weak for a request, and one that was ordered before.
  const requests = [{ service: "fifo" as const }, { numbered: { token, number: 1 } }];
  t.request("x", TypeBit.agreed, ["none"], { numbered: { token, number: 1 } });
  for (let i = 0; i < 66; i++) {
    expect(ask(TypeBit.join, `g${i}`)).toBe(NOT_YET);
    t.seen();
    expect(ask(TypeBit.join, `g${i}`)).toBe(EVERYBODY);
    t.request("x", TypeBit.join, [`g${i}`], requests[i % 2]);
    t.seen();
  }
  expect([2, 1, 0].map((i) => ask(TypeBit.join, `g${i}`))).toEqual([EVERYBODY, NOT_YET, NOT_YET]);
});
