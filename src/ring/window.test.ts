import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ringConfig } from "./config.ts";
import { FlowWindow } from "./window.ts";

const bounds = { datagramBytes: 1_000, windowBytesMax: 100_000, windowBytesStart: 40_000 };

describe("the ring's window", () => {
  test("is all for a member that sends alone, and shared equally while others wait to send", () => {
    const window = new FlowWindow(ringConfig(bounds));
    expect(window.allowance(0, 0)).toBe(40_000);
    expect(window.allowance(20_000, 1)).toBe(20_000);
    expect(window.allowance(30_000, 3)).toBe(10_000);
    expect(window.allowance(60_000, 1)).toBe(2_500);
  });

  test("lets a member in that begins while another fills the window", () => {
    const window = new FlowWindow(ringConfig(bounds));
    expect(window.allowance(40_000, 1)).toBe(20_000);
  });

  test("does not shut out a member that has seen losses which another, who fills the window, has not", () => {
    const members = [new FlowWindow(ringConfig(bounds)), new FlowWindow(ringConfig(bounds))];
    const sent = [0, 0];
    for (let visit = 0; visit < 400; visit++) {
      const [i, other] = visit % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const);
      const window = members[i] as FlowWindow;
      sent[i] = window.allowance(sent[other] as number, 1);
      window.adapt(i === 0 && visit < 100, (sent[i] as number) > 0);
    }
    expect(sent[0]).toBeGreaterThan((sent[1] as number) / 2);
  });

  test("is shared fairly by members that all have more to send than they may", () => {
    const members = Array.from({ length: 5 }, () => ({ window: new FlowWindow(ringConfig(bounds)), last: 0, sent: 0 }));
    let rotation = 0;
    for (let visit = 0; visit < 500; visit++) {
      const member = members[visit % 5] as (typeof members)[number];
      const bytes = member.window.allowance(rotation - member.last, 4);
      rotation += bytes - member.last;
      member.last = bytes;
      member.sent += bytes;
    }
    const sent = members.map((member) => member.sent);
    expect(Math.max(...sent)).toBeLessThan(1.1 * Math.min(...sent));
  });

  test("never gives one member more than its own bound, alone or not", () => {
    const window = new FlowWindow(ringConfig({ ...bounds, personalBytesMax: 3_000 }));
    expect(window.allowance(0, 0)).toBe(3_000);
    expect(window.allowance(20_000, 1)).toBe(3_000);
  });

  test("grows while it is used up to its bound, and shrinks when packets are lost", () => {
    const window = new FlowWindow(ringConfig(bounds));
    for (let i = 0; i < 100; i++) window.adapt(false, true);
    expect(window.bytes).toBe(100_000);
    window.adapt(true, true);
    expect(window.bytes).toBe(70_000);
    for (let i = 0; i < 100; i++) window.adapt(true, false);
    expect(window.bytes).toBe(16_000);
  });

  test("obeys new bounds at once, and may grow to them", () => {
    const window = new FlowWindow(ringConfig(bounds));
    window.reconfigure(ringConfig({ ...bounds, windowBytesStart: 8_000, windowBytesMax: 8_000 }));
    expect(window.allowance(0, 0)).toBe(8_000);
    window.adapt(false, true);
    expect(window.bytes).toBe(8_000);
    window.reconfigure(ringConfig(bounds));
    window.adapt(false, true);
    expect(window.bytes).toBe(12_000);
  });

  test("stays between sixteen datagrams and its bound, and never allows more than is left", () => {
    const visits = fc.array(fc.tuple(fc.boolean(), fc.boolean()), { maxLength: 200 });
    fc.assert(
      fc.property(visits, fc.nat(200_000), (steps, others) => {
        const window = new FlowWindow(ringConfig(bounds));
        for (const [lost, used] of steps) window.adapt(lost, used);
        expect(window.bytes).toBeGreaterThanOrEqual(16_000);
        expect(window.bytes).toBeLessThanOrEqual(100_000);
        const allowed = window.allowance(others, 2);
        expect(allowed).toBeGreaterThanOrEqual(0);
        const share = window.share(2);
        expect(allowed + others).toBeLessThanOrEqual(Math.max(others + share / 8, window.bytes + share));
      }),
    );
  });
});
