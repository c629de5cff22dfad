/*
 * A host's program in the tests of the namespaces: joins a group, counts the datagrams that arrive and tells its parent
 * about each; sends a number of them when it is told to. Arguments: own address, group, port.
 */
import { createSocket } from "node:dgram";

const [address, group, port] = process.argv.slice(2);
const socket = createSocket("udp4");
const counts = {};
socket.on("message", (_bytes, from) => {
  counts[from.address] = (counts[from.address] ?? 0) + 1;
});
socket.bind(Number(port), () => {
  socket.setRecvBufferSize(4 << 20);
  socket.addMembership(group, address);
  socket.setMulticastInterface(address);
  socket.setMulticastLoopback(false);
  process.send({ kind: "ready" });
});
process.on("message", ({ kind, count }) => {
  if (kind === "counts") process.send({ kind, counts });
  else void send(count);
});

async function send(count) {
  for (let i = 0; i < count; i++) await new Promise((sent) => socket.send(new Uint8Array(100), port, group, sent));
  process.send({ kind: "sent" });
}
