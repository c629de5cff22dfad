import { assert } from "../../base/assert.ts";
import type { GroupNumber, NodeId } from "../../base/ids.ts";
import { NEVER } from "../../machine/machine.ts";
import type { TimelyShape } from "../../ricochet/bin-plan.ts";
import type { TimelyOutbox } from "../../ricochet/timely-node.ts";
import { Reader, readU48, readU64, Writer, writeU48, writeU64 } from "../../wire/bytes.ts";
import { originOf } from "../../wire/region/head.ts";
import {
  encodeTimelyData,
  isTimelyData,
  type PacketId,
  timelyGroupOf,
  timelyPayloadOf,
  timelySeqOf,
} from "../../wire/timely/data.ts";
import type { FieldNode } from "./field-node.ts";

/*
 * What Ricochet is compared with (protocols.md B23): a receiver finds a loss by a gap in the numbers of one sender in one group, or by a session message, and
 * asks for it. Packets are those of Ricochet. Between themselves:
 *
 * request 1   sender u64   group u64   seq u48
 * session 2   group u64   last u48: the origin's
 * Both behind origin u64.
 */

/** `srm`: requests and repairs are multicast after random times; who hears those of others keeps still. `senderNak`: the sender is asked at once. */
export type BaselineKind = "srm" | "senderNak";

export type BaselineConfig = {
  readonly kind: BaselineKind;
  readonly me: NodeId;
  /** From one node to another, ms: the unit of SRM's timers. */
  readonly distanceMs: number;
  /** A node says how far its packets in a group go so often, at most; and no more often than makes these this share of the packets that it receives. */
  readonly sessionMsMin: number;
  readonly sessionShare: number;
  /** Packets that the node receives per second. */
  readonly rate: number;
};

export const baselineDefaults: Omit<BaselineConfig, "kind" | "me" | "rate"> = {
  distanceMs: 0.05,
  sessionMsMin: 250,
  sessionShare: 0.05,
};

/** SRM: a request waits C1 d to (C1 + C2) d, a repair D1 d to (D1 + D2) d; the latter two are the logarithm of the group's size. */
const C1 = 2;
const C2 = 2;
const DOUBLINGS_MAX = 12;
/** A sender that was asked and has not answered is asked again after this, and twice that, … */
const AGAIN_MS = 5;
/** What was repaired is not repaired again for so many times the distance. */
const QUIET_DISTANCES = 3;
const ME = 1;
const REQUEST = 1;
const SESSION = 2;

type Missing = { readonly id: PacketId; readonly since: number; at: number; asked: number };

/** One sender's packets in a group. */
type Stream = { last: number; readonly packets: Map<number, Uint8Array> };

/** SRM, or negative acknowledgements to the sender. */
export class BaselineNode implements FieldNode {
  readonly statistics = { sent: 0, received: 0, repairsSent: 0, naksSent: 0, lost: 0 };
  readonly #config: BaselineConfig;
  readonly #outbox: TimelyOutbox;
  readonly #sizes = new Map<GroupNumber, number>();
  readonly #streams = new Map<string, Stream>();
  readonly #missing = new Map<string, Missing>();
  /** Packets that others have asked for, and when to repeat them; when they were last repeated. */
  readonly #repairs = new Map<string, { readonly id: PacketId; readonly at: number }>();
  readonly #repairedAt = new Map<string, number>();
  #sessionMs = NEVER;
  #sessions: { readonly group: GroupNumber; at: number }[] = [];
  #now = 0;

  constructor(config: BaselineConfig, outbox: TimelyOutbox) {
    this.#config = config;
    this.#outbox = outbox;
  }

  setGroups(groups: readonly TimelyShape[], now: number): void {
    const { sessionMsMin, sessionShare, rate } = this.#config;
    let senders = 0;
    for (const { group, members } of groups) {
      this.#sizes.set(group, members.length);
      senders += members.length - 1;
    }
    this.#sessionMs = Math.max(sessionMsMin, (1_000 * senders) / (sessionShare * rate));
    this.#sessions = groups.map(({ group }) => ({ group, at: now + this.#sessionMs * this.#outbox.random() }));
    this.#sessions.sort((a, b) => a.at - b.at);
  }

