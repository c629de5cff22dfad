import { assert } from "../base/assert.ts";
import { Slab } from "../base/slab.ts";
import type { GroupView } from "../cms/views.ts";
import { setPacketEnd } from "../wire/region/head.ts";
import { type HybridEntry, hybridEntriesMax, hybridHeadBytes, writeHybridHead } from "../wire/region/hybrid.ts";
import { itemBytesMax, itemHeadBytes, writeItemHead } from "../wire/region/items.ts";
import type { RegionMessage, RegionSender, SenderSettings } from "./sender.ts";

/** What a packet to several regions carries at least, however many they are. */
const ITEM_BYTES_MIN = 400;

/**
 * A sender's side of a group whose regions are many and small (hybrid mode, protocols.md A16, section 0 k): one packet to the address of
 * the group, which has a number in each of its regions. Acknowledgements and repairs stay with the regions.
 */
export class GroupSender {
  readonly #settings: SenderSettings;
  readonly #slab = new Slab();
  #queue: RegionMessage[] = [];
  #offset = 0;
  #queuedBytes = 0;

  constructor(settings: SenderSettings) {
    this.#settings = settings;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get hasQueued(): boolean {
    return this.#queue.length > 0;
  }

  enqueue(message: RegionMessage): void {
    this.#queue.push(message);
    this.#addQueued(message.payload.length);
  }

  /** Takes the messages out that have no number yet. */
  withdraw(): RegionMessage[] {
    const pinned = this.#queue.filter(({ isPinned }) => isPinned);
    const rest = this.#queue.filter(({ isPinned }) => !isPinned);
    this.#queue = pinned;
    this.#addQueued(-rest.reduce((sum, { payload }) => sum + payload.length, 0));
    return rest;
  }

  /**
   * The packets of the next piece of the queue, one unless the regions are too many for that; none if a region's window is full. They have
   * numbers in all regions then. `regions`: those of the group's view, now. `isForced`: whatever the windows say.
   */
  next(view: GroupView, regions: readonly RegionSender[], isForced: boolean): readonly Uint8Array[] {
    const [message] = this.#queue;
    if (message === undefined || (!isForced && regions.some((region) => region.isWindowFull))) return NONE;
    const { datagramBytes } = this.#settings;
    const most = hybridEntriesMax(datagramBytes, ITEM_BYTES_MIN);
    assert(most > 0, "a datagram holds an entry and a piece of a message");
    const head = hybridHeadBytes(Math.min(most, regions.length));
    const left = message.payload.length - this.#offset;
    const room = datagramBytes - head;
    const isWhole = itemHeadBytes(0, left) + left <= room;
    const length = isWhole ? left : itemBytesMax(0, room);
    const piece = message.payload.subarray(this.#offset, this.#offset + length);
    message.isPinned = true;
    const packets: Uint8Array[] = [];
    for (let from = 0; from < regions.length; from += most) {
      const some = regions.slice(from, from + most);
      packets.push(this.#make(view, some, message, piece, isWhole));
    }
    this.#addQueued(-length);
    this.#offset = isWhole ? 0 : this.#offset + length;
    if (isWhole) this.#queue.shift();
    return packets;
  }

  #addQueued(bytes: number): void {
    this.#queuedBytes += bytes;
    this.#settings.backlog.bytes += bytes;
  }

  #make(
    view: GroupView,
    regions: readonly RegionSender[],
    message: RegionMessage,
    piece: Uint8Array,
    isLast: boolean,
  ): Uint8Array {
    const { cluster, me } = this.#settings;
    const entries: HybridEntry[] = regions.map((region) => ({ id: region.id, seq: region.last + 1 }));
    const bytes = hybridHeadBytes(entries.length) + itemHeadBytes(0, piece.length) + piece.length;
    const packet = this.#slab.take(bytes);
    const at = writeHybridHead(packet, 0, { cluster, origin: me, entries, group: view.group });
    const start = writeItemHead(packet, at, 0, this.#offset === 0, isLast, piece.length);
    packet.set(piece, start);
    setPacketEnd(packet, 0, bytes);
    for (const region of regions) region.assign(packet, isLast ? message : undefined);
    return packet;
  }
}

const NONE: readonly Uint8Array[] = [];
