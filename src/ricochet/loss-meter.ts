/** Packets are counted in slots of so many; bursts of losses are mostly shorter. */
const SLOT_PACKETS = 64;
/** Slots that are remembered; and those that tell of a rise. */
const SLOTS = 128;
const SLOTS_LATELY = 16;
/** Fewer losses lately tell nothing. */
const LATELY_MIN = 5;
/** What is lost one by one looks like bursts of up to so many, by chance. */
const BURST_MIN = 2.5;

type Slot = { readonly from: number; came: number; missed: number };

/**
 * What a receiver loses: which share of its packets, and whether one by one or in a row. Losses are put into slots by the time when they
 * should have come, and in slots of independent losses the variance of their numbers is the mean; bursts of b make it b times that.
 */
export class LossMeter {
  /** Oldest first; the last one is filled. */
  #slots: Slot[] = [];

  /** A packet has come by itself. */
  came(now: number): void {
    let slot = this.#slots.at(-1);
    if (slot === undefined || slot.came + slot.missed >= SLOT_PACKETS) {
      slot = { from: now, came: 0, missed: 0 };
      this.#slots.push(slot);
      if (this.#slots.length > SLOTS) this.#slots.shift();
    }
    slot.came++;
  }

  /** One has not, that should have come then. */
  missed(since: number): void {
    const slot = this.#slotAt(since);
    if (slot !== undefined) slot.missed++;
  }

  /** It came by itself, after all. */
  cameAfterAll(since: number): void {
    const slot = this.#slotAt(since);
    if (slot === undefined || slot.missed === 0) return;
    slot.missed--;
    slot.came++;
  }

  #slotAt(at: number): Slot | undefined {
    return this.#slots.findLast(({ from }) => from <= at) ?? this.#slots[0];
  }

  /** Packets that are remembered. */
  get packets(): number {
    return this.#slots.reduce((sum, { came, missed }) => sum + came + missed, 0);
  }

  /** The probability that a packet is lost: quick to rise, slow to fall, and never quite 0. */
  get loss(): number {
    const lately = total(this.#slots.slice(-SLOTS_LATELY));
    const all = total(this.#slots);
    const share = (1 + all.missed) / (1 + all.packets);
    // As many as there surely are, more or less: or every other chance would look like a rise.
    const risen = (lately.missed - Math.sqrt(lately.missed)) / lately.packets;
    return lately.missed < LATELY_MIN ? share : Math.max(share, risen);
  }

  /** Losses in a row, 1 if they come one by one. */
  get burst(): number {
    const { missed } = total(this.#slots);
    const full = this.#slots.slice(0, -1);
    if (missed < LATELY_MIN || full.length < 2) return 1;
    const mean = full.reduce((sum, slot) => sum + slot.missed, 0) / full.length;
    if (mean === 0) return 1;
    const variance = full.reduce((sum, slot) => sum + (slot.missed - mean) ** 2, 0) / (full.length - 1);
    const burst = variance / mean;
    return burst < BURST_MIN ? 1 : burst;
  }
}

function total(slots: readonly Slot[]): { readonly packets: number; readonly missed: number } {
  let packets = 0;
  let lost = 0;
  for (const { came, missed } of slots) {
    packets += came + missed;
    lost += missed;
  }
  return { packets, missed: lost };
}
