import { describe, expect, test } from "vitest";
import { ChangeRecord } from "./change-record.ts";

describe("the record of a change", () => {
  test("counts the silence before a token was given up for lost to the outage", () => {
    const record = new ChangeRecord();
    record.note({ kind: "tokenLoss", silentMs: 700, limitMs: 700 }, 1_700);
    record.stopped(1_000, 1_700);
    record.attempted();
    expect(record.finish(2_100)).toMatchObject({ tookMs: 400, outageMs: 1_100, attempts: 1 });
  });

  test("begins the outage of a ring that worked until then when the ring is given up", () => {
    const record = new ChangeRecord();
    record.note({ kind: "join", daemon: 2 }, 1_000);
    record.stopped(900, 1_250);
    expect(record.finish(1_260)).toMatchObject({ tookMs: 260, outageMs: 10 });
  });

  test("counts from the first stop when attempts fail", () => {
    const record = new ChangeRecord();
    record.note({ kind: "tokenLoss", silentMs: 700, limitMs: 700 }, 1_700);
    record.stopped(1_000, 1_700);
    record.attempted();
    record.note({ kind: "formTimeout", silentMs: 300 }, 2_300);
    record.stopped(2_000, 2_300);
    record.attempted();
    const summary = record.finish(2_900);
    expect(summary).toMatchObject({ tookMs: 1_200, outageMs: 1_900, attempts: 2 });
    expect(summary.evidence.map(({ kind }) => kind)).toEqual(["tokenLoss", "formTimeout"]);
  });

  test("forgets what led to no change, and what was told", () => {
    const record = new ChangeRecord();
    record.note({ kind: "foreignTraffic", daemon: 3 }, 100);
    record.abandon();
    record.note({ kind: "leave", daemon: 2 }, 9_000);
    record.stopped(8_999, 9_000);
    expect(record.finish(9_005)).toEqual({
      evidence: [{ kind: "leave", daemon: 2 }],
      tookMs: 5,
      outageMs: 5,
      attempts: 0,
    });
    expect(record.finish(9_100)).toEqual({ evidence: [], tookMs: 0, outageMs: 0, attempts: 0 });
  });

  test("keeps no more evidence of an endless change than it can use", () => {
    const record = new ChangeRecord();
    for (let i = 0; i < 200; i++) record.note({ kind: "formTimeout", silentMs: 300 }, i);
    expect(record.finish(200).evidence).toHaveLength(64);
  });
});
