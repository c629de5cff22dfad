// In a project of your own: import { connect } from "amalgam";
import { connect } from "../src/index.ts";

await using connection = await connect("4803@localhost", { name: "ann" });
await using prices = await connection.join("prices", { quality: "scalable" });
const receipt = await prices.send("AMG 12.50");
await receipt.delivered;
console.log("all members have it");

for await (const event of prices) {
  if (event.kind === "view") console.log(`members: ${event.members.join(", ")}`);
  if (event.kind === "lost") console.log(`nobody has what ${event.sender} sent last`);
  if (event.kind !== "message") continue;
  const text = new TextDecoder().decode(event.payload);
  console.log(`${event.sender}: ${text}`);
  if (text === "closed") break;
}
