import type { DaemonId } from "../base/ids.ts";
import { NEVER, type Machine } from "../machine/machine.ts";
import { Reader, Writer } from "../wire/bytes.ts";
import { Kind, packet, PREFIX_BYTES } from "../wire/prefix.ts";

/*
 * Body of a probe (Kind.probe, data channel): via u8 (0 unicast, 1 multicast), round u32, count u16, then per daemon that the
 * sender hears: daemon u32, round u32 (its newest that was heard), unicast u16, multicast u16 (bit i: round − i came)
 */

const HISTORY = 16;
/** Rounds that must have come by unicast before multicast is judged by them. */
const JUDGED_ROUNDS = 4;
const REPORTS_MAX = 1024;

export type Via = "unicast" | "multicast";

export type ProbeOptions = {
  readonly self: DaemonId;
  /** The other daemons of the own segment. */
  readonly others: readonly DaemonId[];
  readonly wireVersion: number;
  readonly confHash: number;
  /** Where rounds begin: a random number, so that a restarted daemon is not taken for its former self. */
  readonly firstRound: number;
  /** Rounds follow each other quickly until it is known who is there, then slowly. */
  readonly quickMs: number;
  readonly slowMs: number;
};

export const probeDefaults = { quickMs: 100, slowMs: 2_000 } as const;

/** Quick rounds at the start, and again when a daemon appears. */
const QUICK_ROUNDS = 10;
/** Slow rounds of silence after which a daemon no longer counts. */
const SILENT_ROUNDS = 4;

export interface ProbeVerbs {
  /** To every other daemon of the segment, by unicast or by multicast. The bytes are given away. */
  probe(via: Via, bytes: Uint8Array): void;
}

/** What probes say of another daemon of the segment: which way datagrams pass between it and this one. */
export type ProbeReport = {
  readonly daemon: DaemonId;
  /** Of its last probes (at most sixteen rounds), how many came by unicast and how many by multicast. */
  readonly rounds: number;
  readonly unicast: number;
  readonly multicast: number;
  /** Whether this daemon's multicasts reach it, as it reports. */
  readonly reached: "unknown" | "works" | "fails";
};

type Peer = {
  /** Rounds since it was first heard, at most `HISTORY`. */
  rounds: number;
  /** Its newest round, and which of the last ones came each way. */
  round: number;
  unicast: number;
  multicast: number;
  heardAt: number;
  /** What it reported about us. */
  verdict: "unknown" | "works" | "fails";
};

/**
 * Finds out whether IP multicast reaches the other daemons of a segment (`Dissemination = auto`): every round goes out
 * both ways, and each daemon reports which rounds of whom came by which. Multicast is used while all daemons that
 * can be reached at all report that it brings them at least half of what unicast does; so loss that hits both alike
 * does not count against it.
 */
export class DisseminationProbe implements Machine {
  readonly #options: ProbeOptions;
  readonly #verbs: ProbeVerbs;
  readonly #peers = new Map<DaemonId, Peer>();
  #round: number;
  #quickRounds = QUICK_ROUNDS;
  #nextAt = 0;
  #via: Via = "unicast";

  constructor(options: ProbeOptions, verbs: ProbeVerbs) {
    this.#options = options;
    this.#verbs = verbs;
    this.#round = options.firstRound >>> 0;
    if (options.others.length === 0) this.#nextAt = NEVER;
  }

  /** How packets for the whole segment should go now. Unicast until multicast is known to work. */
  get via(): Via {
    return this.#via;
  }

  get deadline(): number {
    return this.#nextAt;
  }

