/*
 * One host of the baseline (bench/baseline.ts): bare node:dgram, nothing of ours.
 *
 * sender   <address> <receivers> <ms>: multicasts 1400-byte packets as fast as the receivers acknowledge them
 * receiver <address> <sender>:         acknowledges every 16th packet and at once what ends the window
 */
import { createSocket } from "node:dgram";

const [role, address, other, ms] = process.argv.slice(2);
const GROUP = "239.77.0.9";
const PORT = 4900;
const PACKET_BYTES = 1400;
const WINDOW = 700;
const ACK_EVERY = 16;
const lookup = (host, _options, callback) => callback(null, host, 4);
const socket = createSocket({ type: "udp4", lookup });

if (role === "receiver") receive();
else send();

function receive() {
  let received = 0;
  let highest = 0;
  const ack = Buffer.alloc(8);
  socket.on("message", (bytes) => {
    received += 1;
    highest = bytes.readUInt32BE(0);
    if (highest % ACK_EVERY !== 0) return;
    ack.writeUInt32BE(highest, 0);
    ack.writeUInt32BE(highest - received, 4);
    socket.send(Buffer.from(ack), PORT, other);
  });
  socket.bind(PORT, () => {
    socket.setRecvBufferSize(4 << 20);
    socket.addMembership(GROUP, address);
    process.send({ kind: "ready" });
  });
}

function send() {
  const acked = new Map();
  let lost = 0;
  let seq = 0;
  let floor = 0;
  let startedAt = 0;
  const payload = Buffer.alloc(PACKET_BYTES);

  const pump = () => {
    // In bursts, so that acknowledgements are read in between, as a protocol would.
    for (let burst = 0; burst < 64 && seq - floor < WINDOW; burst++) {
      seq += 1;
      const packet = Buffer.from(payload);
      packet.writeUInt32BE(seq, 0);
      socket.send(packet, PORT, GROUP);
    }
    if (performance.now() - startedAt >= Number(ms)) return finish();
    setImmediate(pump);
  };

  const finish = () => {
    const seconds = (performance.now() - startedAt) / 1000;
    const { user, system } = process.cpuUsage();
    process.send({ kind: "result", packets: floor, seconds, lost, cpuMicros: user + system });
  };

  socket.on("message", (bytes, from) => {
    acked.set(from.address, bytes.readUInt32BE(0));
    lost = Math.max(lost, bytes.readUInt32BE(4));
    if (acked.size === Number(other)) floor = Math.min(...acked.values());
  });
  socket.bind(PORT, () => {
    socket.setRecvBufferSize(4 << 20);
    socket.setMulticastInterface(address);
    socket.setMulticastLoopback(false);
    startedAt = performance.now();
    pump();
  });
}
