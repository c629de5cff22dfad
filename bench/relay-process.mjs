/*
 * One host of the floor under latency (bench/relay.ts): bare node:dgram and node:net, nothing of ours. Arguments: own address, the next
 * host's, path of a Unix socket. What a client writes there goes to the next host as one datagram. The first byte says how many
 * hosts pass it on; the last of them writes it to its own client.
 */
import { createSocket } from "node:dgram";
import { createServer } from "node:net";

const [address, next, path] = process.argv.slice(2);
const PORT = 4_901;
const lookup = (host, _options, callback) => callback(null, host, 4);
const socket = createSocket({ type: "udp4", lookup });
let client;
process.on("disconnect", () => process.exit(0));

function pass(bytes) {
  if (bytes[0] === 0) return client?.write(bytes);
  bytes[0] -= 1;
  socket.send(bytes, PORT, next);
}

socket.on("message", pass);
const server = createServer((accepted) => {
  client = accepted;
  client.on("data", pass);
});
socket.bind(PORT, address, () => server.listen(path, () => process.send({ kind: "ready" })));
