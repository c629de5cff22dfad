import { type ConfigurationId, configurationKey, type DaemonId, sameConfiguration } from "../../base/ids.ts";
import { RangeSet } from "../../base/range-set.ts";
import { holesOf } from "../../membership/obligation.ts";
import type { RingConfig } from "../../ring/config.ts";
import type { OldConfigurationRecord, SitePromise } from "../../wire/form.ts";
import type { Token } from "../../wire/ring-token.ts";
import type { Violation } from "./checker.ts";

/** What a member holds of a configuration: `Configuration` as the inspector sees it. It is looked at, never changed. */
export type Held = {
  readonly id: ConfigurationId;
  readonly members: readonly DaemonId[];
  siteOf?(daemon: DaemonId): number | undefined;
  /** Members of the same site. */
  readonly ring: readonly DaemonId[];
  /** Greatest LTS up to which all is stable. */
  readonly stable: number;
  readonly local: HeldStream;
  /** Ordered by site. */
  readonly streams: readonly HeldStream[];
};

export type HeldStream = {
  readonly site: number;
  readonly prefix: number;
  readonly discarded: number;
  readonly known: SitePromise;
  has(seq: number): boolean;
  get(seq: number): HeldPacket | undefined;
  seqUpTo(lts: number): number;
};

/** With `numbers` it is a digest. */
type HeldPacket = { readonly lts: number; readonly seq?: number; readonly numbers?: readonly unknown[] | undefined };

/** A token as a member passes it on. */
export type Pass = {
  readonly daemon: DaemonId;
  readonly configuration: Held;
  readonly token: Pick<Token, "hop" | "siteSeq" | "requests">;
  /** Bytes of new packets that the member has sent since it passed the token on before. */
  readonly newBytes: number;
  readonly limits: Pick<RingConfig, "windowBytesMax" | "gapMax" | "acceleratedPackets">;
};

type Hop = { readonly hop: number; readonly daemon: DaemonId; readonly seq: number; readonly newBytes: number };

/** All that is known of one configuration, over all its members, those included that have crashed since. */
type Known = { readonly id: ConfigurationId; readonly held: Map<DaemonId, Held>; readonly rings: Map<number, Ring> };

/** Of the ring of one of its sites. */
type Ring = {
  /** The last passes, at least one rotation. */
  hops: Hop[];
  /** What the last token asked for. */
  requested: RangeSet;
  /** By member, the highest seq on the token that it passed on last. */
  readonly seqPassed: Map<DaemonId, number>;
};

/** Where the last packet of a message is. */
type Position = { readonly id: ConfigurationId; readonly site: number; readonly seq: number };

/** The greatest LTS of what a member has delivered of a configuration, and what it has stamped since, not compared yet. */
type Clock = { readonly id: ConfigurationId; lts: number; stamped: { readonly seq: number; readonly after: number }[] };

const NOTHING = new RangeSet();

/** Each property is told so many times. */
const VIOLATIONS_MAX = 3;

/**
 * Checks what does not show in a trace of messages (protocols.md K13, K17, K18, K20, K21, K23 to K25 and recovery.md): compares what a
 * daemon does with the token, with safe messages and with a form against what all members of its configuration hold at
 * that moment. Only a simulator can: no daemon knows that of the others.
 */
export class Inspector {
  readonly violations: Violation[];
  readonly #configurations = new Map<string, Known>();
  /** The one that was asked for last: mostly the next one too, and without a key. */
  #last: Known | undefined;
  readonly #positions = new Map<number, Position>();
  readonly #clocks = new Map<DaemonId, Clock>();

  constructor(violations: Violation[] = []) {
    this.violations = violations;
  }

  /** A member has a configuration's packets to look after, in a ring that works or forms. */
  joins(daemon: DaemonId, configuration: Held): void {
    this.#known(configuration.id).held.set(daemon, configuration);
  }

  /** A member passes the token on, and for the first time with this hop: K17, K18, K20, K21, K23 to K25. */
  passes(pass: Pass, at: number): void {
    const { daemon, configuration, token } = pass;
    const known = this.#known(configuration.id);
    known.held.set(daemon, configuration);
    const ring = ringOf(known, configuration.local.site);
    this.#checkUniqueness(ring, pass, at);
    this.#checkStable(known, pass, at);
    this.#checkPromises(known, pass, at);
    this.#checkDigests(known, pass, at);
    this.#checkClock(daemon, configuration, this.#clock(daemon, configuration.id), at);
    this.#checkWindow(ring, pass, at);
    this.#checkRequests(ring, pass, at);
    ring.seqPassed.set(daemon, token.siteSeq);
  }

