import { cover } from "../base/coverage.ts";
import type { GroupNumber, NodeId } from "../base/ids.ts";
import { RangeSet } from "../base/range-set.ts";
import { NEVER } from "../machine/machine.ts";
import { NAK_GROUPS_MAX, type Nak } from "../wire/timely/nak.ts";
import type { Incoming, Missing } from "./incoming.ts";
import { RepairLag } from "./repair-lag.ts";

export type RequestsConfig = {
  /** A packet is asked for after this at the latest, however late repairs are. */
  readonly nakMs: number;
  /** It is given up when it would have been asked for so often, had it not been asked for sooner. */
  readonly nakMax: number;
};

export interface RequestsOutbox {
  /** Asks a sender for packets, of so many groups at most as one packet takes. */
  ask(sender: NodeId, naks: readonly Nak[]): void;
  /** A packet will not come; the stream does not miss it any more. */
  giveUp(stream: Incoming, missing: Missing): void;
}

/** Requests that fall due within this time of each other are made together. */
const TOGETHER_MS = 5;
/** Nothing is asked for sooner: what only waits in a socket is not lost. */
const SOONEST_MS = 10;
/** Repairs are waited for a little longer than they have taken. */
const LAG_MARGIN = 3;
/** Who has not come to the end of what is here for so long is not repaired by more packets still: what is missing is given up. */
const OVERLOADED_MS = 1_000;
/** A node that did not run does not fall behind: of the time between two looks no more than this counts. */
const LOOK_MS = 100;
/** The time between two requests for the same packet doubles so often, at the pace of `nakMs`. */
const DOUBLINGS_MAX = 4;

/**
 * What repairs have not brought is asked of its sender: when repairs of its group have mostly come, then after twice that, and so on
 * (protocols.md B16).
 */
export class Requests {
  readonly #config: RequestsConfig;
  readonly #outbox: RequestsOutbox;
  readonly #lags = new Map<GroupNumber, RepairLag>();
  /** Streams of which something is missing, or of which it is not known where they begin. */
  readonly #lacking = new Set<Incoming>();
  /** Since when packets may be here that have not been looked at, less the time that the node did not run; and when it was last said. */
  #behindSince = NEVER;
  #saidAt = 0;
  readonly #pauseMaxMs: number;
  readonly #giveUpMs: number;
  /** When something is to be asked for. */
  deadline = NEVER;

