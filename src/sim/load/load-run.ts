import { Random } from "../../base/random.ts";
import { EventQueue } from "../event-queue.ts";
import { NO_CHANGE } from "../../cms/no-change.ts";
import { TraceHash } from "../trace-hash.ts";
import { Computer } from "./computer.ts";
import { type Layout, layoutOf } from "./layout.ts";
import { LoadMeter, type LoadResult } from "./load-meter.ts";
import type { Incident, LoadScenario, RandomLoss } from "./scenario.ts";
import { Station } from "./station.ts";
import { Switch } from "./switch.ts";

const OVERHEAD_BYTES = 400;
const HEADER_BYTES = 42;
/** How long it takes until a crash is known. */
const DETECTION_MS = 1_000;

/** Runs a scenario and measures it; twice the same scenario is twice the same run. */
export function runLoad(scenario: LoadScenario): LoadResult {
  const run = new LoadRun(scenario);
  run.runTo(scenario.warmUpMs + scenario.measureMs);
  return run.result();
}

/** A calm system under load: computers, their switch, and nodes that know their views from the beginning. */
export class LoadRun {
  readonly events = new EventQueue();
  readonly scenario: LoadScenario;
  readonly layout: Layout;
  readonly network: Switch;
  readonly computers: readonly Computer[];
  readonly stations: readonly Station[];
  readonly #meter: LoadMeter;
  readonly #hash = new TraceHash();
  /** Changes of the membership so far. */
  #changes = 1;

  constructor(scenario: LoadScenario) {
    this.scenario = scenario;
    const { costs, receiveBytes, bytesPerMs, latencyMs, packetsAsOne, groupsOf } = scenario;
    const settings = {
      costs,
      receiveBytes,
      overheadBytes: OVERHEAD_BYTES,
      bytesPerMs,
      headerBytes: HEADER_BYTES,
    };
    const random = new Random(scenario.seed);
    this.layout = layoutOf(groupsOf);
    const receiverCosts = { ...costs, idleMb: costs.idleMb + scenario.receiverExtraMb };
    this.computers = groupsOf.map((_, index) => {
      const isSender = scenario.senders.includes(index);
      return new Computer(
        index,
        this.events,
        random.fork(),
        isSender ? settings : { ...settings, costs: receiverCosts },
      );
    });
    this.network = new Switch(this.events, this.computers, {
      bytesPerMs,
      latencyMs,
      headerBytes: HEADER_BYTES,
      packetsAsOne,
    });
    this.#meter = new LoadMeter(this);
    this.stations = this.computers.map((computer, index) => {
      return new Station(index, computer, this.network, scenario, random.fork(), this.#meter);
    });
    this.stations.forEach((station, index) => {
      // Machines that were started in one instant would tick in step.
      (this.computers[index] as Computer).start(station, random.unit() * 10);
      station.apply(this.layout.changeFor(index));
    });
    if (scenario.loss !== undefined)
      for (const computer of this.computers) lose(computer, scenario.loss, random.fork());
    this.#perturb();
    for (const incident of scenario.incidents) this.at(incident.at, () => this.#inject(incident));
    this.#meter.begin();
  }

  /** Lets simulated time pass. */
  runTo(time: number): void {
    const { events } = this;
    for (let event = events.pop(time); event !== undefined; event = events.pop(time)) {
      event.target.fire(event);
    }
    events.advance(time);
  }

  /** Does something later, outside of any computer. */
  at(time: number, action: (now: number) => void): void {
    this.events.push(time, ACTIONS, 0, 0, undefined, action);
  }

  result(): LoadResult {
    this.#hash.mix(this.network.counts.bytes);
    for (const { times, counts } of this.computers) {
      this.#hash.mix(times.busy);
      this.#hash.mix(counts.arrived);
    }
    return { ...this.#meter.result(), traceHash: this.#hash.hex };
  }

  #inject({ kind, nodes, forMs }: Incident): void {
    const until = this.events.now + forMs;
    for (const node of nodes) {
      const computer = this.computers[node] as Computer;
      if (kind === "freeze") computer.freeze(forMs);
      else if (kind === "loss") computer.loses = (at) => at < until;
      else computer.stop();
    }
    if (kind === "crash") this.at(this.events.now + DETECTION_MS, () => this.#tellFailed(nodes));
  }

  /** The membership service has noticed: all that live are told at one position of its log. */
  #tellFailed(nodes: readonly number[]): void {
    const failed = nodes.map((node) => node + 1);
    const seq = ++this.#changes;
    for (const [index, station] of this.stations.entries()) {
      if (!(this.computers[index] as Computer).isRunning) continue;
      const viewsFailed = Array.from(station.node.regions, ({ id }) => ({ id, nodes: failed }));
      station.apply({ ...NO_CHANGE, seq, n: seq, failed, viewsFailed });
    }
  }

  #perturb(): void {
    const { perturbation } = this.scenario;
    if (perturbation === undefined) return;
    const { kind, node, everyMs, forMs } = perturbation;
    const computer = this.computers[node] as Computer;
    // Not at the same point of each token period, or it would meet the token always or never.
    const first = everyMs * 0.37;
    if (kind === "loss") {
      computer.loses = (at) => at >= first && (at - first) % everyMs < forMs;
      return;
    }
    const sleep = (): void => {
      computer.freeze(forMs);
      this.at(this.events.now + everyMs, sleep);
    };
    this.at(first, sleep);
  }
}

function lose(computer: Computer, { share, burst }: RandomLoss, random: Random): void {
  let left = 0;
  computer.loses = () => {
    if (left === 0 && random.chance(share / burst / (1 - share))) left = burst;
    if (left === 0) return false;
    left--;
    return true;
  };
}

const ACTIONS = {
  fire: ({ action, at }: { readonly action: ((now: number) => void) | undefined; readonly at: number }): void =>
    action?.(at),
};
