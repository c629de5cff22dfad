import { nodeDefaults } from "../../qsm/config.ts";
import { PartitionPlan } from "../../qsm/partition-plan.ts";
import { seqOf } from "../../wire/region/data.ts";
import { kindOf, NodeKind } from "../../wire/region/head.ts";
import { AckRanges } from "./ack-ranges.ts";
import type { Computer, ProcessorTimes } from "./computer.ts";
import type { LoadRun } from "./load-run.ts";
import { type Estimate, estimate } from "./measures.ts";
import type { StationObserver } from "./station.ts";

/** What a run has measured. Messages, not simulated packets; times are ms, memory MB, shares 0 … 1. Senders' figures are those of the first. */
export type LoadResult = {
  readonly nodes: number;
  readonly seed: number;
  readonly simulatedMs: number;
  /** Messages per second that a receiver is given, of all senders together. */
  readonly throughput: Estimate;
  /** Messages that senders could not give to their nodes, since too many waited. */
  readonly backlog: Estimate;
  readonly senderBusy: Estimate;
  readonly receiverBusy: Estimate;
  /** Where the sender's busy time went. */
  readonly senderShares: { readonly own: number; readonly runtime: number; readonly collector: number };
  readonly receiverShares: { readonly own: number; readonly runtime: number; readonly collector: number };
  readonly senderMemory: Estimate;
  readonly receiverMemory: Estimate;
  readonly perturbedMemory: Estimate;
  /** Messages of the sender that are not known to be everywhere. */
  readonly pending: Estimate;
  /** Of these, what acknowledgements with ranges would let it forget, at most; and how many ranges they would have (ack-ranges.ts). */
  readonly clearable: Estimate;
  readonly ackRanges: number;
  readonly roundTrip: Estimate;
  /** From the application's send to the news that the message is everywhere. */
  readonly acknowledged: Estimate;
  /** From the application's send to a receiver's delivery. */
  readonly latency: Estimate;
  /** How late timers are: mean, and the greatest of each second. */
  readonly senderLate: Estimate;
  readonly senderLateMax: Estimate;
  readonly receiverLate: Estimate;
  readonly receiverLateMax: Estimate;
  /** From the time at which the perturbed node should have got a packet to that at which it did. */
  readonly repair: Estimate;
  /** Share of data lost: at the perturbed node, and at the others. */
  readonly perturbedLoss: number;
  readonly otherLoss: number;
  /** Copies between members, sent again by senders, and copies that were not needed; for each message that was sent. */
  readonly forwarded: number;
  readonly resent: number;
  readonly duplicates: number;
  /** Messages per second, second by second. */
  readonly throughputs: readonly number[];
  /** One by one. `hops`: into and out of the leader, as half of both, and between others. */
  readonly roundTrips: readonly number[];
  readonly tokenIntervals: readonly number[];
  readonly rates: readonly number[];
  readonly leaderHops: Estimate;
  readonly otherHops: Estimate;
  readonly receiverLateMaxima: readonly number[];
  readonly senderLateMaxima: readonly number[];
  /** Equal for equal runs. */
  readonly traceHash: string;
};

const SECOND = 1_000;
/** Multicast rates are looked at over so long. */
const RATE_MS = 100;
/** What rises and falls within a token period is looked at so often, out of step with it; a sample is the mean of a second. */
const LOOK_MS = 37;
/** Sent messages of a sender whose times are remembered; more than are ever under way. */
const REMEMBERED = 1 << 17;
/** Latency is looked at for one in so many messages, at one in so many stations. */
const LATENCY_EVERY = 8;
const LATENCY_SAMPLES_MAX = 200_000;

type Sampled = {
  throughput: number[];
  backlog: number[];
  senderBusy: number[];
  receiverBusy: number[];
  senderMemory: number[];
  receiverMemory: number[];
  perturbedMemory: number[];
  pending: number[];
  clearable: number[];
  acknowledged: number[];
  senderLateMax: number[];
  receiverLateMax: number[];
};

