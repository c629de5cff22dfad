/*
 * How fast the simulator runs: simulated seconds of a ring of 5 daemons per second of processor time, idle, under moderate
 * and heavy load, and the random fault schedules that the tests run.
 */
import { runSchedule, Simulation } from "../src/sim/index.ts";
import { printTable, saveResults } from "./report.ts";

const DAEMONS = 5;

type Row = {
  readonly name: string;
  readonly simulatedSeconds: number;
  readonly processorSeconds: number;
  readonly perSecond: number;
  readonly delivered: number;
};

function measured(name: string, run: () => { readonly simulatedMs: number; readonly delivered: number }): Row {
  const before = process.cpuUsage();
  const { simulatedMs, delivered } = run();
  const { user, system } = process.cpuUsage(before);
  const processorSeconds = (user + system) / 1e6;
  const simulatedSeconds = simulatedMs / 1000;
  return { name, simulatedSeconds, processorSeconds, perSecond: simulatedSeconds / processorSeconds, delivered };
}

/** A stable ring that sends so many messages of 100 bytes a second, all daemons together. */
function ring(messagesPerSecond: number, seconds: number) {
  let delivered = 0;
  const replica = (environment: { send(payload: Uint8Array): void }) => ({
    send: () => environment.send(new Uint8Array(100)),
    message: () => {
      delivered++;
    },
  });
  const simulation = new Simulation({ daemons: DAEMONS, replica });
  simulation.run(2_000);
  const everyMs = 1000 / messagesPerSecond;
  const count = messagesPerSecond * seconds;
  for (let i = 0; i < count; i++)
    simulation.after(i * everyMs, () => simulation.on(1 + (i % DAEMONS), (r) => r.send()));
  simulation.run(seconds * 1000);
  return { simulatedMs: simulation.now, delivered };
}

function schedules(first: number, count: number) {
  let simulatedMs = 0;
  let delivered = 0;
  for (let seed = first; seed < first + count; seed++) {
    const { stats } = runSchedule(seed, { daemons: [DAEMONS, DAEMONS] });
    simulatedMs += stats.simulatedMs;
    delivered += stats.delivered;
  }
  return { simulatedMs, delivered };
}

// Warm: what runs first would pay for everybody's compilation.
ring(200, 5);
schedules(1, 3);
const rows = [
  measured("5 daemons, idle", () => ring(0, 2_000)),
  measured("5 daemons, 20 messages/s", () => ring(20, 200)),
  measured("5 daemons, 200 messages/s", () => ring(200, 60)),
  measured("5 daemons, 5,000 messages/s", () => ring(5_000, 5)),
  measured("5 daemons, random faults, up to 200 messages/s", () => schedules(100, 60)),
];
printTable(
  ["run", "simulated s", "processor s", "simulated s per s", "messages delivered"],
  rows.map((row) => [
    row.name,
    row.simulatedSeconds.toFixed(0),
    row.processorSeconds.toFixed(2),
    row.perSecond.toFixed(0),
    String(row.delivered),
  ]),
);
saveResults("sim", rows);
