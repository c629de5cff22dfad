/*
 * Regions on real sockets: nodes in processes and network namespaces on a bridge, told of their views by the benchmark, beside bare
 * node:dgram with the same payloads in the same run.
 *
 *   --only=protocol,link,cpu,groups,loss,crash,join
 *   --repetitions=3 --ms=3000           per figure; the median is told. All of it takes about ten minutes
 *   --busy-max=0.3                      processors that other programs may keep busy; otherwise a repetition is made again, twice at most
 *   --megabits=100                      of the links of `link`, `loss` and `crash`
 *   --rate-min=10                       packets/s below which no node is held: 1000000 leaves only links and windows
 *   --classes=three                     of what nodes process: two puts control and repairs into one
 *   --counts=1,1024,8192,65536          of groups; --instances=1,64,256: of the baseline with one protocol instance per group
 *   --detect=300                        ms after which the failure of a killed node is told to the others
 */
import { needNamespaces } from "./baseline.ts";
import { option } from "./options.ts";
import { isReached, type Measured, printClaims } from "./qsm-claims.ts";
import { crash } from "./qsm-crash.ts";
import { groups } from "./qsm-groups.ts";
import { join } from "./qsm-join.ts";
import { loss } from "./qsm-loss.ts";
import { protocol } from "./qsm-protocol.ts";
import { cpu, link } from "./qsm-throughput.ts";
import { saveResults } from "./report.ts";

const PARTS = { protocol, link, cpu, groups, loss, crash, join };
type Part = keyof typeof PARTS;

needNamespaces(["ip", "tc"]);
const results: Partial<Record<Part, Measured>> = {};
for (const name of option("only", Object.keys(PARTS).join(",")).split(",")) {
  if (!(name in PARTS)) throw new Error(`there is no part ${name}; there are ${Object.keys(PARTS).join(", ")}`);
  console.log(`\n-- ${name} --`);
  results[name as Part] = await PARTS[name as Part]();
}
const claims = Object.values(results).flatMap((result) => result.claims);
console.log("");
printClaims(claims);
saveResults("qsm", { claims: claims.map((claim) => ({ ...claim, isReached: isReached(claim) })), ...results });
process.exit(0);
