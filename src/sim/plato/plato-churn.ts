import type { NodeId } from "../../base/ids.ts";
import type { Random } from "../../base/random.ts";
import type { OrderedMessage } from "../../plato/message.ts";
import { type PlatoMember, PlatoWorld, type PlatoWorldOptions } from "./plato-world.ts";

/** A totally ordered group whose members come, go, crash, stall, are cut off, and are taken for dead. */
export type PlatoChurnOptions = PlatoWorldOptions & {
  /** At first. */
  readonly members: number;
  /** Messages per second, of all members. */
  readonly rate: number;
  /** What happens to members, per second. */
  readonly changes: number;
  readonly churnMs: number;
  /** How long after the others a member hears of a view, at most. */
  readonly skewMsMax: number;
};

export type PlatoChurnResult = {
  readonly sent: number;
  readonly committed: number;
  readonly rolledBack: number;
  readonly views: number;
  readonly sequencers: number;
  readonly expelled: number;
  /** What must not be: empty. */
  readonly faults: readonly string[];
};

const MEMBERS_MAX = 9;
const DETECTION_MS = 100;
/** An expelled member goes on for so long at most, on its own. */
const EXILE_MS = 800;
/** Everything has its place after this, if nothing more happens. */
const REST_MS = 20_000;

/** Runs one random schedule. */
export function runPlatoChurn(options: PlatoChurnOptions): PlatoChurnResult {
  return new PlatoChurn(options).run();
}

/** What a member has handed over. */
class Record {
  readonly committed: string[] = [];
  shown: { readonly key: string; readonly position: number }[] = [];
  readonly sent: string[] = [];
  committedTo = 0;
  hearsAt = 0;
  /** Messages are for it from its first view on. */
  isMember = false;
}

class PlatoChurn {
  readonly #options: PlatoChurnOptions;
  readonly #world: PlatoWorld;
  readonly #random: Random;
  readonly #records = new Map<PlatoMember, Record>();
  readonly #payloads = new Map<string, string>();
  readonly #failed = new Set<NodeId>();
  readonly #sequencers = new Set<NodeId>();
  readonly #faults: string[] = [];
  #members: PlatoMember[] = [];
  #view = 0;
  #views = 0;
  #sent = 0;
  #rolledBack = 0;
  #expelled = 0;

