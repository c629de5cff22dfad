import { cover } from "../base/coverage.ts";
import type { PacketId } from "../wire/timely/data.ts";
import { isTimelyData, timelyGroupOf, timelySeqOf } from "../wire/timely/data.ts";
import type { Repair } from "../wire/timely/repair.ts";
import { headFault, NODE_HEAD_BYTES, originOf } from "../wire/region/head.ts";
import type { BinPacket } from "./bins.ts";
import { checksumOf, checksumOfBytes } from "./checksum.ts";
import type { Missing } from "./incoming.ts";
import { Xor } from "./xor.ts";

/** A repair of which more than one packet is missing. */
export type PendingRepair = { readonly repair: Repair; isOver: boolean };

/** What the decoder has to know of the packets of a repair. */
export interface PacketLookup {
  /** The packet, what is known of its absence, or `undefined` if it can be neither had nor missed here. */
  find(id: PacketId): BinPacket | Missing | undefined;
  /** Which packet these bytes are; undefined: none. Those of timely groups, if nothing else is said. */
  idOf?(bytes: Uint8Array): PacketId | undefined;
}

export type DecoderStatistics = {
  received: number;
  /** Told nothing new. */
  useless: number;
  decoded: number;
  /** Named a packet that is gone here, or was never for this node. */
  undecodable: number;
  /** What came out was not the packet that was named. */
  damaged: number;
  /** Dropped because too many waited. */
  overflowed: number;
};

/**
 * Rebuilds packets from repairs (protocols.md B14): a repair of which one packet is missing gives it back, which may complete others that
 * wait for it. What was rebuilt has to have the checksum that the repair tells, and to say itself that it is the packet named.
 */
export class Decoder {
  readonly statistics: DecoderStatistics = {
    received: 0,
    useless: 0,
    decoded: 0,
    undecodable: 0,
    damaged: 0,
    overflowed: 0,
  };
  readonly #lookup: PacketLookup;
  readonly #pendingMax: number;
  readonly #xor: Xor;
  #pending: PendingRepair[] = [];

  constructor(lookup: PacketLookup, pendingMax: number, datagramBytes: number) {
    this.#lookup = lookup;
    this.#pendingMax = pendingMax;
    this.#xor = new Xor(datagramBytes);
  }

  /** The datagram that the repair gives back, if any. The caller takes it as received, which calls `arrived`. */
  receive(repair: Repair): Uint8Array | undefined {
    this.statistics.received++;
    return this.#attempt({ repair, isOver: false }, true);
  }

  /** A repair came of which all packets are here. */
  countUseless(): void {
    this.statistics.received++;
    this.statistics.useless++;
  }

  /** A packet that was missing is here: datagrams that repairs give back now. Each has to be taken before the next is asked for. */
  *arrived(missing: Missing): Generator<Uint8Array> {
    for (const pending of missing.repairs) {
      if (pending.isOver) continue;
      const bytes = this.#attempt(pending, false);
      if (bytes !== undefined) yield bytes;
    }
  }

  #attempt(pending: PendingRepair, isNew: boolean): Uint8Array | undefined {
    const { repair } = pending;
    const present: BinPacket[] = [];
    const absent: { readonly id: PacketId; readonly missing: Missing }[] = [];
    for (const id of repair.packets) {
      const found = this.#lookup.find(id);
      if (found === undefined) {
        pending.isOver = true;
        this.statistics.undecodable++;
        cover("timely repair undecodable");
        return undefined;
      }
      if ("bytes" in found) present.push(found);
      else absent.push({ id, missing: found });
    }
    const [first] = absent;
    if (absent.length > 1) {
      if (isNew) this.#keep(pending, absent);
      return undefined;
    }
    pending.isOver = true;
    if (first === undefined) {
      this.statistics.useless++;
      return undefined;
    }
    const bytes = this.#rebuild(repair, present, first.id);
    if (bytes === undefined) {
      this.statistics.damaged++;
      cover("timely repair damaged");
    } else this.statistics.decoded++;
    return bytes;
  }

  #keep(pending: PendingRepair, absent: readonly { readonly missing: Missing }[]): void {
    for (const { missing } of absent) missing.repairs.push(pending);
    this.#pending.push(pending);
    cover("timely repair waits");
    if (this.#pending.length <= this.#pendingMax) return;
    this.#pending = this.#pending.filter(({ isOver }) => !isOver);
    // The oldest half are the least likely to be completed.
    if (this.#pending.length <= this.#pendingMax / 2) return;
    for (const old of this.#pending.splice(0, this.#pending.length - this.#pendingMax / 2)) {
      old.isOver = true;
      this.statistics.overflowed++;
    }
  }

  #rebuild(repair: Repair, present: readonly BinPacket[], id: PacketId): Uint8Array | undefined {
    const xor = this.#xor;
    xor.clear();
    let { lengths, checksum } = repair;
    if (repair.xor.length > xor.capacity) return undefined;
    xor.add(repair.xor);
    for (const packet of present) {
      xor.add(packet.bytes);
      lengths ^= packet.bytes.length;
      checksum ^= checksumOf(packet);
    }
    if (lengths < NODE_HEAD_BYTES || lengths > repair.xor.length || !xor.isZeroFrom(lengths)) return undefined;
    const bytes = new Uint8Array(lengths);
    xor.copyTo(bytes, 0, lengths);
    if (checksumOfBytes(bytes) !== checksum >>> 0 || headFault(bytes) !== undefined) return undefined;
    const is = this.#lookup.idOf === undefined ? timelyIdOf(bytes) : this.#lookup.idOf(bytes);
    return is?.sender === id.sender && is.group === id.group && is.seq === id.seq ? bytes : undefined;
  }
}

function timelyIdOf(bytes: Uint8Array): PacketId | undefined {
  if (!isTimelyData(bytes)) return undefined;
  return { sender: originOf(bytes), group: timelyGroupOf(bytes), seq: timelySeqOf(bytes) };
}
