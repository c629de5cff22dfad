// In a project of your own: import { connect } from "amalgam";
import { connect } from "../src/index.ts";

await using connection = await connect("4803@localhost", { name: "ann" });
await using alarms = await connection.join("alarms", { quality: "timely" });
await alarms.send("boiler 7: 2.1 bar");

for await (const event of alarms) {
  if (event.kind === "view") console.log(`members: ${event.members.join(", ")}`);
  if (event.kind === "lost") console.log(`${event.packets} messages of ${event.sender} are lost`);
  if (event.kind !== "message") continue;
  const text = new TextDecoder().decode(event.payload);
  console.log(`${event.sender}: ${text}${event.arrival === "rebuilt" ? " (rebuilt)" : ""}`);
  if (text === "all clear") break;
}
