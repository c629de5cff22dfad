/* The clients of one daemon in a benchmark, in a process of their own (flood.mjs). Argument, as JSON: { address, … } and flood.mjs's options. */
import { connect } from "../dist/index.js";
import { flood } from "./flood.mjs";

const options = JSON.parse(process.argv[2]);
const { address } = options;
process.on("disconnect", () => process.exit(0));
await flood((client) => connect(address, client), options, `client-${address}`);
