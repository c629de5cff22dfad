/*
 * Groups that overlap irregularly: how many regions they make, and what a message costs, with exact and approximate regions and with packets
 * to each region, to each group (hybrid), and to whichever suits (auto). Nothing is sent: all of this follows from who is in which group.
 */
import { writeFileSync } from "node:fs";
import { Random } from "../src/base/random.ts";
import { approximate, type Cell, wasteOf } from "../src/cms/approximate.ts";
import { type DisseminationRule, isHybrid } from "../src/cms/dissemination-rule.ts";
import { hybridEntriesMax, hybridHeadBytes } from "../src/wire/region/hybrid.ts";
import { figure, isMain, median, printTable, saveResults } from "./report.ts";

const DATAGRAM_BYTES = 1_400;
/** As `GroupSender` has it. */
const ITEM_BYTES_MIN = 400;
const REGION_HEAD_BYTES = 39;

type Site = { readonly name: string; readonly groupsOf: readonly (readonly number[])[] };

/** Each node is in so many groups, whichever. */
function random(nodes: number, groups: number, perNode: number): Site {
  const chance = new Random(nodes * groups + perNode);
  const all = Array.from({ length: groups }, (_, i) => i + 1);
  const groupsOf = Array.from({ length: nodes }, () =>
    chance
      .shuffle([...all])
      .slice(0, perNode)
      .sort((a, b) => a - b),
  );
  return { name: `random: ${nodes} nodes, each in ${perNode} of ${groups} groups`, groupsOf };
}

/** Some sets of groups that most nodes have, and every fifth node has one group more or less. */
function alike(nodes: number, sets: number, perSet: number): Site {
  const chance = new Random(nodes + sets);
  const groupsOf = Array.from({ length: nodes }, (_, i) => {
    const set = i % sets;
    const own = new Set(Array.from({ length: perSet }, (__, g) => set * perSet + g + 1));
    const departure = chance.unit();
    if (departure < 0.1) own.delete(chance.pick([...own]));
    else if (departure < 0.2) own.add(chance.integer(1, sets * perSet));
    return [...own].sort((a, b) => a - b);
  });
  return { name: `alike: ${nodes} nodes, ${sets} sets of ${perSet} groups, every fifth node departs by one`, groupsOf };
}

/** A group of all, in it groups of tenths, in these of hundredths: what regions are made for. */
function nested(nodes: number): Site {
  const groupsOf = Array.from({ length: nodes }, (_, i) => [1, 2 + (i % 10), 12 + (i % 100)]);
  return { name: `nested: ${nodes} nodes, all, tenths and hundredths`, groupsOf };
}

function cellsOf({ groupsOf }: Site): Cell[] {
  const cells = new Map<string, { groups: readonly number[]; members: number }>();
  for (const groups of groupsOf) {
    const cell = cells.get(groups.join(" "));
    if (cell === undefined) cells.set(groups.join(" "), { groups, members: 1 });
    else cell.members++;
  }
  return [...cells.values()];
}

type Row = {
  readonly site: string;
  readonly wasteLimit: number;
  readonly rule: DisseminationRule;
  readonly regions: number;
  readonly regionSize: number;
  readonly regionsPerGroup: number;
  readonly regionsPerGroupMax: number;
  readonly packets: number;
  readonly headBytes: number;
  readonly hybridShare: number;
  readonly waste: number;
};

function measure(site: Site, wasteLimit: number, rule: DisseminationRule): Row {
  const clusters = approximate(cellsOf(site), wasteLimit);
  const sizesOf = new Map<number, number[]>();
  for (const { groups, members } of clusters) {
    for (const group of groups) {
      const sizes = sizesOf.get(group);
      if (sizes === undefined) sizesOf.set(group, [members]);
      else sizes.push(members);
    }
  }
  const entriesMax = hybridEntriesMax(DATAGRAM_BYTES, ITEM_BYTES_MIN);
  let packets = 0;
  let headBytes = 0;
  let hybrids = 0;
  for (const sizes of sizesOf.values()) {
    if (!isHybrid(rule, sizes)) {
      packets += sizes.length;
      headBytes += sizes.length * REGION_HEAD_BYTES;
      continue;
    }
    hybrids++;
    for (let left = sizes.length; left > 0; left -= entriesMax) {
      packets++;
      headBytes += hybridHeadBytes(Math.min(left, entriesMax));
    }
  }
  const counts = [...sizesOf.values()].map((sizes) => sizes.length);
  const received = clusters.reduce((sum, { groups, members }) => sum + groups.length * members, 0);
  const wasted = clusters.reduce((sum, cluster) => sum + wasteOf(cluster) * cluster.groups.length * cluster.members, 0);
  return {
    site: site.name,
    wasteLimit,
    rule,
    regions: clusters.length,
    regionSize: median(clusters.map(({ members }) => members)),
    regionsPerGroup: counts.reduce((sum, count) => sum + count, 0) / counts.length,
    regionsPerGroupMax: Math.max(...counts),
    packets: packets / counts.length,
    headBytes: headBytes / counts.length,
    hybridShare: hybrids / counts.length,
    waste: wasted / received,
  };
}

if (isMain(import.meta.url)) {
  const sites = [random(200, 20, 3), random(1_000, 20, 3), random(1_000, 100, 10), alike(1_000, 10, 8), nested(1_000)];
  const rows: Row[] = [];
  for (const site of sites) {
    for (const wasteLimit of [0, 0.1, 0.3, 0.5]) {
      for (const rule of ["regions", "hybrid", "auto"] as const) rows.push(measure(site, wasteLimit, rule));
    }
  }
  let before = "";
  const shown = rows.map((row) => {
    const name = row.site === before ? "" : row.site;
    before = row.site;
    const { wasteLimit, rule, regions, regionSize, regionsPerGroup, regionsPerGroupMax, packets, headBytes } = row;
    return [
      name,
      wasteLimit === 0 ? "exact" : `≤ ${wasteLimit * 100} %`,
      rule,
      ...[regions, regionSize, regionsPerGroup, regionsPerGroupMax, packets, headBytes].map(figure),
      `${figure(row.hybridShare * 100)} %`,
      `${figure(row.waste * 100)} %`,
    ];
  });
  printTable(
    ["groups", "regions", "packets to", "regions", "size", "per group", "most", "packets", "head B", "hybrid", "waste"],
    shown,
  );
  saveResults("overlap", rows);
  const out = process.argv.find((argument) => argument.startsWith("--out="))?.slice(6);
  if (out !== undefined) writeFileSync(new URL(`../${out}`, import.meta.url), `${JSON.stringify(rows, null, 1)}\n`);
}