  /** The daemons that are heard now. */
  get reports(): ProbeReport[] {
    return [...this.#peers].map(([daemon, { rounds, unicast, multicast, verdict }]) => {
      // The newest round may have come one way only because the other is still on the way.
      const judged = Math.max(0, Math.min(rounds, HISTORY) - 1);
      const mask = ((1 << judged) - 1) << 1;
      return {
        daemon,
        rounds: judged,
        unicast: bits(unicast & mask),
        multicast: bits(multicast & mask),
        reached: verdict,
      };
    });
  }

  tick(now: number): void {
    if (now < this.#nextAt) return;
    this.#forgetSilent(now);
    this.#round = (this.#round + 1) >>> 0;
    this.#verbs.probe("unicast", this.#encode(0));
    this.#verbs.probe("multicast", this.#encode(1));
    this.#quickRounds = Math.max(0, this.#quickRounds - 1);
    this.#nextAt = now + (this.#quickRounds > 0 ? this.#options.quickMs : this.#options.slowMs);
  }

  /** A datagram of kind `probe` with our configuration's hash; anything malformed is ignored. */
  receive(origin: DaemonId, bytes: Uint8Array, now: number): void {
    if (!this.#options.others.includes(origin)) return;
    const reader = new Reader(bytes, PREFIX_BYTES);
    const via = reader.u8();
    const round = reader.u32();
    const count = reader.count(REPORTS_MAX, 12);
    let report: { round: number; unicast: number; multicast: number } | undefined;
    for (let i = 0; i < count; i++) {
      const daemon = reader.u32();
      const heard = { round: reader.u32(), unicast: reader.u16(), multicast: reader.u16() };
      if (daemon === this.#options.self) report = heard;
    }
    if (reader.failed || via > 1) return;
    const peer = this.#record(origin, via === 1, round, now);
    if (report !== undefined) this.#judge(peer, report.round, report.unicast, report.multicast);
    this.#decide();
  }

  #record(origin: DaemonId, multicast: boolean, round: number, now: number): Peer {
    let peer = this.#peers.get(origin);
    const ahead = peer === undefined ? 0 : (round - peer.round) | 0;
    if (peer === undefined || Math.abs(ahead) >= HISTORY) {
      peer = { rounds: 1, round, unicast: 0, multicast: 0, heardAt: now, verdict: "unknown" };
      this.#peers.set(origin, peer);
      this.#quickRounds = QUICK_ROUNDS;
      this.#nextAt = Math.min(this.#nextAt, now + this.#options.quickMs);
    } else if (ahead > 0) {
      peer.round = round;
      peer.rounds = Math.min(HISTORY, peer.rounds + ahead);
      peer.unicast = (peer.unicast << ahead) & 0xffff;
      peer.multicast = (peer.multicast << ahead) & 0xffff;
    }
    const bit = 1 << (ahead < 0 ? -ahead : 0);
    if (multicast) peer.multicast |= bit;
    else peer.unicast |= bit;
    peer.heardAt = now;
    return peer;
  }

  #judge(peer: Peer, round: number, unicast: number, multicast: number): void {
    const behind = (this.#round - round) | 0;
    if (behind < 0 || behind > JUDGED_ROUNDS) return;
    // The newest round may have come one way only because the other is still on the way.
    const byUnicast = bits(unicast & 0xfffe);
    const byMulticast = bits(multicast & 0xfffe);
    if (byUnicast + byMulticast < JUDGED_ROUNDS) return;
    peer.verdict = byMulticast * 2 > byUnicast ? "works" : "fails";
  }

  #decide(): void {
    if (this.#peers.size === 0) return;
    let works = true;
    for (const peer of this.#peers.values()) works &&= peer.verdict === "works";
    this.#via = works ? "multicast" : "unicast";
  }

  #forgetSilent(now: number): void {
    const silent = now - SILENT_ROUNDS * this.#options.slowMs;
    for (const [id, peer] of this.#peers) if (peer.heardAt < silent) this.#peers.delete(id);
    this.#decide();
  }

  #encode(via: number): Uint8Array {
    const { wireVersion, confHash, self } = this.#options;
    const body = new Writer(16 + 12 * this.#peers.size);
    body.u8(via).u32(this.#round).u16(this.#peers.size);
    for (const [id, peer] of this.#peers) body.u32(id).u32(peer.round).u16(peer.unicast).u16(peer.multicast);
    return packet(wireVersion, Kind.probe, confHash, self, body.finish());
  }
}

function bits(word: number): number {
  let count = 0;
  for (let rest = word; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}
