import fc from "fast-check";
import { expect, test } from "vitest";
import { linePlot } from "./line-plot.ts";
import { logTicks, niceTicks, tickLabel } from "./ticks.ts";

test("ticks are evenly spaced round numbers that enclose the range", () => {
  expect(niceTicks([0, 192], 8)).toEqual([0, 25, 50, 75, 100, 125, 150, 175, 200]);
  expect(niceTicks([8_200, 8_790], 6)).toEqual([8_200, 8_300, 8_400, 8_500, 8_600, 8_700, 8_800]);
  const bounds = fc.tuple(
    fc.double({ min: -1e6, max: 1e6, noNaN: true }),
    fc.double({ min: 0.01, max: 1e6, noNaN: true }),
  );
  fc.assert(
    fc.property(bounds, fc.integer({ min: 2, max: 10 }), ([low, width], count) => {
      const ticks = niceTicks([low, low + width], count);
      const slack = width * 1e-6;
      expect(ticks[0]).toBeLessThanOrEqual(low + slack);
      expect(ticks.at(-1)).toBeGreaterThanOrEqual(low + width - slack);
      expect(ticks.length).toBeLessThanOrEqual(count + 3);
    }),
  );
});

test("labels have the decimals that their neighbours need", () => {
  expect([0, 0.5, 1].map((tick, _, all) => tickLabel(tick, all))).toEqual(["0.0", "0.5", "1.0"]);
  expect(tickLabel(12_500, [12_500])).toBe("12,500");
  expect(tickLabel(-5, [-5])).toBe("−5");
});

test("a plot has each curve, its points in place, error bars and a legend", () => {
  const svg = linePlot({
    title: "Rates < 5 & more",
    x: "nodes",
    y: "ms",
    curves: [
      {
        name: "ours",
        points: [
          { x: 0, y: 0 },
          { x: 10, y: 10, ci: 2 },
        ],
      },
      { name: "theirs", points: [{ x: 5, y: 5 }], isPublished: true },
      { name: "nothing", points: [] },
    ],
  });
  expect(svg).toContain("Rates &lt; 5 &amp; more");
  // The first point lies where the axes meet.
  expect(svg).toContain('d="M70 320L');
  expect(svg).toContain("ours");
  expect(svg).toContain("theirs");
  expect(svg).not.toContain("nothing");
  expect(svg.match(/stroke-dasharray/g)).toHaveLength(2);
  expect(svg).toMatch(/V\d+(\.\d)?M\d+(\.\d)? \d+(\.\d)?h8/);
  expect(svg).not.toContain("NaN");
});

test("a plot without points, or with one, is drawn all the same", () => {
  for (const points of [[], [{ x: 3, y: 3 }], [{ x: 0, y: 0 }]]) {
    const svg = linePlot({ title: "t", x: "x", y: "y", curves: [{ name: "c", points }] });
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  }
});

test("an axis of factors has ticks of powers, and leaves out what is not above 0", () => {
  expect(logTicks([1, 1_024], 8)).toEqual([1, 10, 100, 1_000, 10_000]);
  expect(logTicks([3, 60], 8)).toEqual([2, 5, 10, 20, 50, 100]);
  const points = [1, 10, 100].map((x) => ({ x, y: x, ci: x / 2 }));
  const svg = linePlot({
    title: "t",
    x: "x",
    y: "y",
    log: "both",
    curves: [{ name: "c", points: [{ x: 0, y: 0 }, ...points] }],
  });
  // Each step is as long as the other.
  expect(svg).toMatch(/d="M70 \d+(\.\d)?L340 \d+(\.\d)?L610 /);
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
});