/** Looks at a run from outside: once a second at its computers, and at what stations tell. */
export class LoadMeter implements StationObserver {
  readonly #run: LoadRun;
  readonly #sentAt = new Map<number, Float64Array>();
  /** Deliveries by station of the first sender's messages, and of all senders' together. */
  readonly #delivered: Float64Array;
  readonly #deliveredAll: Float64Array;
  readonly #samples: Sampled = {
    throughput: [],
    backlog: [],
    senderBusy: [],
    receiverBusy: [],
    senderMemory: [],
    receiverMemory: [],
    perturbedMemory: [],
    pending: [],
    clearable: [],
    acknowledged: [],
    senderLateMax: [],
    receiverLateMax: [],
  };
  readonly #latencies: number[] = [];
  readonly #repairs: number[] = [];
  readonly #roundTrips: number[] = [];
  readonly #openings: number[] = [];
  readonly #rates: number[] = [];
  readonly #visits: { readonly station: number; readonly round: number; readonly at: number }[] = [];
  readonly #lost = new Map<number, number>();
  readonly #late = { sender: { sum: 0, count: 0, max: 0 }, receiver: { sum: 0, count: 0, max: 0 } };
  readonly #acknowledged = { sum: 0, count: 0 };
  #ranges: AckRanges | undefined;
  #looks = { count: 0, senderMemory: 0, perturbedMemory: 0, pending: 0, clearable: 0 };
  #isOn = false;
  #before = { delivered: 0, at: 0, busy: new Float64Array(0) };
  #start:
    | { arrived: Float64Array; dropped: Float64Array; sender: ProcessorTimes; receiver: ProcessorTimes }
    | undefined;
  #startRepairs = { forwarded: 0, resent: 0, duplicates: 0 };
  #sentInWindow = 0;
  #sentBefore = 0;

  constructor(run: LoadRun) {
    this.#run = run;
    const nodes = run.scenario.groupsOf.length;
    this.#delivered = new Float64Array(nodes);
    this.#deliveredAll = new Float64Array(nodes);
    for (const sender of run.scenario.senders) this.#sentAt.set(sender, new Float64Array(REMEMBERED));
  }

  /** To be called when the run is complete. */
  begin(): void {
    const { scenario } = this.#run;
    const perturbed = this.#perturbed;
    if (perturbed !== undefined) {
      perturbed.onLost = (bytes, at) => {
        if (kindOf(bytes) === NodeKind.regionData) this.#lost.set(seqOf(bytes), at);
      };
    }
    this.#run.at(scenario.warmUpMs, () => {
      this.#isOn = true;
      const { stations, computers } = this.#run;
      const sender = stations[this.#first];
      if (sender !== undefined) this.#ranges = new AckRanges(sender, stations, computers);
      this.#startFrom();
      this.#every(SECOND, () => this.#sample());
      this.#every(RATE_MS, () => this.#sampleRate());
      this.#every(LOOK_MS, () => this.#look());
    });
  }

  delivered(station: number, sender: number, now: number): void {
    this.#deliveredAll[station] = (this.#deliveredAll[station] as number) + 1;
    if (sender !== this.#first) return;
    const count = (this.#delivered[station] as number) + 1;
    this.#delivered[station] = count;
    if (!this.#isOn || count % LATENCY_EVERY !== 0 || station % LATENCY_EVERY !== 1) return;
    const sentAt = this.#sentAt.get(sender)?.[count % REMEMBERED];
    if (sentAt !== undefined && this.#latencies.length < LATENCY_SAMPLES_MAX) this.#latencies.push(now - sentAt);
  }

  sent(station: number, number: number, now: number): void {
    const times = this.#sentAt.get(station);
    if (times !== undefined) times[number % REMEMBERED] = now;
    this.#sentInWindow++;
  }

  stable(station: number, number: number, now: number): void {
    if (!this.#isOn || station !== this.#first) return;
    this.#acknowledged.sum += now - (this.#sentAt.get(station)?.[number % REMEMBERED] ?? now);
    this.#acknowledged.count++;
  }

  late(station: number, ms: number): void {
    // Who sleeps is late for it.
    if (!this.#isOn || station === this.#run.scenario.perturbation?.node) return;
    const late = this.#isSender(station) ? this.#late.sender : this.#late.receiver;
    late.sum += ms;
    late.count++;
    if (ms > late.max) late.max = ms;
  }

  received(_station: number, packet: Uint8Array, now: number): void {
    if (this.#lost.size === 0) return;
    const seq = seqOf(packet);
    const lostAt = this.#lost.get(seq);
    if (lostAt === undefined) return;
    this.#lost.delete(seq);
    if (this.#isOn) this.#repairs.push(now - lostAt);
  }

  visited(station: number, round: number, now: number): void {
    if (!this.#isOn) return;
    this.#visits.push({ station, round, at: now });
    if (station === 0) {
      this.#openings.push(now);
      this.#ranges?.opened();
    }
  }

  roundTrip(station: number, ms: number): void {
    if (!this.#isOn || station !== 0) return;
    this.#roundTrips.push(ms);
    this.#ranges?.completed();
  }

  result(): Omit<LoadResult, "traceHash"> {
    const { scenario, events } = this.#run;
    const samples = this.#samples;
    const loss = this.#losses();
    const { forwarded, resent, duplicates } = this.#repairCounts();
    const sent = Math.max(1, this.#sentInWindow);
    const hops = this.#hops();
    return {
      nodes: scenario.groupsOf.length,
      seed: scenario.seed,
      simulatedMs: events.now,
      throughput: estimate(samples.throughput),
      backlog: estimate(samples.backlog),
      senderBusy: estimate(samples.senderBusy),
      receiverBusy: estimate(samples.receiverBusy),
      senderShares: sharesOf(
        this.#timesOf((i) => i === this.#first),
        this.#start?.sender,
      ),
      receiverShares: sharesOf(
        this.#timesOf((i) => !this.#isSender(i)),
        this.#start?.receiver,
      ),
      senderMemory: estimate(samples.senderMemory),
      receiverMemory: estimate(samples.receiverMemory),
      perturbedMemory: estimate(samples.perturbedMemory),
      pending: estimate(samples.pending),
      clearable: estimate(samples.clearable),
      ackRanges: this.#ranges?.rangesMean ?? 0,
      roundTrip: estimate(this.#roundTrips),
      acknowledged: estimate(samples.acknowledged),
      latency: estimate(this.#latencies),
      senderLate: meanOf(this.#late.sender),
      senderLateMax: estimate(samples.senderLateMax),
      receiverLate: meanOf(this.#late.receiver),
      receiverLateMax: estimate(samples.receiverLateMax),
      repair: estimate(this.#repairs),
      perturbedLoss: loss.perturbed,
      otherLoss: loss.other,
      forwarded: (forwarded - this.#startRepairs.forwarded) / sent,
      resent: (resent - this.#startRepairs.resent) / sent,
      duplicates: (duplicates - this.#startRepairs.duplicates) / sent,
      throughputs: samples.throughput,
      roundTrips: this.#roundTrips,
      tokenIntervals: this.#openings.slice(1).map((at, i) => at - (this.#openings[i] as number)),
      rates: this.#rates,
      leaderHops: estimate(hops.leader),
      otherHops: estimate(hops.others),
      receiverLateMaxima: samples.receiverLateMax,
      senderLateMaxima: samples.senderLateMax,
    };
  }

  get #first(): number {
    return this.#run.scenario.senders[0] ?? 0;
  }

  get #perturbed(): Computer | undefined {
    const { perturbation } = this.#run.scenario;
    return perturbation === undefined ? undefined : this.#run.computers[perturbation.node];
  }

  #isSender(station: number): boolean {
    return this.#sentAt.has(station);
  }

  #every(ms: number, action: () => void): void {
    const again = (): void => {
      action();
      this.#run.at(this.#run.events.now + ms, again);
    };
    this.#run.at(this.#run.events.now + ms, again);
  }

  #startFrom(): void {
    const { computers } = this.#run;
    this.#start = {
      arrived: Float64Array.from(computers, ({ counts }) => counts.arrived),
      dropped: Float64Array.from(computers, ({ counts }) => counts.dropped),
      sender: this.#timesOf((i) => i === this.#first),
      receiver: this.#timesOf((i) => !this.#isSender(i)),
    };
    this.#startRepairs = this.#repairCounts();
    this.#sentInWindow = 0;
    this.#sentBefore = this.#multicasts;
    this.#before = this.#now();
    this.#late.sender.max = this.#late.receiver.max = 0;
  }

  /** Deliveries to others than senders, in all. */
  #now() {
    let delivered = 0;
    this.#deliveredAll.forEach((count, station) => {
      if (!this.#isSender(station)) delivered += count;
    });
    const { computers, events } = this.#run;
    return { delivered, at: events.now, busy: Float64Array.from(computers, ({ times }) => times.busy) };
  }

  get #multicasts(): number {
    return this.#run.network.counts.multicasts;
  }

  /** At what senders and the perturbed node keep. */
  #look(): void {
    const { senders, packetsAsOne } = this.#run.scenario;
    const looks = this.#looks;
    const sender = this.#run.computers[this.#first] as Computer;
    sender.measure();
    looks.senderMemory += sender.memoryMb;
    this.#perturbed?.measure();
    looks.perturbedMemory += this.#perturbed?.memoryMb ?? 0;
    looks.pending += senders.reduce((sum, i) => sum + (this.#run.stations[i]?.pending ?? 0), 0) * packetsAsOne;
    looks.clearable += (this.#ranges?.clearable ?? 0) * packetsAsOne;
    looks.count++;
  }

  #sampleRate(): void {
    const { packetsAsOne } = this.#run.scenario;
    this.#rates.push(((this.#multicasts - this.#sentBefore) * packetsAsOne * SECOND) / RATE_MS);
    this.#sentBefore = this.#multicasts;
  }

  #sample(): void {
    const { scenario, computers, stations } = this.#run;
    const { packetsAsOne, senders } = scenario;
    const samples = this.#samples;
    const now = this.#now();
    const before = this.#before;
    this.#before = now;
    const ms = now.at - before.at;
    const isReceiver = (computer: Computer, i: number): boolean => computer.isRunning && !this.#isSender(i);
    const receivers = Math.max(1, computers.filter(isReceiver).length);
    samples.throughput.push(((now.delivered - before.delivered) * packetsAsOne * SECOND) / ms / receivers);
    let receiverBusy = 0;
    let receiverMemory = 0;
    computers.forEach((computer, i) => {
      computer.measure();
      if (this.#isSender(i)) return;
      receiverBusy += (now.busy[i] as number) - (before.busy[i] as number);
      receiverMemory += computer.memoryMb;
    });
    samples.receiverBusy.push(receiverBusy / ms / receivers);
    samples.receiverMemory.push(receiverMemory / receivers);
    const first = this.#first;
    samples.senderBusy.push(((now.busy[first] as number) - (before.busy[first] as number)) / ms);
    const looks = this.#looks;
    this.#looks = { count: 0, senderMemory: 0, perturbedMemory: 0, pending: 0, clearable: 0 };
    samples.senderMemory.push(looks.senderMemory / looks.count);
    samples.perturbedMemory.push(looks.perturbedMemory / looks.count);
    samples.pending.push(looks.pending / looks.count);
    samples.clearable.push(looks.clearable / looks.count);
    samples.backlog.push(senders.reduce((sum, i) => sum + (stations[i]?.owed ?? 0), 0) * packetsAsOne);
    const { sum, count } = this.#acknowledged;
    if (count > 0) samples.acknowledged.push(sum / count);
    this.#acknowledged.sum = this.#acknowledged.count = 0;
    samples.senderLateMax.push(this.#late.sender.max);
    samples.receiverLateMax.push(this.#late.receiver.max);
    this.#late.sender.max = this.#late.receiver.max = 0;
  }

  /** Of all computers for which `wanted` says so, together. */
  #timesOf(wanted: (index: number) => boolean): ProcessorTimes {
    const sum = { busy: 0, own: 0, runtime: 0, collector: 0 };
    this.#run.computers.forEach(({ times }, index) => {
      if (!wanted(index)) return;
      sum.busy += times.busy;
      sum.own += times.own;
      sum.runtime += times.runtime;
      sum.collector += times.collector;
    });
    return sum;
  }

  #losses(): { perturbed: number; other: number } {
    const node = this.#run.scenario.perturbation?.node;
    const sums = { perturbed: [0, 0], other: [0, 0] };
    this.#run.computers.forEach(({ counts }, i) => {
      const sum = i === node ? sums.perturbed : sums.other;
      sum[0] = (sum[0] as number) + counts.dropped - (this.#start?.dropped[i] ?? 0);
      sum[1] = (sum[1] as number) + counts.arrived - (this.#start?.arrived[i] ?? 0);
    });
    const share = ([lost, all]: readonly number[]): number => (lost as number) / Math.max(1, all as number);
    return { perturbed: share(sums.perturbed), other: share(sums.other) };
  }

  #repairCounts(): { forwarded: number; resent: number; duplicates: number } {
    const sum = { forwarded: 0, resent: 0, duplicates: 0 };
    for (const { node } of this.#run.stations) {
      for (const { counters } of node.regions) {
        const { pushed, pulled, pulledElsewhere, forwardedLate } = counters;
        sum.forwarded += pushed + pulled + pulledElsewhere + forwardedLate;
        sum.duplicates += counters.redundant;
      }
      for (const { resentCount } of node.senders) sum.resent += resentCount;
    }
    return sum;
  }

  /** Times between one member's having the token and the next one's, in milliseconds. The leader is node 0, in one region. */
  #hops(): { leader: number[]; others: number[] } {
    const leader: number[] = [];
    const others: number[] = [];
    const partitions = this.#partitions;
    this.#visits.forEach(({ station, round, at }, i) => {
      const before = this.#visits[i - 1];
      if (before === undefined || before.round !== round || station === 0 || before.station === 0) return;
      const isOverLeader =
        station % partitions === 1 % partitions && before.station % partitions === 0 && partitions > 1;
      if (isOverLeader) leader.push((at - before.at) / 2);
      else if (station % partitions === before.station % partitions) others.push(at - before.at);
    });
    return { leader, others };
  }

  /** Of the region of node 0. */
  get #partitions(): number {
    const { config } = this.#run.scenario;
    const [region] = this.#run.layout.regions;
    return new PartitionPlan(region?.members.length ?? 1, { ...nodeDefaults, ...config }).partitions;
  }
}

function sharesOf(now: ProcessorTimes, before: ProcessorTimes | undefined) {
  const of = (what: keyof ProcessorTimes): number => now[what] - (before?.[what] ?? 0);
  const all = Math.max(1e-9, of("own") + of("runtime") + of("collector"));
  return { own: of("own") / all, runtime: of("runtime") / all, collector: of("collector") / all };
}

function meanOf({ sum, count }: { readonly sum: number; readonly count: number }): Estimate {
  return { mean: count > 0 ? sum / count : 0, ci95: 0, deviation: 0 };
}