  /** A member stamps the last packet of a message, which it will hold as this one of its own site: K25, once it does. */
  assigned(daemon: DaemonId, configuration: Held, message: number, seq: number, at: number): void {
    const { id, local } = configuration;
    this.#positions.set(message, { id, site: local.site, seq });
    const clock = this.#clock(daemon, id);
    this.#checkClock(daemon, configuration, clock, at);
    if (clock.stamped.at(-1)?.seq !== seq) clock.stamped.push({ seq, after: clock.lts });
  }

  /** A member delivers a message that was stamped. */
  delivers(daemon: DaemonId, configuration: Held, message: number): void {
    const position = this.#positions.get(message);
    if (position === undefined || !sameConfiguration(position.id, configuration.id)) return;
    const { site, seq } = position;
    const lts = streamOf(configuration, site)?.get(seq)?.lts ?? 0;
    const clock = this.#clock(daemon, configuration.id);
    if (lts > clock.lts) clock.lts = lts;
  }

  /** A member delivers a safe message in a regular configuration: K13. */
  deliversSafe(daemon: DaemonId, configuration: Held, message: number, at: number): void {
    const position = this.#positions.get(message);
    if (position === undefined) return;
    const { held } = this.#known(configuration.id);
    const { site, seq } = position;
    for (const member of configuration.members) {
      const has = held.get(member);
      if (has !== undefined && (streamOf(has, site)?.prefix ?? 0) >= seq) continue;
      this.#report("K13", `daemon ${daemon} delivers a safe message at ${seq}, which ${member} does not hold`, at);
      return;
    }
  }

  /**
   * A FORM2 is sent: what it promises of an old configuration (all that is not a hole) some survivor holds, and only its
   * members are obliged (K19).
   */
  promises(daemon: DaemonId, record: OldConfigurationRecord, at: number): void {
    const { held } = this.#known(record.configuration);
    const survivors = record.transitional.flatMap((member) => held.get(member) ?? []);
    const [first] = survivors;
    // A daemon that has had no ring yet holds nothing.
    if (first === undefined) return;
    const key = configurationKey(record.configuration);
    for (const { site, high } of record.streams) {
      const holes = holesOf(record, site);
      const streams = survivors.flatMap((held) => streamOf(held, site) ?? []);
      // With one site stamps and seqs are the same.
      for (let seq = record.streams.length === 1 ? record.stable + 1 : 1; seq <= high; seq++) {
        if (holes.has(seq) || streams.some((stream) => stream.has(seq))) continue;
        this.#report("recovery", `the form of daemon ${daemon} promises ${seq} of ${key}, which no survivor holds`, at);
        return;
      }
    }
    const stranger = record.commit.find((member) => !first.members.includes(member));
    if (stranger === undefined) return;
    this.#report("K19", `the form of daemon ${daemon} obliges to ${stranger}, who was not in ${key}`, at);
  }

