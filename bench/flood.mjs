/*
 * What clients do in a benchmark, in a process of their own (flood-process.mjs) or in their daemon's (daemon-process.mjs): a receiving
 * connection and, if asked for, a sending one. Options: { payloadBytes, service, groups (how many), window (messages in flight to the
 * daemon), sends, rate (messages/s; 0: as many as the window lets) }. Tells the parent { kind: "ready" } once it has joined; then
 * { kind: "start" } makes it send, { kind: "count" } asks for how much was received so far. With a rate each message carries its time;
 * { kind: "latency" } asks what messages took, in ms, and { kind: "forget" } makes that begin anew.
 */
import { createHistogram } from "node:perf_hooks";
import { profile } from "./cpu-profile.mjs";
import { takePauses } from "./gc-watch.mjs";

/** `connect(options)` gives a connection to the daemon. */
export async function flood(connect, options, name) {
  const { payloadBytes, service, window, rate } = options;
  const groups = Array.from({ length: options.groups }, (_, i) => `bench${i}`);
  const receiver = await connect({ eventsMax: 100_000 });
  let received = 0;
  let firstPayload = -1;
  // Of microseconds. To keep every sample and send them would hold this process up for longer than what is to be measured.
  const latencies = createHistogram({ lowest: 1, highest: 60_000_000, figures: 3 });
  void (async () => {
    for await (const events of receiver.batches()) {
      for (const event of events) {
        if (event.kind !== "message") continue;
        received += 1;
        firstPayload = event.payload.length;
        if (rate > 0) latencies.record(Math.max(1, Math.round((now() - sentAt(event.payload)) * 1_000)));
      }
    }
  })();
  await Promise.all(groups.map((group) => receiver.join(group)));
  const sender = options.sends ? await connect({ unacceptedMax: window }) : undefined;

  let next = 0;
  let begunAt = 0;
  let paced = 0;
  const payload = new Uint8Array(payloadBytes).fill(0x61);

  async function floodOn() {
    for (;;) {
      while (post(payload));
      await sender.room();
    }
  }

  function post(bytes) {
    next = next + 1 === groups.length ? 0 : next + 1;
    return sender.post(groups[next], bytes, { service, selfDiscard: false });
  }

  /** What is due by the clock. What does not fit is not made up for: latency is that of a rate which the system takes. */
  function pace() {
    const due = ((now() - begunAt) * rate) / 1000;
    for (; paced < due; paced++) post(stamped());
  }

  /** Milliseconds of a clock that all processes of a machine share. */
  function now() {
    return Number(process.hrtime.bigint()) / 1e6;
  }

  function stamped() {
    const bytes = new Uint8Array(payloadBytes);
    new DataView(bytes.buffer).setFloat64(0, now());
    return bytes;
  }

  function sentAt({ buffer, byteOffset }) {
    return new DataView(buffer, byteOffset).getFloat64(0);
  }

  process.on("message", ({ kind }) => {
    switch (kind) {
      case "start":
        if (sender === undefined) return;
        begunAt = now();
        if (rate > 0) setInterval(pace, 1);
        else void floodOn();
        return;
      case "count": {
        profile(name);
        const [cpu, at] = [process.cpuUsage(), performance.now()];
        process.send({ kind, received, payloadBytes: firstPayload, at, cpu, gc: takePauses() });
        return;
      }
      case "forget":
        latencies.reset();
        return;
      case "latency": {
        const ms = (share) => latencies.percentile(share) / 1_000;
        process.send({ kind, latencyMs: { median: ms(50), p99: ms(99), max: ms(100) } });
      }
    }
  });
  process.send({ kind: "ready" });
}
