import { Random } from "../../base/random.ts";
import { type Replica, type ReplicaEnvironment, Simulation } from "../simulation.ts";
import type { PlatoResult, PlatoScenario } from "./plato-load.ts";

const STAMP_BYTES = 16;
const GATHER_MS = 20_000;
const REST_MS = 3_000;

/** What a replica sees: when each message was sent, by whom. */
class Listener implements Replica {
  readonly latencies: number[] = [];
  readonly #environment: ReplicaEnvironment;
  readonly #from: () => number;

  constructor(environment: ReplicaEnvironment, from: () => number) {
    this.#environment = environment;
    this.#from = from;
  }

  send(): void {
    const payload = new Uint8Array(STAMP_BYTES * 2);
    new DataView(payload.buffer).setFloat64(0, this.#environment.now());
    this.#environment.send(payload, "agreed");
  }

  message({ payload }: { readonly payload: Uint8Array }): void {
    const sentAt = new DataView(payload.buffer, payload.byteOffset).getFloat64(0);
    if (sentAt >= this.#from()) this.latencies.push(this.#environment.now() - sentAt);
  }
}

/** The same load in the total order of daemons on a ring, on the same network: the cores of daemons, without clients. */
export function runRing(scenario: PlatoScenario): PlatoResult {
  const { seed, members, senders, rate, trafficMs, warmUpMs, latency, loss } = scenario;
  let from = Number.POSITIVE_INFINITY;
  const simulation = new Simulation<Listener>({
    seed,
    daemons: members,
    replica: (environment) => new Listener(environment, () => from),
    network: { latency, loss },
    processor: { eventMs: 0, byteMs: 0, pauseEveryBytes: 0, pauseMs: 0 },
  });
  const isTogether = () => simulation.daemons.every((daemon) => simulation.members(daemon)?.length === members);
  const faults = simulation.runUntil(isTogether, GATHER_MS) ? [] : ["the daemons did not come together"];
  const random = new Random(seed);
  from = simulation.now + warmUpMs;
  let sent = 0;
  for (let at = 100; at < trafficMs; at += (-Math.log(1 - random.unit()) * 1_000) / rate) {
    const daemon = members - random.integer(0, senders - 1);
    simulation.after(at, () => simulation.on(daemon, (listener) => listener.send()));
    sent++;
  }
  simulation.run(trafficMs + REST_MS);
  const latencies = simulation.replicas.flatMap((listener) => listener.latencies);
  return {
    sent,
    latencies: latencies.sort((a, b) => a - b),
    commits: latencies,
    optimistic: 0,
    rolledBack: 0,
    gaps: [],
    thresholdMs: 0,
    orders: 0,
    faults: [...faults, ...simulation.violations.map(({ what }) => what)],
  };
}
