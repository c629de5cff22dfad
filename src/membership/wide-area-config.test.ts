import { describe, expect, it } from "vitest";
import { Layout } from "./layout.ts";
import { rateMaxOf, weightsOf, wideAreaConfig } from "./wide-area-config.ts";

describe("the settings of the wide area", () => {
  const config = wideAreaConfig({ rateMax: 1_000_000, links: [{ from: 1, to: 2, weight: 7, rateMax: 5_000 }] });

  it("give each direction of a link what is said of it, and all others the same", () => {
    const weights = weightsOf(config);
    expect([weights(1, 2), weights(2, 1)]).toEqual([7, 1]);
    expect([rateMaxOf(config, 1, 2), rateMaxOf(config, 2, 1)]).toEqual([5_000, 1_000_000]);
  });

  it("are refused with the name of what is wrong", () => {
    expect(() => wideAreaConfig({ updateMs: 0 })).toThrow("updateMs is 0");
    expect(() => wideAreaConfig({ silenceMs: 30, idleMs: 20 })).toThrow("idleMs is 20; it must lie between 1 and 10");
    expect(() => wideAreaConfig({ links: [{ from: 3, to: 3 }] })).toThrow("from site 3 to site 3");
    expect(() => wideAreaConfig({ links: [{ from: 1, to: 2, weight: 0 }] })).toThrow("weight is 0");
    const twice = [
      { from: 1, to: 2 },
      { from: 1, to: 2 },
    ];
    expect(() => wideAreaConfig({ links: twice })).toThrow("given twice");
  });
});

describe("a layout of several sites", () => {
  const places = [
    { id: 5, segment: 0, site: 2 },
    { id: 6, segment: 1, site: 2 },
    { id: 7, segment: 2, site: 1 },
  ];

  it("knows the sites of its daemons, and takes all for one site if none are given", () => {
    const layout = new Layout(places);
    expect(layout.sites).toEqual([1, 2]);
    expect(layout.ofSite([7, 6, 5], 2)).toEqual([6, 5]);
    const plain = new Layout(places.map(({ id, segment }) => ({ id, segment })));
    expect([plain.sites, plain.siteOf(7), plain.ofSite([7, 5], 0)]).toEqual([[0], 0, [7, 5]]);
  });

  it("has each segment in one site only", () => {
    expect(() => new Layout([...places, { id: 8, segment: 1, site: 1 }])).toThrow("a segment is in one site");
  });
});