  constructor(options: PlatoChurnOptions) {
    this.#options = options;
    this.#world = new PlatoWorld(options, {
      deliver: (member, message) => this.#onDelivery(member, message),
      commit: (member, position) => this.#onCommit(member, position),
      rollback: (member, position) => this.#onRollback(member, position),
    });
    this.#random = this.#world.random.fork();
  }

  run(): PlatoChurnResult {
    const { members, rate, changes, churnMs } = this.#options;
    this.#join(members);
    for (let at = 20; at < churnMs; at += 1_000 / changes) this.#world.at(at, () => this.#change());
    for (let at = 20; at < churnMs; at += 1_000 / rate) this.#world.at(at, () => this.#send());
    this.#world.run(churnMs + REST_MS);
    this.#checkOrder();
    this.#checkEnd();
    return {
      sent: this.#sent,
      committed: [...this.#records.values()].reduce((sum, { committed }) => sum + committed.length, 0),
      rolledBack: this.#rolledBack,
      views: this.#views,
      sequencers: this.#sequencers.size,
      expelled: this.#expelled,
      faults: this.#faults,
    };
  }

  // ---- what happens -----------------------------------------------------------------------------------------------

  #change(): void {
    const member = this.#random.pick(this.#members);
    const isLast = this.#members.length === 1;
    switch (this.#random.integer(0, 6)) {
      case 0:
      case 1:
        if (this.#members.length < MEMBERS_MAX) this.#join(1);
        return;
      case 2:
        if (!isLast) this.#crash(member);
        return;
      case 3:
        if (!isLast) this.#crash(this.#sequencer);
        return;
      case 4:
        if (!isLast) this.#expel(this.#random.chance(0.5) ? this.#sequencer : member);
        return;
      case 5:
        member.cutUntil = this.#world.now + this.#random.integer(5, 300);
        return;
      default:
        this.#world.stall(member, this.#random.integer(1, 100));
    }
  }

  get #sequencer(): PlatoMember {
    return this.#members.reduce((least, member) => (member.id < least.id ? member : least));
  }

  #join(count: number): void {
    for (let i = 0; i < count; i++) {
      const member = this.#world.add();
      this.#records.set(member, new Record());
      this.#members.push(member);
    }
    this.#tellView();
  }

  /** Whoever leaves does the same, but is not said to have failed. */
  #crash(member: PlatoMember): void {
    member.isUp = false;
    const isLeaving = this.#random.chance(0.3);
    this.#members = this.#members.filter((other) => other !== member);
    this.#world.at(this.#world.now + this.#random.unit() * DETECTION_MS, () => {
      if (!isLeaving) this.#failed.add(member.id);
      this.#tellView();
    });
  }

  /** It is alive, and hears the others for a while, or nobody. */
  #expel(member: PlatoMember): void {
    this.#expelled++;
    const forMs = this.#random.unit() * EXILE_MS;
    if (this.#random.chance(0.7)) member.cutUntil = this.#world.now + forMs;
    this.#members = this.#members.filter((other) => other !== member);
    this.#failed.add(member.id);
    this.#tellView();
    this.#world.at(this.#world.now + forMs, () => {
      member.isUp = false;
    });
  }

  #tellView(): void {
    this.#view += this.#random.integer(1, 5);
    this.#views++;
    const view = this.#view;
    const ids = this.#members.map(({ id }) => id);
    const failed = new Set(this.#failed);
    this.#sequencers.add(Math.min(...ids));
    for (const member of this.#members) {
      const record = this.#records.get(member) as Record;
      record.hearsAt = Math.max(record.hearsAt, this.#world.now + this.#random.unit() * this.#options.skewMsMax);
      this.#world.at(record.hearsAt, () => {
        if (!member.isUp) return;
        record.isMember = true;
        this.#world.install(member, view, ids, failed);
      });
    }
  }

  #send(): void {
    const running = [...this.#records.keys()].filter(({ isUp }) => isUp);
    const member = this.#random.pick(running);
    const record = this.#records.get(member) as Record;
    if (!record.isMember || !member.plato.canSend || member.stalledUntil > this.#world.now) return;
    const text = `${++this.#sent} ${"x".repeat(this.#random.integer(0, 40))}`;
    const { sender, seq } = this.#world.send(member, new TextEncoder().encode(text));
    record.sent.push(`${sender}.${seq}`);
    this.#payloads.set(`${sender}.${seq}`, text);
  }

  // ---- what holds -------------------------------------------------------------------------------------------------

  #onDelivery(member: PlatoMember, { sender, seq, payload, position }: OrderedMessage): void {
    const record = this.#records.get(member) as Record;
    const key = `${sender}.${seq}`;
    const last = record.shown.at(-1)?.position ?? record.committedTo;
    if (position <= last) this.#faults.push(`place ${position} was delivered behind ${last} at ${member.id}`);
    if (record.shown.some((shown) => shown.key === key)) this.#faults.push(`delivered twice at ${member.id}: ${key}`);
    if (new TextDecoder().decode(payload) !== this.#payloads.get(key)) this.#faults.push(`not what was sent: ${key}`);
    record.shown.push({ key, position });
  }

  #onCommit(member: PlatoMember, position: number): void {
    const record = this.#records.get(member) as Record;
    if (record.shown.length === 0 || position <= record.committedTo) {
      this.#faults.push(`nothing was committed at ${member.id}`);
    }
    while (record.shown[0] !== undefined && record.shown[0].position <= position) {
      record.committed.push((record.shown.shift() as { readonly key: string }).key);
    }
    record.committedTo = position;
  }

  #onRollback(member: PlatoMember, position: number): void {
    const record = this.#records.get(member) as Record;
    if (position < record.committedTo) this.#faults.push(`what was committed was taken back at ${member.id}`);
    const kept = record.shown.filter((shown) => shown.position <= position);
    if (kept.length === record.shown.length) this.#faults.push(`nothing was taken back at ${member.id}`);
    this.#rolledBack += record.shown.length - kept.length;
    record.shown = kept;
  }

  /** K50: whatever two members have committed, from where both were members on. If commitment is not stable: two that stayed. */
  #checkOrder(): void {
    const isStable = this.#options.plato.commit !== "ordered";
    const compared = isStable ? [...this.#records.keys()] : this.#members;
    for (const member of compared) {
      const { committed } = this.#records.get(member) as Record;
      if (new Set(committed).size !== committed.length) this.#faults.push(`committed twice at ${member.id}`);
      for (const other of compared) if (member.id < other.id) this.#compare(member, other);
    }
  }

  #compare(one: PlatoMember, other: PlatoMember): void {
    const [a, b] = [this.#records.get(one)?.committed ?? [], this.#records.get(other)?.committed ?? []];
    const common = a.findIndex((key) => b.includes(key));
    if (common < 0) return;
    const at = b.indexOf(a[common] as string);
    if (common > 0 && at > 0) this.#faults.push(`${one.id} and ${other.id} disagree before ${a[common]}`);
    for (let i = 0; common + i < a.length && at + i < b.length; i++) {
      if (a[common + i] === b[at + i]) continue;
      this.#faults.push(`${one.id} has committed ${a[common + i]}, ${other.id} ${b[at + i]}`);
      return;
    }
  }

  /** Those who are left agree to the end, have what they sent, and say nothing more. */
  #checkEnd(): void {
    const [first] = this.#members;
    const last = first === undefined ? undefined : this.#records.get(first)?.committed.at(-1);
    for (const member of this.#members) {
      const { committed, shown, sent } = this.#records.get(member) as Record;
      if (shown.length > 0) this.#faults.push(`${shown.length} messages are not committed at ${member.id}`);
      if (member.plato.unstable > 0) this.#faults.push(`${member.plato.unstable} messages are kept at ${member.id}`);
      const known = new Set(committed);
      for (const key of sent) if (!known.has(key)) this.#faults.push(`${member.id} has not committed its own ${key}`);
      if (committed.length > 0 && committed.at(-1) !== last && last !== undefined) {
        this.#faults.push(`${member.id} ends with ${committed.at(-1)}, ${first?.id} with ${last}`);
      }
      if (Number.isFinite(member.plato.deadline)) this.#faults.push(`${member.id} does not come to rest`);
    }
  }
}
