import { Content, NUMBER_HEAD_BYTES } from "../ordering/content.ts";
import { serviceRank } from "../ordering/service.ts";
import type { DaemonId } from "../base/ids.ts";
import type { Configuration } from "../ring/configuration.ts";
import { getU32 } from "../wire/bytes.ts";
import { FragmentCursor } from "../wire/fragment.ts";
import { Kind, PREFIX_BYTES, type Prefix, readPrefix, writePrefix } from "../wire/prefix.ts";
import { isLocal, PacketFlag, RING_DATA_HEAD_BYTES, type RingPacket, writeRingDataHead } from "../wire/ring-data.ts";
import { DIGEST_ITEMS_MAX, type NumbersItem, NumbersWriter, TOKEN_BYTES } from "../wire/ring-digest.ts";

const AGREED = serviceRank("agreed");
const SAFE = serviceRank("safe");
/** Numbers of sessions are safe integers. */
const HIGH_MAX = 0x20_0000;
/** A digest stands for no more packets than this, but for the end of a message. */
const PACKETS_MAX = 1_024;

/** A digest that is ready, and the LTS of the last packet that it stands for. */
export type MadeDigest = { readonly bytes: Uint8Array; readonly lts: number };

/** Packets for this site alone that follow each other. */
type Run = {
  readonly first: RingPacket;
  last: RingPacket;
  readonly numbers: NumbersWriter;
  items: number;
  isSafe: boolean;
};

/** Which message of a session a packet has: its session and number. */
type Head = { readonly token: Uint8Array; readonly number: number };

/**
 * What the representative of a site tells the others of packets that are for it alone (docs/protocols/wide-area.md, "Pruning"): that there were such packets,
 * up to which stamp, and which numbers of sessions they have. Only of packets that all daemons of the site hold, so that whoever passes them over need never have them.
 */
export class Digests {
  readonly #configuration: Configuration;
  readonly #me: DaemonId;
  readonly #bytesMax: number;
  readonly #fragment = new FragmentCursor();
  /** Packets up to here are done with. */
  #seq: number;

  constructor(me: DaemonId, configuration: Configuration, datagramBytes: number) {
    this.#me = me;
    this.#configuration = configuration;
    // A packet has no more numbered messages than would fit into half of it as heads.
    this.#bytesMax = datagramBytes / 2 - RING_DATA_HEAD_BYTES;
    this.#seq = configuration.local.discarded;
  }

  /** Whether `take` would find something to look at. */
  get hasNews(): boolean {
    return this.#seq < this.#configuration.local.heldHere;
  }

  /** Digests of all packets up to there, in order: by default those that have come to be held by all. */
  take(upTo = this.#configuration.local.heldHere): MadeDigest[] {
    const { local } = this.#configuration;
    const made: MadeDigest[] = [];
    let run: Run | undefined;
    while (this.#seq < upTo) {
      const seq = this.#seq + 1;
      const packet = local.get(seq);
      if (packet === undefined || !isLocal(packet.bytes)) {
        // It is for all, or all have had it.
        if (run !== undefined) made.push(this.#make(run));
        run = undefined;
        this.#seq = seq;
        continue;
      }
      const end = this.#messageEnd(seq, upTo);
      if (end === undefined) break;
      if (run !== undefined && this.#isFull(run)) {
        made.push(this.#make(run));
        run = undefined;
      }
      run ??= { first: packet, last: packet, numbers: new NumbersWriter(seq, packet.lts), items: 0, isSafe: false };
      let begun: Head | undefined;
      for (let n = seq; n <= end; n++) begun = this.#add(run, local.get(n) as RingPacket, begun);
      this.#seq = end;
    }
    if (run !== undefined) made.push(this.#make(run));
    return made;
  }

  /** Up to where packets from `seq` on belong together, as a message goes on from one to the next; undefined if that lies behind `upTo`, or not all are here. */
  #messageEnd(seq: number, upTo: number): number | undefined {
    const fragment = this.#fragment;
    for (; seq <= upTo; seq++) {
      const packet = this.#configuration.local.get(seq);
      if (packet === undefined) return undefined;
      let isBegun = false;
      fragment.open(packet.bytes, RING_DATA_HEAD_BYTES, packet.end);
      while (fragment.advance()) isBegun = !fragment.isLast;
      if (!isBegun) return seq;
    }
    return undefined;
  }

  #isFull({ first, last, numbers, items, isSafe }: Run): boolean {
    return (
      isSafe || last.seq - first.seq >= PACKETS_MAX || numbers.bytes > this.#bytesMax || items > DIGEST_ITEMS_MAX / 2
    );
  }

  /** Adds a packet to a run. `begun`: the message that goes on in it; returns the one that it leaves begun. */
  #add(run: Run, packet: RingPacket, begun: Head | undefined): Head | undefined {
    const { seq, lts, origin } = packet;
    run.last = packet;
    const items = new Map<string, NumbersItem>();
    const fragment = this.#fragment;
    fragment.open(packet.bytes, RING_DATA_HEAD_BYTES, packet.end);
    while (fragment.advance()) {
      if (fragment.isWhole || fragment.offset === 0) begun = headOf(fragment);
      if (!fragment.isLast) continue;
      run.isSafe ||= fragment.service === SAFE;
      if (begun !== undefined) {
        const { token, number } = begun;
        const key = String.fromCharCode(...token);
        const before = items.get(key);
        const ordered = (before?.ordered ?? 0) + (fragment.service >= AGREED ? 1 : 0);
        // In the order of the last ones.
        items.delete(key);
        items.set(key, { seq, lts, origin, token, number: Math.max(number, before?.number ?? 0), ordered });
      }
      begun = undefined;
    }
    for (const item of items.values()) run.numbers.add(item);
    run.items += items.size;
    return begun;
  }

  #make({ first, last, numbers, isSafe }: Run): MadeDigest {
    const { id, local } = this.#configuration;
    const body = numbers.finish();
    const bytes = new Uint8Array(RING_DATA_HEAD_BYTES + body.length);
    // As its packets say, also where others are configured since.
    const { version, confHash } = readPrefix(last.bytes) as Prefix;
    writePrefix(bytes, 0, version, Kind.ringData, confHash, bytes.length - PREFIX_BYTES, this.#me);
    const flags = PacketFlag.digest | (isSafe ? PacketFlag.safe : 0);
    writeRingDataHead(bytes, id, local.site, last.seq, last.lts, first.seq, flags);
    bytes.set(body, RING_DATA_HEAD_BYTES);
    return { bytes, lts: last.lts };
  }
}

/** Of the fragment with which a message begins, if it is numbered. */
function headOf(fragment: FragmentCursor): Head | undefined {
  if (fragment.content !== Content.numberedFrame) return undefined;
  const data = fragment.data();
  const high = data.length < NUMBER_HEAD_BYTES ? HIGH_MAX : getU32(data, TOKEN_BYTES);
  if (high >= HIGH_MAX) return undefined;
  return { token: data.subarray(0, TOKEN_BYTES), number: high * 2 ** 32 + getU32(data, TOKEN_BYTES + 4) };
}