  send(group: GroupNumber, payload: Uint8Array, now: number): PacketId {
    this.#now = now;
    const stream = this.#stream(this.#config.me, group);
    const id = { sender: this.#config.me, group, seq: ++stream.last };
    const bytes = encodeTimelyData(ME, id, { view: 1, before: id.seq - 1, joined: 1 }, payload);
    stream.packets.set(id.seq, bytes);
    this.statistics.sent++;
    this.#outbox.multicast(group, bytes);
    this.#outbox.deliver(id, payload, "sent", now, 0);
    return id;
  }

  receive(bytes: Uint8Array, now: number): void {
    this.#now = now;
    if (isTimelyData(bytes)) return this.#onData(bytes);
    const input = new Reader(bytes);
    const origin = readU64(input);
    if (input.u8() === REQUEST) {
      const [sender, group, seq] = [readU64(input), readU64(input), readU48(input)];
      this.#onRequest(origin, { sender, group, seq });
    } else this.#hearOf({ sender: origin, group: readU64(input), seq: readU48(input) });
    assert(!input.failed, "baselines understand each other");
  }

  get deadline(): number {
    let at = this.#sessions[0]?.at ?? NEVER;
    for (const missing of this.#missing.values()) at = Math.min(at, missing.at);
    for (const repair of this.#repairs.values()) at = Math.min(at, repair.at);
    return at;
  }

  tick(now: number): void {
    this.#now = now;
    for (const missing of this.#missing.values()) if (missing.at <= now) this.#request(missing);
    for (const [key, { id, at }] of this.#repairs) {
      if (at > now) continue;
      this.#repairs.delete(key);
      this.#repair(key, id);
    }
    for (let first = this.#sessions[0]; first !== undefined && first.at <= now; first = this.#sessions[0]) {
      this.#tellSession(first.group);
      first.at += this.#sessionMs;
      // All have the same period, so the order stays.
      this.#sessions.push(this.#sessions.shift() as { readonly group: GroupNumber; at: number });
    }
  }

  #onData(bytes: Uint8Array): void {
    const id = { sender: originOf(bytes), group: timelyGroupOf(bytes), seq: timelySeqOf(bytes) };
    const key = keyOf(id);
    this.#repairedAt.set(key, this.#now);
    // Somebody else has repeated it.
    this.#repairs.delete(key);
    if (id.sender === this.#config.me) return;
    const { packets } = this.#stream(id.sender, id.group);
    if (packets.has(id.seq)) return;
    this.#hearOf(id);
    packets.set(id.seq, bytes);
    const missing = this.#missing.get(key);
    this.#missing.delete(key);
    this.statistics.received++;
    const how = missing !== undefined && missing.asked > 0 ? "resent" : "received";
    this.#outbox.deliver(id, timelyPayloadOf(bytes), how, this.#now, this.#now - (missing?.since ?? this.#now));
  }

  /** The packet was sent, and all before it. */
  #hearOf({ sender, group, seq }: PacketId): void {
    const stream = this.#stream(sender, group);
    while (stream.last < seq) {
      const id = { sender, group, seq: ++stream.last };
      const missing: Missing = { id, since: this.#now, at: this.#now, asked: 0 };
      if (this.#config.kind === "srm") missing.at += this.#requestMs(0);
      this.#missing.set(keyOf(id), missing);
    }
  }

  #requestMs(doublings: number): number {
    const factor = 2 ** Math.min(doublings, DOUBLINGS_MAX);
    return factor * this.#config.distanceMs * (C1 + C2 * this.#outbox.random());
  }

  #request(missing: Missing): void {
    const { id } = missing;
    missing.asked++;
    this.statistics.naksSent++;
    const out = writeU64(writeU64(writeU64(new Writer(32), this.#config.me).u8(REQUEST), id.sender), id.group);
    const bytes = writeU48(out, id.seq).finish();
    if (this.#config.kind === "srm") {
      missing.at = this.#now + this.#requestMs(missing.asked);
      this.#outbox.multicast(id.group, bytes);
    } else {
      missing.at = this.#now + AGAIN_MS * 2 ** Math.min(missing.asked - 1, DOUBLINGS_MAX);
      this.#outbox.unicast(id.sender, "control", bytes);
    }
  }

  #onRequest(from: NodeId, id: PacketId): void {
    const key = keyOf(id);
    const packet = this.#stream(id.sender, id.group).packets.get(id.seq);
    if (this.#config.kind === "senderNak") {
      if (packet === undefined) return;
      this.statistics.repairsSent++;
      this.#outbox.unicast(from, "repair", packet);
      return;
    }
    const missing = this.#missing.get(key);
    if (missing !== undefined) {
      // Another one has asked for it.
      missing.asked++;
      missing.at = this.#now + this.#requestMs(missing.asked);
    } else if (packet === undefined) this.#hearOf(id);
    else {
      const { distanceMs } = this.#config;
      const isRecent = this.#now - (this.#repairedAt.get(key) ?? -1) < QUIET_DISTANCES * distanceMs;
      if (isRecent || this.#repairs.has(key)) return;
      const d = distanceMs * Math.log10(this.#sizes.get(id.group) ?? 1);
      this.#repairs.set(key, { id, at: this.#now + d * (1 + this.#outbox.random()) });
    }
  }

  #repair(key: string, id: PacketId): void {
    const packet = this.#stream(id.sender, id.group).packets.get(id.seq);
    if (packet === undefined) return;
    this.#repairedAt.set(key, this.#now);
    this.statistics.repairsSent++;
    this.#outbox.multicast(id.group, packet);
  }

  #tellSession(group: GroupNumber): void {
    const { last } = this.#stream(this.#config.me, group);
    if (last === 0) return;
    const out = writeU64(writeU64(new Writer(24), this.#config.me).u8(SESSION), group);
    this.#outbox.multicast(group, writeU48(out, last).finish());
  }

  #stream(sender: NodeId, group: GroupNumber): Stream {
    const key = `${sender} ${group}`;
    let stream = this.#streams.get(key);
    if (stream === undefined) this.#streams.set(key, (stream = { last: 0, packets: new Map() }));
    return stream;
  }
}

function keyOf({ sender, group, seq }: PacketId): string {
  return `${sender}.${group}.${seq}`;
}
