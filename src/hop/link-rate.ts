/** Of what gets through: what is lost behind the bottleneck has gone through that, too, and with a short queue it works on while a host is late. */
const CRUISE_GAIN = 1.03;
/** Pacing gains of a cycle, one a round: ask for more, let what has queued drain, then go at what gets through. */
const CYCLE = [1.25, 0.75, ...Array.from({ length: 6 }, () => CRUISE_GAIN)];
/** A request for more has brought this much more: the next one follows at once, since the link may take far more than is known. */
const ASKING_GROWTH = 1.15;
/** Gain at the beginning: doubles the rate each round, if the link takes it. */
const STARTUP_GAIN = 2.5;
/** The link is full when the rate has not grown by this factor … */
const STARTUP_GROWTH = 1.25;
/** … for so many rounds, or fewer if a queue is seen: one alone is what a late host makes of it. */
const STARTUP_ROUNDS = 3;
const STARTUP_ROUNDS_QUEUED = 2;
/** What got through counts for so many rounds: longer than a cycle, so that each asks for more at least once. */
const RATE_ROUNDS = 10;
/** The estimate falls to what they show if so many of them say what the link carries, and not just that it carries so much. */
const BUSY_ROUNDS = 2;
/** With a queue, and as great a share of what came to it lost, it was full: a link of any kind loses less by itself … */
const OVERFLOW_SHARE = 0.1;
/** … and if it brings less than this share of the estimate for so many rounds, the link is not the one that it was. */
const SLOWER_SHARE = 0.75;
const SLOWER_ROUNDS = 2;
/** A round is at least so long: shorter ones measure the host's turns. */
const ROUND_MS_MIN = 20;
/** A receiver that was behind when a round began has caught up within this, by its own clock, or half a round. */
const BEHIND_MS = 40;
/** The shortest round trip counts for so long. */
const ROUND_TRIP_MS = 15_000;
/** Round trips above the shortest by this factor and this time have a queue on their way. */
const QUEUE_FACTOR = 1.25;
const QUEUE_MS = 5;
/** Gain while there is one. */
const QUEUE_GAIN = 0.9;
/** If so many rounds of that do not help, the queue is not ours, or the way has become longer. */
const QUEUE_ROUNDS = 8;
/** Bytes under way at most, as a multiple of rate · round trip: room for a cycle's request for more. */
const WINDOW_GAIN = 2;
/** Acknowledgements come for so much time at once. */
const ACK_MS = 40;

export type LinkRateConfig = {
  /** Bytes per second at first, and at least. */
  readonly rateStart: number;
  readonly rateMin: number;
  /** At most. */
  readonly rateMax: number;
  readonly datagramBytes: number;
};

/** What a sender learns from one acknowledgement. */
export type LinkSample = {
  /** All bytes that have arrived, ever. */
  readonly bytes: number;
  /** All bytes that were asked for again, ever. */
  readonly lostBytes: number;
  /** When the last of those that have arrived came, by the receiver's clock, ms. */
  readonly receivedAt: number;
  readonly roundTripMs: number;
  /** Since the last sample there was a time when nothing waited to be sent, or the host did not come to it: the link could have carried more. */
  readonly isIdle: boolean;
};

type Round = {
  /** Bytes per second that arrived. */
  readonly rate: number;
  /** The link had something to carry all the time: it takes no more. */
  readonly isBusy: boolean;
};

/**
 * How fast to send over a link of unknown capacity: at the rate at which bytes arrive, as the receiver's own clock counts them, and a
 * little more now and then to see whether more would (docs/adr/0007-rate-of-a-link.md). Loss says nothing by itself, since a long
 * link loses packets at any rate; a queue, seen as round trips that grow, does.
 */
