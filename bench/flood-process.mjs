/* The clients of one daemon in a benchmark, in a process of their own (flood.mjs). Argument, as JSON: { address, … } and flood.mjs's options. */
import { connect } from "../dist/index.js";
import { keepFreedMemory } from "../dist/host/freed-memory.js";
import { scavengeAlone } from "../dist/host/scavenges.js";
import { flood } from "./flood.mjs";

const options = JSON.parse(process.argv[2]);
const { address } = options;
// As `node --no-parallel-scavenge` and the C library's settings in the environment, which are for a program to choose, not for a library (docs/client.md).
scavengeAlone();
keepFreedMemory();
process.on("disconnect", () => process.exit(0));
await flood((client) => connect(address, client), options, `client-${address}`);
