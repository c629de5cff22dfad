/*
 * What a bare pair of Node processes carries over a Unix socket, in the pieces that the client and the daemon use: one writes on one connection, the
 * other sends all that it reads back on a second one, as a daemon does for a client that receives its own messages. Arguments: "echo" and the
 * socket's path, or "flood", the path, bytes in flight, and milliseconds; tells its parent { kind: "result", bytesPerSecond }.
 */
import { connect, createServer } from "node:net";

const CHUNK_BYTES = 64 * 1024;
const WARM_UP_MS = 1_000;
const [role, path, window, ms] = process.argv.slice(2);
process.on("disconnect", () => process.exit(0));
if (role === "echo") echo();
else await flood(Math.max(CHUNK_BYTES, Number(window)), Number(ms));

function echo() {
  const sockets = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.write("!");
    // The first one sends; what it sends goes to the second.
    socket.on("data", (bytes) => sockets[1]?.write(bytes));
    socket.on("error", () => process.exit(1));
  });
  server.listen(path, () => process.send({ kind: "ready" }));
}

async function flood(inFlightMax, durationMs) {
  const sender = await open();
  const receiver = await open();
  const chunk = new Uint8Array(CHUNK_BYTES).fill(0x61);
  let sent = 0;
  let received = 0;
  const pump = () => {
    for (; sent - received + CHUNK_BYTES <= inFlightMax; sent += CHUNK_BYTES) sender.write(chunk);
  };
  receiver.on("data", ({ length }) => {
    received += length;
    pump();
  });
  pump();
  await after(WARM_UP_MS);
  const [first, begin] = [received, performance.now()];
  await after(durationMs);
  process.send({ kind: "result", bytesPerSecond: ((received - first) / (performance.now() - begin)) * 1000 });
}

function open() {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    // Accepted, and not only connected: nothing is sent back to one that is not.
    socket.once("data", () => resolve(socket));
    socket.once("error", reject);
  });
}

function after(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
