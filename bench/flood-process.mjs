/*
 * The clients of one daemon in a throughput benchmark: a sending and a receiving connection in one process.
 * Arguments: address, payload bytes, service, group, window (messages in flight to the daemon), "send" or "listen".
 * Says { kind: "ready" } once it has joined; then { kind: "start" } makes it send, { kind: "count" } asks for how much
 * was received so far.
 */
import { connect } from "../dist/index.js";

const [address, payloadText, service, group, windowText, role] = process.argv.slice(2);
const payloadBytes = Number(payloadText);
const window = Number(windowText);
process.on("disconnect", () => process.exit(0));

const receiver = await connect(address, { eventsMax: 100_000 });
let received = 0;
let firstPayload = -1;
void (async () => {
  for await (const event of receiver) {
    if (event.kind !== "message") continue;
    received += 1;
    firstPayload = event.payload.length;
  }
})();
await receiver.join(group);
const sender = role === "send" ? await connect(address) : undefined;

let inFlight = 0;
let accepted = 0;
let sending = false;
const payload = new Uint8Array(payloadBytes).fill(0x61);
const onAccepted = () => {
  inFlight -= 1;
  accepted += 1;
  if (sending && inFlight <= window / 2) pump();
};
const onError = (error) => {
  console.error(`sending failed: ${error.message}`);
  process.exit(1);
};
function pump() {
  while (inFlight < window) {
    inFlight += 1;
    sender.send(group, payload, { service, selfDiscard: false }).then(onAccepted, onError);
  }
}

process.on("message", ({ kind }) => {
  if (kind === "start" && sender !== undefined) {
    sending = true;
    pump();
  }
  if (kind === "stop") sending = false;
  if (kind === "count") {
    process.send({
      kind,
      received,
      accepted,
      payloadBytes: firstPayload,
      at: performance.now(),
      cpu: process.cpuUsage(),
    });
  }
});
process.send({ kind: "ready" });
