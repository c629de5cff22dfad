/*
 * A replicated map, and a member that comes later and gets its state (map-replica.ts tells how).
 *
 *   npx tsx examples/state-transfer.ts          with a daemon at 4803@localhost
 *   npx tsx examples/state-transfer.ts 4804@host
 */
import { connect } from "../src/index.ts";
import { ReplicatedMap } from "./replicated-map.ts";

const address = process.argv[2] ?? "4803@localhost";

await using first = await connect(address);
await using map = await ReplicatedMap.open(first, "cities");
await map.set("Jerusalem", "IL");
await map.set("Ithaca", "US");

await using second = await connect(address);
await using late = await ReplicatedMap.open(second, "cities");
console.log("the late copy has", late.entries());

const written = await late.set("Baltimore", "US");
await map.until(() => map.get("Baltimore") !== undefined);
console.log(written ? "and both have Baltimore now" : "this side of a split may not write");
