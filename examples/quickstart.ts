// In a project of your own: import { connect } from "amalgam";
import { connect } from "../src/index.ts";

await using connection = await connect("4803@localhost", { name: "ann" });
await using quotes = await connection.join("quotes");
await quotes.send("hello, group", { service: "safe" });

for await (const event of quotes) {
  if (event.kind === "view") console.log(`members: ${event.members.join(", ")}`);
  if (event.kind !== "message") continue;
  const text = new TextDecoder().decode(event.payload);
  console.log(`${event.sender} says ${text}`);
  if (text === "bye") break;
}