export class LinkRate {
  readonly #config: LinkRateConfig;
  #phase: "startup" | "drain" | "cycle" = "startup";
  #step = 0;
  /** What got through in the last rounds. */
  #rates: Round[] = [];
  #best = 0;
  /** A round has ended in which there was always something to send. */
  #isTried = false;
  #roundsWithoutGrowth = 0;
  /** By this end's clock: the round ends when something arrives that was sent later, be it new or sent again. */
  #roundBeganAt = 0;
  #roundBegan: { readonly bytes: number; readonly lostBytes: number; readonly at: number } | undefined;
  /** By the receiver's clock: until then the round may begin later. */
  #beginsBy = 0;
  #isRoundIdle = false;
  /** What arrives in a round was sent in the one before. */
  #wasRoundIdle = true;
  #slowerRounds = 0;
  #roundTripOfRound = Number.POSITIVE_INFINITY;
  #shortestMs = Number.POSITIVE_INFINITY;
  #shortestSince = 0;
  /** The shortest since half of the time that it counts for: the next one when that is over. */
  #nextShortestMs = Number.POSITIVE_INFINITY;
  #queuedRounds = 0;
  /** The rate of which a cycle last asked for more. */
  #askedOf = Number.POSITIVE_INFINITY;

  constructor(config: LinkRateConfig) {
    this.#config = config;
  }

  /** Bytes per second that get through; the rate at the start before that is known. */
  get rate(): number {
    // What came through of a sender that had little to send is no reason to begin with less than it was told to.
    return this.#isTried ? this.#best : Math.max(this.#best, this.#config.rateStart);
  }