  /** K18: one member at a time has the token. */
  #checkUniqueness(ring: Ring, { daemon, configuration, token, newBytes }: Pass, at: number): void {
    const last = ring.hops.at(-1);
    if (last !== undefined && token.hop !== last.hop + 1) {
      const key = configurationKey(configuration.id);
      this.#report("K18", `daemon ${daemon} passes hop ${token.hop} of ${key} after ${last.daemon}'s ${last.hop}`, at);
    }
    ring.hops.push({ hop: token.hop, daemon, seq: token.siteSeq, newBytes });
    const { length } = configuration.ring;
    if (ring.hops.length > 8 * length) ring.hops = ring.hops.slice(-length);
  }

  /** K17: what counts as stable all hold, and only that is dropped. */
  #checkStable(known: Known, { daemon, configuration }: Pass, at: number): void {
    const { members, streams } = configuration;
    for (let i = 0; i < streams.length; i++) {
      const { discarded } = streams[i] as HeldStream;
      const stable = stableSeqOf(configuration, i);
      if (discarded > stable) {
        this.#report("K17", `daemon ${daemon} has dropped ${discarded}, of which ${stable} are stable`, at);
      }
      for (const member of members) {
        const prefix = known.held.get(member)?.streams[i]?.prefix ?? stable;
        if (prefix >= stable) continue;
        this.#report("K17", `daemon ${daemon} takes ${stable} for stable, ${member} holds ${prefix}`, at);
      }
    }
  }

  /** K24: what a site promises not to stamp any more nobody holds. */
  #checkPromises(known: Known, { daemon, configuration }: Pass, at: number): void {
    if (configuration.streams.length === 1) return;
    configuration.streams.forEach(({ site, known: { seq, lts } }, i) => {
      for (const [member, held] of known.held) {
        const next = held.streams[i]?.get(seq + 1);
        if (next === undefined || next.lts > lts) continue;
        const what = `site ${site} has nothing below ${lts} after ${seq}, ${member} holds one of ${next.lts}`;
        this.#report("K24", `daemon ${daemon} takes it that ${what}`, at);
      }
    });
  }

  /** K23: what a site passes over, as it is for another one alone, all daemons of that one hold. */
  #checkDigests(known: Known, { daemon, configuration }: Pass, at: number): void {
    const { streams, local, members } = configuration;
    streams.forEach((stream, i) => {
      const packet = stream === local ? undefined : stream.get(stream.prefix);
      if (packet?.numbers === undefined) return;
      for (const member of members) {
        if (configuration.siteOf?.(member) !== stream.site) continue;
        const prefix = known.held.get(member)?.streams[i]?.prefix ?? stream.prefix;
        if (prefix >= (packet.seq ?? 0)) continue;
        const what = `${packet.seq} of site ${stream.site}, of which ${member} holds ${prefix}`;
        this.#report("K23", `daemon ${daemon} passes over ${what}`, at);
      }
    });
  }

  /** K25: what is stamped after something was delivered comes after it. */
  #checkClock(daemon: DaemonId, { local }: Held, clock: Clock, at: number): void {
    if (clock.stamped.length === 0) return;
    clock.stamped = clock.stamped.filter(({ seq, after }) => {
      const lts = local.get(seq)?.lts;
      if (lts !== undefined && lts <= after) {
        this.#report("K25", `daemon ${daemon} stamps ${lts} after it has delivered what was stamped ${after}`, at);
      }
      return lts === undefined && seq > local.prefix;
    });
  }

  #clock(daemon: DaemonId, id: ConfigurationId): Clock {
    const clock = this.#clocks.get(daemon);
    if (clock !== undefined && sameConfiguration(clock.id, id)) return clock;
    const begun: Clock = { id, lts: 0, stamped: [] };
    this.#clocks.set(daemon, begun);
    return begun;
  }

  /** K20: a rotation brings no more than the window, and nobody stamps too far beyond what is stable. */
  #checkWindow(ring: Ring, { daemon, configuration, token, newBytes, limits }: Pass, at: number): void {
    if (newBytes === 0) return;
    const { length } = configuration.ring;
    const before = ring.hops.at(-2)?.seq ?? 0;
    let bytes = 0;
    for (let i = Math.max(0, ring.hops.length - length); i < ring.hops.length; i++)
      bytes += ring.hops[i]?.newBytes ?? 0;
    // A member that begins adds its share, at most the whole window, to what the others still send.
    if (bytes > 2 * limits.windowBytesMax) {
      this.#report(
        "K20",
        `a rotation that ends at daemon ${daemon} has ${bytes} bytes, ${2 * limits.windowBytesMax} allowed`,
        at,
      );
    }
    const ahead = token.siteSeq - stableSeqOf(configuration, configuration.streams.indexOf(configuration.local));
    if (token.siteSeq === before || ahead <= limits.gapMax) return;
    this.#report("K20", `daemon ${daemon} stamps ${ahead} beyond what is stable, ${limits.gapMax} allowed`, at);
  }

  /** K21: what the one before may have sent after the token is not asked for. */
  #checkRequests(ring: Ring, { daemon, configuration, token, limits }: Pass, at: number): void {
    const before = ring.requested;
    const requested = token.requests.length === 0 ? NOTHING : new RangeSet();
    for (const request of token.requests) {
      const isOurs = request.site === configuration.local.site;
      if (isOurs && sameConfiguration(request.configuration, configuration.id)) requested.addAll(request.missing);
    }
    ring.requested = requested;
    if (requested.isEmpty || limits.acceleratedPackets === 0) return;
    const seqPassed = ring.seqPassed.get(daemon) ?? 0;
    for (const seq of requested.numbers()) {
      if (seq <= seqPassed || before.has(seq)) continue;
      this.#report("K21", `daemon ${daemon} asks for ${seq}, which may be on its way: ${seqPassed} was passed on`, at);
      return;
    }
  }

  #known(id: ConfigurationId): Known {
    if (this.#last !== undefined && sameConfiguration(this.#last.id, id)) return this.#last;
    const key = configurationKey(id);
    let known = this.#configurations.get(key);
    if (known === undefined) {
      known = { id, held: new Map(), rings: new Map() };
      this.#configurations.set(key, known);
    }
    this.#last = known;
    return known;
  }

  #report(property: string, what: string, at: number): void {
    if (this.violations.filter((violation) => violation.property === property).length >= VIOLATIONS_MAX) return;
    this.violations.push({ property, what, at });
  }
}

function ringOf({ rings }: Known, site: number): Ring {
  let ring = rings.get(site);
  if (ring === undefined) {
    ring = { hops: [], requested: NOTHING, seqPassed: new Map() };
    rings.set(site, ring);
  }
  return ring;
}

function streamOf({ streams }: Held, site: number): HeldStream | undefined {
  for (const stream of streams) if (stream.site === site) return stream;
  return undefined;
}

/** How many packets of a stream count as stable. */
function stableSeqOf({ streams, stable }: Held, i: number): number {
  return streams.length === 1 ? stable : (streams[i] as HeldStream).seqUpTo(stable);
}
