/*
 * One host of the baseline of bench/qsm.ts: bare node:dgram, nothing of ours, as many sockets as the benchmark has nodes.
 *
 * sender   <address> <receivers> <bytes>:          multicasts datagrams of so many bytes, as fast as the receivers acknowledge them
 * receiver <address> <sender's address> <sockets>: each counts, and acknowledges every so-manyth
 *
 * Answers { kind: "count" } with what has been sent or received so far.
 */
import { createSocket } from "node:dgram";

const [role, address, other, argument] = process.argv.slice(2);
const GROUP = "239.77.0.10";
const PORT = 4_901;
const WINDOW = 700;
const ACK_EVERY = 32;
const lookup = (host, _options, callback) => callback(null, host, 4);
let count = 0;

process.on("disconnect", () => process.exit(0));
process.on("message", ({ kind }) => {
  if (kind === "count") process.send({ kind, count, at: performance.now(), cpu: process.cpuUsage() });
});
if (role === "receiver") for (let i = 0; i < Number(argument); i++) receive(PORT + 1 + i);
else send();

function receive(ackPort) {
  const acks = createSocket({ type: "udp4", lookup });
  acks.bind(ackPort, address);
  const socket = createSocket({ type: "udp4", lookup, reuseAddr: true });
  let received = 0;
  socket.on("message", () => {
    received += 1;
    count += 1;
    if (received % ACK_EVERY !== 0) return;
    const ack = Buffer.alloc(4);
    ack.writeUInt32BE(received);
    acks.send(ack, PORT, other);
  });
  socket.bind(PORT, GROUP, () => {
    socket.setRecvBufferSize(4 << 20);
    socket.addMembership(GROUP, address);
    process.send({ kind: "started" });
  });
}

function send() {
  const socket = createSocket({ type: "udp4", lookup });
  const acknowledged = new Map();
  const payload = Buffer.alloc(Number(argument), 0x61);
  let floor = 0;
  let isBlocked = false;
  const pump = () => {
    isBlocked = false;
    const before = count;
    for (let burst = 0; burst < 64 && count - floor < WINDOW && socket.getSendQueueCount() < 500; burst++) {
      count += 1;
      socket.send(payload, PORT, GROUP);
    }
    if (count > before) setImmediate(pump);
    else if (socket.getSendQueueCount() > 0) setTimeout(pump, 1);
    else isBlocked = true;
  };
  socket.on("message", (bytes, from) => {
    acknowledged.set(`${from.address} ${from.port}`, bytes.readUInt32BE(0));
    if (acknowledged.size === Number(other)) floor = Math.min(...acknowledged.values());
    if (isBlocked) pump();
  });
  socket.bind(PORT, address, () => {
    socket.setRecvBufferSize(4 << 20);
    socket.setMulticastInterface(address);
    socket.setMulticastLoopback(false);
    process.send({ kind: "started" });
    pump();
  });
}
