import { describe, expect, test } from "vitest";
import type { Nak } from "../wire/timely/nak.ts";
import { Incoming } from "./incoming.ts";
import { Requests } from "./requests.ts";

const GROUP = 7;
const CONFIG = { nakMs: 150, nakMax: 5 };

/** A node that lacks packet 5 of a sender since 1,000 ms; repairs have come so late before, if they are told. */
function lacking(lags: readonly number[], config = CONFIG) {
  const asked: number[] = [];
  const lost: number[] = [];
  let now = 1_000;
  const requests = new Requests(config, {
    ask: (_sender, naks: readonly Nak[]) => {
      for (const { missing } of naks) for (const seq of missing.numbers()) expect(seq).toBe(5);
      asked.push(now - 1_000);
    },
    giveUp: (_stream, { seq }) => {
      expect(seq).toBe(5);
      lost.push(now - 1_000);
    },
  });
  for (const lag of lags) requests.observeLag(GROUP, lag);
  const stream = new Incoming(1, GROUP, 1, 5);
  const askAt = requests.firstAt(GROUP, now, now);
  stream.sentTo(5);
  stream.reachBack(5, now, askAt, 0);
  stream.begin(5);
  stream.announce(5, now, askAt);
  requests.note(stream, askAt);
  const runUntil = (ms: number): void => {
    while (requests.deadline <= 1_000 + ms) {
      now = requests.deadline;
      requests.tick(now);
    }
  };
  return { requests, stream, asked, lost, runUntil };
}

describe("requests", () => {
  test("are made after a fixed time where no repairs have come, and rarer and rarer", () => {
    const { asked, lost, runUntil } = lacking([]);
    runUntil(20_000);
    expect(asked).toEqual([150, 450, 1_050, 2_250, 4_650]);
    expect(lost).toEqual([7_050]);
  });

  test("are made when repairs have mostly come, and the packet is given up no sooner for that", () => {
    const { asked, lost, runUntil } = lacking(Array.from({ length: 64 }, () => 8));
    runUntil(20_000);
    expect(asked.slice(0, 4)).toEqual([24, 72, 168, 360]);
    expect(lost).toHaveLength(1);
    expect(lost[0]).toBeGreaterThanOrEqual(7_050);
    expect(lost[0]).toBeLessThan(10_000);
  });

  test("wait for slow repairs, but not for the few that are much later than others, and never longer than set", () => {
    const of = (lags: readonly number[]) => lacking(lags).requests.patienceMs(GROUP);
    const mostly = (late: number) => Array.from({ length: 64 }, (_, i) => (i % 32 === 0 ? late : 20));
    expect(of(mostly(20))).toBe(60);
    expect(of(mostly(140))).toBe(60);
    expect(of(Array.from({ length: 64 }, () => 140))).toBe(150);
    expect(of(Array.from({ length: 64 }, () => 0.1))).toBe(10);
    expect(of([20, 20, 20])).toBe(150);
  });

  test("follow repairs that become sooner or later", () => {
    const { requests } = lacking(Array.from({ length: 192 }, () => 40));
    expect(requests.patienceMs(GROUP)).toBe(120);
    for (let i = 0; i < 64; i++) requests.observeLag(GROUP, 10);
    expect(requests.patienceMs(GROUP)).toBe(30);
  });

  test("wait while packets are here that have not been looked at, and are not made any more by a node that stays behind", () => {
    const late = lacking([]);
    late.requests.behind(true, 1_100);
    late.runUntil(900);
    expect(late.asked).toEqual([]);
    late.requests.behind(false, 1_900);
    late.runUntil(910);
    expect(late.asked).toHaveLength(1);

    const overloaded = lacking([]);
    overloaded.stream.arrived = 6;
    overloaded.requests.behind(true, 1_100);
    // It has not run meanwhile.
    overloaded.requests.behind(true, 3_100);
    overloaded.runUntil(2_200);
    expect([overloaded.asked, overloaded.lost]).toEqual([[], []]);
    for (let now = 3_200; now <= 4_100; now += 100) overloaded.requests.behind(true, now);
    overloaded.runUntil(3_200);
    expect(overloaded.asked).toEqual([]);
    expect(overloaded.lost).toHaveLength(1);
    expect(overloaded.stream.missing.size).toBe(0);

    // Nothing that was sent behind it has come: it waits as well.
    const waiting = lacking([]);
    waiting.requests.behind(true, 1_100);
    waiting.runUntil(5_000);
    expect([waiting.asked, waiting.lost]).toEqual([[], []]);
  });

  test("are not made for what has come meanwhile, nor of senders that are gone", () => {
    const { requests, stream, asked, runUntil } = lacking([]);
    stream.missing.delete(5);
    requests.noteLess(stream);
    runUntil(500);
    expect(asked).toEqual([]);

    const other = lacking([]);
    other.stream.depart({ until: 2_000, hasFailed: false });
    other.runUntil(5_000);
    expect(other.asked).toEqual([]);
  });
});
