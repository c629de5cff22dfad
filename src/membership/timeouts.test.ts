import { describe, expect, test } from "vitest";
import { membershipTimeouts, scaledTimeouts, TIMEOUT_PROFILES } from "./timeouts.ts";

describe("timeout profiles", () => {
  test.each(TIMEOUT_PROFILES)("in %s lost packets are sent again before anything is given up", (name) => {
    const t = membershipTimeouts(name);
    expect(t.tokenMs).toBeGreaterThan(2 * t.tokenProbeMs);
    expect(t.formMs).toBeGreaterThan(3 * t.formResendMs);
    expect(t.repMs).toBeGreaterThan(2 * t.joinMs);
    expect(t.segMs).toBeGreaterThanOrEqual(2 * t.aliveMs);
    expect(t.gatherMs).toBeGreaterThan(2 * t.joinMs);
  });

  test("the outage after a kill is bounded as promised", () => {
    const outage = (name: "lan" | "fast") => {
      const t = membershipTimeouts(name);
      return t.tokenMs + t.segMs + t.gatherMs + t.formMs;
    };
    expect(outage("lan")).toBeLessThanOrEqual(1_500);
    expect(outage("fast")).toBeLessThanOrEqual(500);
  });

  test("spread has the values of the production daemon", () => {
    expect(membershipTimeouts("spread")).toMatchObject({ tokenMs: 1_250, tokenProbeMs: 500, lookupMs: 30_000 });
  });

  test("scaled timeouts are whole milliseconds and never zero", () => {
    expect(scaledTimeouts(membershipTimeouts("fast"), 0.01)).toMatchObject({ aliveMs: 1, tokenMs: 2, lookupMs: 10 });
  });
});
