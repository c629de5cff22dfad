/*
 * What clients do in a benchmark, in a process of their own (flood-process.mjs) or in their daemon's (daemon-process.mjs): a receiving
 * connection and, if asked for, a sending one. Options: { payloadBytes, service, groups (how many), window (messages in flight to the
 * daemon), sends, rate (messages/s; 0: as many as the window lets) }. Tells the parent { kind: "ready" } once it has joined; then
 * { kind: "start" } makes it send, { kind: "count" } asks for how much was received so far. With a rate each message carries its time;
 * { kind: "latency" } asks what messages took, in ms, and { kind: "forget" } makes that begin anew.
 */
import { profile } from "./cpu-profile.mjs";
import { takePauses } from "./gc-watch.mjs";
import { Latencies } from "./latencies.mjs";

/** `connect(options)` gives a connection to the daemon. */
export async function flood(connect, options, name) {
  const { payloadBytes, service, window, rate } = options;
  const groups = Array.from({ length: options.groups }, (_, i) => `bench${i}`);
  const receiver = await connect({ eventsMax: 100_000 });
  let received = 0;
  let firstPayload = -1;
  const latencies = new Latencies();
  // A message's first eight bytes, where it tells its time.
  const time = new Float64Array(1);
  const timeBytes = new Uint8Array(time.buffer);
  void (async () => {
    for await (const events of receiver.batches()) {
      // The clock is read once for all that comes at once, here as in `pace`: read for each message, it would be a tenth of the load.
      const receivedAt = rate > 0 ? now() : 0;
      for (const event of events) {
        if (event.kind !== "message") continue;
        received += 1;
        firstPayload = event.payload.length;
        if (rate > 0) latencies.add(receivedAt - sentAt(event.payload));
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
    const at = now();
    const due = ((at - begunAt) * rate) / 1000;
    const bytes = stamped(at);
    for (; paced < due; paced++) post(bytes);
  }

  /** Milliseconds of a clock that all processes of a machine share. */
  function now() {
    return Number(process.hrtime.bigint()) / 1e6;
  }

  function stamped(at) {
    const bytes = new Uint8Array(payloadBytes);
    time[0] = at;
    bytes.set(timeBytes);
    return bytes;
  }

  function sentAt(payload) {
    for (let i = 0; i < timeBytes.length; i++) timeBytes[i] = payload[i];
    return time[0];
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
        const ms = (share) => latencies.atMost(share);
        process.send({ kind, latencyMs: { median: ms(0.5), p99: ms(0.99), max: ms(1) } });
      }
    }
  });
  process.send({ kind: "ready" });
}
