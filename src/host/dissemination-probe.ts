import type { DaemonId } from "../base/ids.ts";
import { NEVER, type Machine } from "../machine/machine.ts";
import { Reader, Writer } from "../wire/bytes.ts";
import { Kind, packet, type Prefix, PREFIX_BYTES } from "../wire/prefix.ts";
import { type DisseminationSetting, SETTINGS } from "../wire/stream-hello.ts";

/*
 * Body of a probe (Kind.probe, data channel): way u8 (index in WAYS), round u32, count u16, then per daemon that the
 * sender hears: daemon u32, round u32 (its newest that was heard), unicast u16, multicast u16 (bit i: round − i came).
 * Then, not in earlier releases: setting u8, for each of these daemons stream u16, and for each large u16. One sent by the way "large" is
 * a unicast that is padded.
 */

/** The ways of a packet to another daemon; `large`: a unicast as long as datagrams might be. */
export const WAYS = ["unicast", "multicast", "stream", "large"] as const;
export type Way = (typeof WAYS)[number];

const HISTORY = 16;
/** Rounds that must have come by another way before a way is judged by them. */
const JUDGED_ROUNDS = 4;
const REPORTS_MAX = 1024;

export type ProbeOptions = {
  readonly self: DaemonId;
  /** The other daemons of the own site; and those of them in the own segment, which a multicast has to reach. */
  readonly others: readonly DaemonId[];
  readonly near: readonly DaemonId[];
  /** How probes are sent. */
  readonly ways: readonly Way[];
  /** Length of a large probe, if they are sent. */
  readonly largeBytes: number | undefined;
  /** How this daemon is configured: the others are told. */
  readonly setting: DisseminationSetting;
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
/** Slow rounds of silence after which a daemon no longer counts, and after which its datagrams seem not to come. */
const SILENT_ROUNDS = 4;
const UNHEARD_ROUNDS = 2.5;
/** A daemon that starts is given this long for its first datagram, in quick rounds. */
const FIRST_ROUNDS = 15;

export interface ProbeVerbs {
  /** To every other daemon that can be reached that way. The bytes are given away. */
  probe(way: Way, bytes: Uint8Array): void;
}

export type Verdict = "unknown" | "works" | "fails";

/** What probes say of another daemon of the site: which way packets pass between it and this one. */
export type ProbeReport = {
  readonly daemon: DaemonId;
  /** Of its last probes (at most sixteen rounds), how many came by which way. */
  readonly rounds: number;
  readonly unicast: number;
  readonly multicast: number;
  readonly stream: number;
  /** Whether this daemon's multicasts, its datagrams to it alone, and long ones reach it, as it reports. */
  readonly reached: Verdict;
  readonly datagrams: Verdict;
  readonly large: Verdict;
};

type Came = Record<Way, number>;

type Peer = {
  /** Rounds since it was first heard, at most `HISTORY`. */
  rounds: number;
  /** Its newest round, and which of the last ones came each way. */
  round: number;
  readonly came: Came;
  heardAt: number;
  /** By a datagram. */
  datagramAt: number;
  /** Rounds in a row in which it did not say that it has heard a datagram of ours. */
  unmentioned: number;
  setting: DisseminationSetting | undefined;
  /** What it reported about us. */
  multicast: Verdict;
  datagrams: Verdict;
  large: Verdict;
  /** A long datagram of it has come. */
  sentLarge: boolean;
};

/**
 * Finds out which ways there are to the other daemons of a site: every round goes out by each, and each daemon reports which rounds of whom came
 * by which. Multicast is used while all daemons of the segment that can be reached at all report that it brings them at least half of
 * what the other ways do, and datagrams count as working until a stream has brought what they have not; so loss that hits all alike does not count.
 */
export class DisseminationProbe implements Machine {
  readonly #options: ProbeOptions;
  readonly #verbs: ProbeVerbs;
  readonly #peers = new Map<DaemonId, Peer>();
  #round: number;
  #quickRounds = QUICK_ROUNDS;
  #startedAt: number | undefined;
  #nextAt = 0;
  #via: "unicast" | "multicast" = "unicast";

  constructor(options: ProbeOptions, verbs: ProbeVerbs) {
    this.#options = options;
    this.#verbs = verbs;
    this.#round = options.firstRound >>> 0;
    if (options.others.length === 0) this.#nextAt = NEVER;
  }

  /** Whether datagrams for the whole segment should go to its group. Unicast until multicast is known to work. */
  get via(): "unicast" | "multicast" {
    return this.#via;
  }

  get deadline(): number {
    return this.#nextAt;
  }

  /** Whether this daemon's datagrams, each to it alone, reach that one. */
  datagramsTo(daemon: DaemonId): Verdict {
    return this.#peers.get(daemon)?.datagrams ?? "unknown";
  }

  isHeard(daemon: DaemonId): boolean {
    return this.#peers.has(daemon);
  }

  /** Whether datagrams of `largeBytes` get through to that daemon where short ones do. */
  largeTo(daemon: DaemonId): Verdict {
    return this.#peers.get(daemon)?.large ?? "unknown";
  }

  /** Whether long datagrams came from that daemon, and do not any more where short ones do. */
  missesLarge(daemon: DaemonId): boolean {
    const peer = this.#peers.get(daemon);
    if (peer === undefined || !peer.sentLarge) return false;
    const unicast = bits(peer.came.unicast & 0xfffe);
    return unicast >= JUDGED_ROUNDS && bits(peer.came.large & peer.came.unicast & 0xfffe) * 2 <= unicast;
  }

  /** How the daemon is configured, if it says so. */
  settingOf(daemon: DaemonId): DisseminationSetting | undefined {
    return this.#peers.get(daemon)?.setting;
  }

  /** Whether datagrams from or to that daemon do not seem to pass: it may be reached by a stream, or not be there. */
  lacksDatagrams(daemon: DaemonId, now: number): boolean {
    const { quickMs, slowMs } = this.#options;
    const peer = this.#peers.get(daemon);
    if (peer === undefined || peer.datagramAt === Number.NEGATIVE_INFINITY) {
      return this.#startedAt !== undefined && now >= this.#startedAt + FIRST_ROUNDS * quickMs;
    }
    const isUnheard = now >= peer.datagramAt + UNHEARD_ROUNDS * slowMs;
    return isUnheard || peer.datagrams === "fails" || peer.unmentioned >= JUDGED_ROUNDS;
  }

  /** Measures quickly for a while: there is another way. */
  hurry(now: number): void {
    if (this.#nextAt === NEVER) return;
    this.#quickRounds = QUICK_ROUNDS;
    this.#nextAt = Math.min(this.#nextAt, now + this.#options.quickMs);
  }

  /** The daemons that are heard now. */
  get reports(): ProbeReport[] {
    return [...this.#peers].map(([daemon, { rounds, came, multicast, datagrams, large }]) => {
      const judged = Math.max(0, Math.min(rounds, HISTORY) - 1);
      const mask = ((1 << judged) - 1) << 1;
      return {
        daemon,
        rounds: judged,
        unicast: bits(came.unicast & mask),
        multicast: bits(came.multicast & mask),
        stream: bits(came.stream & mask),
        reached: multicast,
        datagrams,
        large,
      };
    });
  }

  tick(now: number): void {
    if (now < this.#nextAt) return;
    this.#startedAt ??= now;
    this.#forgetSilent(now);
    this.#round = (this.#round + 1) >>> 0;
    for (const way of this.#options.ways) this.#verbs.probe(way, this.#encode(way));
    this.#quickRounds = Math.max(0, this.#quickRounds - 1);
    this.#nextAt = now + (this.#quickRounds > 0 ? this.#options.quickMs : this.#options.slowMs);
  }

  /** A packet of kind `probe` with our configuration's hash; anything malformed is ignored. */
  receive({ origin, bodyLength }: Prefix, bytes: Uint8Array, now: number): void {
    if (!this.#options.others.includes(origin)) return;
    const reader = new Reader(bytes, PREFIX_BYTES, PREFIX_BYTES + bodyLength);
    const way = WAYS[reader.u8()];
    const round = reader.u32();
    const count = reader.count(REPORTS_MAX, 12);
    let mine = -1;
    let report = { round: 0, came: none() };
    for (let i = 0; i < count; i++) {
      const daemon = reader.u32();
      const heard = { round: reader.u32(), came: { ...none(), unicast: reader.u16(), multicast: reader.u16() } };
      if (daemon !== this.#options.self) continue;
      mine = i;
      report = heard;
    }
    let setting: DisseminationSetting | undefined;
    if (reader.remaining > 0) {
      setting = SETTINGS[reader.u8()];
      for (const each of ["stream", "large"] as const) {
        for (let i = 0; i < count; i++) {
          const heard = reader.u16();
          if (i === mine) report.came[each] = heard;
        }
      }
    }
    if (reader.failed || way === undefined) return;
    const peer = this.#record(origin, way, round, now);
    peer.setting = setting ?? peer.setting;
    if (report.came.unicast !== 0) peer.unmentioned = 0;
    if (mine >= 0) this.#judge(peer, report.round, report.came);
    this.#decide();
  }

  #record(origin: DaemonId, way: Way, round: number, now: number): Peer {
    let peer = this.#peers.get(origin);
    const ahead = peer === undefined ? 0 : (round - peer.round) | 0;
    if (peer === undefined || Math.abs(ahead) >= HISTORY) {
      peer = {
        rounds: 1,
        round,
        came: none(),
        heardAt: now,
        datagramAt: peer?.datagramAt ?? Number.NEGATIVE_INFINITY,
        unmentioned: 0,
        setting: peer?.setting,
        multicast: "unknown",
        datagrams: "unknown",
        large: "unknown",
        sentLarge: false,
      };
      this.#peers.set(origin, peer);
      this.hurry(now);
    } else if (ahead > 0) {
      peer.round = round;
      peer.rounds = Math.min(HISTORY, peer.rounds + ahead);
      peer.unmentioned += ahead;
      for (const each of WAYS) peer.came[each] = (peer.came[each] << ahead) & 0xffff;
    }
    peer.came[way] |= 1 << (ahead < 0 ? -ahead : 0);
    peer.heardAt = now;
    peer.sentLarge ||= way === "large";
    if (way !== "stream") peer.datagramAt = now;
    return peer;
  }

  #judge(peer: Peer, round: number, came: Came): void {
    const behind = (this.#round - round) | 0;
    if (behind < 0 || behind > JUDGED_ROUNDS) return;
    // The newest round may have come one way only because the others are still on the way.
    const unicast = bits(came.unicast & 0xfffe);
    const multicast = bits(came.multicast & 0xfffe);
    const stream = bits(came.stream & 0xfffe);
    const others = Math.max(unicast, stream);
    const { ways } = this.#options;
    if (ways.includes("multicast") && others + multicast >= JUDGED_ROUNDS) {
      peer.multicast = multicast * 2 > others ? "works" : "fails";
    }
    if (ways.includes("large") && unicast >= JUDGED_ROUNDS) {
      this.#judgeLarge(peer, unicast, bits(came.large & came.unicast & 0xfffe));
    }
    const both = bits(came.stream & came.unicast & 0xfffe);
    if (stream < JUDGED_ROUNDS) {
      if (unicast >= JUDGED_ROUNDS) peer.datagrams = "works";
    } else if (both * 2 <= stream) {
      peer.datagrams = "fails";
    } else if (both * 8 >= stream * 7) {
      // In between it stays what it was.
      peer.datagrams = "works";
    }
  }

  /** Datagrams that are cut into frames, or may be, are lost a little more often than short ones. */
  #judgeLarge(peer: Peer, unicast: number, large: number): void {
    if (large * 4 >= unicast * 3) peer.large = "works";
    // In between it stays what it was.
    else if (large * 2 <= unicast) peer.large = "fails";
  }

  #decide(): void {
    const near = this.#options.near.map((daemon) => this.#peers.get(daemon)).filter((peer) => peer !== undefined);
    if (near.length === 0) return;
    this.#via = near.every(({ multicast }) => multicast === "works") ? "multicast" : "unicast";
  }

  #forgetSilent(now: number): void {
    const silent = now - SILENT_ROUNDS * this.#options.slowMs;
    for (const [id, peer] of this.#peers) if (peer.heardAt < silent) this.#peers.delete(id);
    this.#decide();
  }

  #encode(way: Way): Uint8Array {
    const { wireVersion, confHash, self, setting, largeBytes = 0 } = this.#options;
    const body = new Writer(8 + 16 * this.#peers.size);
    body.u8(WAYS.indexOf(way)).u32(this.#round).u16(this.#peers.size);
    for (const [id, { round, came }] of this.#peers) body.u32(id).u32(round).u16(came.unicast).u16(came.multicast);
    body.u8(SETTINGS.indexOf(setting));
    for (const { came } of this.#peers.values()) body.u16(came.stream);
    for (const { came } of this.#peers.values()) body.u16(came.large);
    const length = Math.max(PREFIX_BYTES + body.length, way === "large" ? largeBytes : 0);
    return packet(wireVersion, Kind.probe, confHash, self, body.finish(), new Uint8Array(length));
  }
}

function none(): Came {
  return { unicast: 0, multicast: 0, stream: 0, large: 0 };
}

function bits(word: number): number {
  let count = 0;
  for (let rest = word; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}
