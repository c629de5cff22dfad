import { expect, test } from "vitest";
import type { Evidence } from "../membership/events.ts";
import { ChangeLog } from "./change-log.ts";
import { describeCause } from "./status.ts";

function causeOf(...evidence: Evidence[]): string {
  const log = new ChangeLog((daemon) => `daemon${daemon}`);
  const id = { leader: 1, time: 5 };
  const change = {
    id,
    members: [1, 2],
    primary: true,
    came: [],
    left: [],
    evidence,
    tookMs: 5,
    outageMs: 9,
    attempts: 1,
  };
  return describeCause(log.add({ kind: "configuration", ...change }, 0).cause);
}

test("a change says which link failed, and in which way", () => {
  const link = { kind: "siteLost", site: 1, peer: 2 } as const;
  expect(causeOf({ ...link, why: { kind: "silence", ms: 3_000 } })).toBe(
    "nothing came over the link from daemon2 for 3000 ms",
  );
  expect(causeOf({ ...link, why: { kind: "missing", seq: 7, ms: 5_000 } })).toBe(
    "what was missing did not come over the link from daemon2 for 5000 ms, though other things did",
  );
  expect(causeOf({ ...link, why: { kind: "restarted" } })).toBe("daemon2 said that it has no ring any more");
});

test("what set a change off is told, and not that another daemon called for a form", () => {
  const lost: Evidence = { kind: "tokenLoss", silentMs: 700, limitMs: 700 };
  expect(causeOf({ kind: "form", daemon: 2 }, lost)).toBe("the token did not come for 700 ms");
});