  /** Bytes per second to send at. */
  get pacing(): number {
    const { rateMin, rateMax } = this.#config;
    return Math.min(rateMax, Math.max(rateMin, this.rate * this.#gain));
  }

  /**
   * Bytes per second at which what was lost is sent again: it asks the link for no more than it is known to carry, or a link that is
   * slower than the start would lose the same packets over and over.
   */
  get repairPacing(): number {
    return Math.min(this.pacing, Math.max(this.#config.rateMin, this.rate));
  }

  /** Bytes that may be under way. */
  get windowBytes(): number {
    const { datagramBytes } = this.#config;
    if (this.#shortestMs === Number.POSITIVE_INFINITY) return 64 * datagramBytes;
    const gain = this.#phase === "startup" ? STARTUP_GAIN : WINDOW_GAIN;
    return Math.max(16 * datagramBytes, (this.rate * (this.#shortestMs * gain + ACK_MS)) / 1000);
  }

  /** The shortest round trip lately, ms; undefined before the first. */
  get shortestMs(): number | undefined {
    return this.#shortestMs === Number.POSITIVE_INFINITY ? undefined : this.#shortestMs;
  }

  get #gain(): number {
    if (this.#phase === "startup") return STARTUP_GAIN;
    if (this.#phase === "drain") return 1 / STARTUP_GAIN;
    const gain = CYCLE[this.#step] as number;
    return this.#queuedRounds > 0 ? Math.min(gain, QUEUE_GAIN) : gain;
  }

  observe(sample: LinkSample, now: number): void {
    this.#observeRoundTrip(sample.roundTripMs, now);
    this.#isRoundIdle ||= sample.isIdle;
    const began = this.#roundBegan;
    if (began === undefined) {
      this.#beginRound(sample, now);
      return;
    }
    const { bytes, lostBytes, receivedAt } = sample;
    const ms = receivedAt - began.at;
    // More has come than the link brings: the receiver had it waiting unread, and it has not arrived in this round.
    if (receivedAt <= this.#beginsBy && (bytes - began.bytes) * 1000 > this.#best * ms) {
      this.#roundBegan = { bytes, lostBytes, at: receivedAt };
      return;
    }
    if (now - sample.roundTripMs < this.#roundBeganAt || ms < ROUND_MS_MIN) return;
    const lost = lostBytes - began.lostBytes;
    this.#endRound(((bytes - began.bytes) * 1000) / ms, lost / Math.max(1, lost + bytes - began.bytes));
    this.#beginRound(sample, now);
  }

  #beginRound({ bytes, lostBytes, receivedAt }: LinkSample, now: number): void {
    this.#roundBegan = { bytes, lostBytes, at: receivedAt };
    this.#beginsBy = receivedAt + Math.min(BEHIND_MS, Math.max(this.#shortestMs, ROUND_MS_MIN) / 2);
    this.#roundBeganAt = now;
    this.#wasRoundIdle = this.#isRoundIdle;
    this.#isRoundIdle = false;
    this.#roundTripOfRound = Number.POSITIVE_INFINITY;
  }

  #endRound(rate: number, lostShare: number): void {
    const isQueued = this.#roundTripOfRound > this.#shortestMs * QUEUE_FACTOR + QUEUE_MS;
    const before = this.#best;
    this.#isTried ||= !this.#isRoundIdle;
    this.#estimate(rate, isQueued && lostShare > OVERFLOW_SHARE);
    if (this.#phase === "startup") {
      if (this.#isRoundIdle && !isQueued) return;
      const grows = this.#best >= before * STARTUP_GROWTH;
      this.#roundsWithoutGrowth = grows ? 0 : this.#roundsWithoutGrowth + 1;
      if (this.#roundsWithoutGrowth >= (isQueued ? STARTUP_ROUNDS_QUEUED : STARTUP_ROUNDS)) this.#phase = "drain";
      return;
    }
    if (this.#phase === "drain") {
      if (isQueued && ++this.#queuedRounds < QUEUE_ROUNDS) return;
      this.#queuedRounds = 0;
      this.#phase = "cycle";
      // Not at a request for more: the link was asked for too much a moment ago.
      this.#step = 2;
      return;
    }
    this.#queuedRounds = isQueued ? this.#queuedRounds + 1 : 0;
    if (this.#queuedRounds > QUEUE_ROUNDS) {
      this.#shortestMs = this.#roundTripOfRound;
      this.#queuedRounds = 0;
    }
    if (this.#step === 0) {
      if (this.#isRoundIdle) return;
      this.#askedOf = before;
    } else if (this.#step === 1 && !isQueued && this.#best >= this.#askedOf * ASKING_GROWTH) {
      // What was asked for arrives a round later.
      this.#step = 0;
      return;
    }
    this.#step = (this.#step + 1) % CYCLE.length;
  }

  #estimate(rate: number, isFull: boolean): void {
    // Whatever the sender had to send, a full queue has kept the link busy.
    const isBusy = isFull || !(this.#isRoundIdle || this.#wasRoundIdle);
    this.#rates.push({ rate, isBusy });
    this.#slowerRounds = isFull && rate < this.#best * SLOWER_SHARE ? this.#slowerRounds + 1 : 0;
    const isSlower = this.#slowerRounds >= SLOWER_ROUNDS;
    this.#rates = this.#rates.slice(isSlower ? -SLOWER_ROUNDS : -RATE_ROUNDS);
    const most = Math.max(...this.#rates.map((round) => round.rate));
    // A sender that had nothing to send learns at most that more gets through than it knew.
    const isKnown = this.#rates.filter((round) => round.isBusy).length >= BUSY_ROUNDS;
    this.#best = isKnown ? most : Math.max(this.#best, most);
  }

  #observeRoundTrip(ms: number, now: number): void {
    this.#roundTripOfRound = Math.min(this.#roundTripOfRound, ms);
    if (now - this.#shortestSince > ROUND_TRIP_MS) {
      this.#shortestMs = Math.min(this.#nextShortestMs, ms);
      this.#nextShortestMs = Number.POSITIVE_INFINITY;
      this.#shortestSince = now;
    }
    if (ms <= this.#shortestMs) {
      this.#shortestMs = ms;
      this.#shortestSince = now;
      this.#nextShortestMs = Number.POSITIVE_INFINITY;
    } else if (now - this.#shortestSince > ROUND_TRIP_MS / 2) {
      this.#nextShortestMs = Math.min(this.#nextShortestMs, ms);
    }
  }
}