  constructor(config: RequestsConfig, outbox: RequestsOutbox) {
    this.#config = config;
    this.#outbox = outbox;
    const { nakMs, nakMax } = config;
    this.#pauseMaxMs = nakMs * 2 ** DOUBLINGS_MAX;
    let giveUpMs = 0;
    for (let asked = 0; asked <= nakMax; asked++) giveUpMs += Math.min(nakMs * 2 ** asked, this.#pauseMaxMs);
    this.#giveUpMs = giveUpMs;
  }

  /** Packets that are known to be missing now. */
  get missing(): number {
    let count = 0;
    for (const { missing } of this.#lacking) count += missing.size;
    return count;
  }

  /** Streams of which it is not known yet where they begin for this node. */
  get unsettled(): number {
    let count = 0;
    for (const { isBeginningKnown } of this.#lacking) if (!isBeginningKnown) count++;
    return count;
  }

  /** A repair of the group has come so long after a packet that it names. */
  observeLag(group: GroupNumber, ageMs: number): void {
    let lag = this.#lags.get(group);
    if (lag === undefined) this.#lags.set(group, (lag = new RepairLag()));
    lag.observe(ageMs);
  }

  /** The node is not in the group any more. */
  forget(group: GroupNumber): void {
    this.#lags.delete(group);
  }

  /** How long a packet of the group is waited for before it is asked for the first time, ms. */
  patienceMs(group: GroupNumber): number {
    const lagMs = this.#lags.get(group)?.lagMs;
    const { nakMs } = this.#config;
    return lagMs === undefined ? nakMs : Math.min(nakMs, Math.max(SOONEST_MS, LAG_MARGIN * lagMs));
  }

  /** When to ask for what has been missing since then, and is known to be missing from now on. */
  firstAt(group: GroupNumber, since: number, now: number): number {
    return Math.max(since + this.patienceMs(group), now + TOGETHER_MS);
  }

  /** Something of the stream may have become missing, to be asked for at that time. */
  note(stream: Incoming, askAt: number): void {
    if (stream.isComplete) return;
    this.#lacking.add(stream);
    this.deadline = Math.min(this.deadline, askAt);
  }

  /** Or not be missing any more. */
  noteLess(stream: Incoming): void {
    if (stream.isComplete) this.#lacking.delete(stream);
  }

  /** Nothing is asked of the stream's sender any more. */
  drop(stream: Incoming): void {
    this.#lacking.delete(stream);
  }

  /**
   * Whether packets may be here that have not been looked at: what is missing may be among them, and is not asked for. A node that stays behind cannot
   * take what comes, let alone what it asks for.
   */
  behind(isBehind: boolean, now: number): void {
    if (!isBehind) this.#behindSince = NEVER;
    else if (this.#behindSince === NEVER) this.#behindSince = now;
    else this.#behindSince += Math.max(0, now - this.#saidAt - LOOK_MS);
    this.#saidAt = now;
  }

  tick(now: number): void {
    if (this.#behindSince < NEVER && !this.#isOverloaded(now)) {
      this.deadline = now + TOGETHER_MS;
      return;
    }
    const naks = new Map<NodeId, Nak[]>();
    this.deadline = NEVER;
    for (const stream of this.#lacking) {
      // Who is no member any more is not asked.
      if (stream.departure !== undefined) continue;
      const { sender, group, since } = stream;
      const due = this.#dueOf(stream, now);
      const asksBeginning = this.#asksBeginning(stream, now);
      this.noteLess(stream);
      if (due.isEmpty && !asksBeginning) continue;
      const list = naks.get(sender);
      if (list === undefined) naks.set(sender, [{ group, since, missing: due }]);
      else list.push({ group, since, missing: due });
    }
    if (this.deadline < NEVER) this.deadline = Math.max(this.deadline, now + TOGETHER_MS);
    for (const [sender, list] of naks) {
      for (let i = 0; i < list.length; i += NAK_GROUPS_MAX) {
        this.#outbox.ask(sender, list.slice(i, i + NAK_GROUPS_MAX));
      }
    }
  }

  /** What of the stream is to be asked for now. */
  #dueOf(stream: Incoming, now: number): RangeSet {
    const due = new RangeSet();
    const patienceMs = this.patienceMs(stream.group);
    for (const missing of stream.missing.values()) {
      // It may wait in a socket.
      const isAhead = this.#behindSince < NEVER && missing.seq > stream.arrived;
      if (isAhead) missing.askAt = Math.max(missing.askAt, now + TOGETHER_MS);
      if (missing.askAt <= now) {
        // What is perhaps not for this node is neither lost nor forgotten until its sender has said so, and asked for as if for the first time then.
        const isMine = stream.isMine(missing.seq);
        if (!isMine) missing.isDoubtful = true;
        else if (missing.isDoubtful === true) {
          missing.isDoubtful = false;
          missing.certainSince = now;
          missing.asked = 0;
        }
        if (isMine && (now - (missing.certainSince ?? missing.since) >= this.#giveUpMs || this.#isOverloaded(now))) {
          stream.missing.delete(missing.seq);
          cover("timely given up");
          this.#outbox.giveUp(stream, missing);
          continue;
        }
        due.add(missing.seq);
        missing.asked++;
        missing.askAt = now + this.#pauseMs(patienceMs, missing.asked);
      }
      this.deadline = Math.min(this.deadline, missing.askAt);
    }
    return due;
  }

  /** Whether the sender is to be asked now with which packet its stream begins for this node. */
  #asksBeginning(stream: Incoming, now: number): boolean {
    if (stream.isBeginningKnown) return false;
    const isDue = stream.beginningAskAt <= now;
    if (isDue) {
      cover("timely beginning asked");
      stream.beginningAsked++;
      stream.beginningAskAt = now + this.#pauseMs(this.#config.nakMs, stream.beginningAsked);
    }
    this.deadline = Math.min(this.deadline, stream.beginningAskAt);
    return isDue;
  }

  #isOverloaded(now: number): boolean {
    return now - this.#behindSince >= OVERLOADED_MS;
  }

  #pauseMs(firstMs: number, asked: number): number {
    return Math.min(firstMs * 2 ** asked, this.#pauseMaxMs);
  }
}
