import { assert } from "../base/assert.ts";
import { type ConfigurationId, type DaemonId, sameConfiguration } from "../base/ids.ts";
import type { RangeSet } from "../base/range-set.ts";
import type { Configuration } from "../ring/configuration.ts";
import type { OldConfigurationRecord, StreamRecord } from "../wire/form.ts";
import type { RingPacket } from "../wire/ring-data.ts";
import { REQUEST_RANGES_MAX, type Request } from "../wire/ring-token.ts";
import { holesOf } from "./obligation.ts";

/**
 * One attempt to carry an old configuration over into a new one: what its survivors will hold together (U), what this
 * daemon lacks of that, and whether it has committed (recovery.md).
 */
export class Recovery {
  readonly record: OldConfigurationRecord;
  readonly #old: Configuration;
  readonly #holes: readonly RangeSet[];
  #committed = false;
  /** How much was lacking when progress was last looked at. */
  #lackingBefore = -1;
  #elsewhereBefore = 0;

  /** Reads FORM2: takes over what is stable and what is counted, and forgets the rest. */
  constructor(record: OldConfigurationRecord, old: Configuration) {
    this.record = record;
    this.#old = old;
    this.#holes = old.streams.map(({ site }) => holesOf(record, site));
    old.stable = Math.max(old.stable, record.stable);
    old.streams.forEach((stream, i) => {
      const { high, closed } = record.streams[i] as StreamRecord;
      const holes = this.#holes[i] as RangeSet;
      assert(!closed || holes.isEmpty, "a closed stream has no holes: its writers keep what is not stable");
      stream.forget(holes, high, (packet) => {
        assert(!record.transitional.includes(packet.origin), "a survivor's own packets are counted");
      });
    });
  }

  get isCommitted(): boolean {
    return this.#committed;
  }

  /** Whether a packet of the old configuration belongs to what the survivors hold together. */
  counts(packet: RingPacket): boolean {
    const i = this.#old.streams.findIndex(({ site }) => site === packet.site);
    const entry = this.record.streams[i];
    if (entry === undefined || packet.seq > entry.high) return false;
    const holes = this.#holes[i] as RangeSet;
    for (let seq = packet.first; seq <= packet.seq; seq++) if (holes.has(seq)) return false;
    return true;
  }

  /** What this daemon still lacks, of the first stream that lacks anything. */
  missing(): Request | undefined {
    for (let i = 0; i < this.#old.streams.length; i++) {
      const stream = this.#old.streams[i] as Configuration["local"];
      const { high } = this.record.streams[i] as StreamRecord;
      const missing = stream.missing(high);
      missing.removeAll(this.#holes[i] as RangeSet);
      if (missing.isEmpty) continue;
      for (const [low, highest] of [...missing.ranges()].slice(REQUEST_RANGES_MAX)) missing.remove(low, highest);
      return { configuration: this.#old.id, site: stream.site, missing };
    }
    return undefined;
  }

  /** Commits if nothing is missing: from now on what the survivors know together is this daemon's knowledge as well. */
  commit(): boolean {
    if (this.#committed) return true;
    if (this.missing() !== undefined) return false;
    this.#old.streams.forEach((stream, i) => {
      const { known, announced, closed } = this.record.streams[i] as StreamRecord;
      stream.adopt(known, announced, closed);
    });
    this.#committed = true;
    return true;
  }

  /** Whose messages must be delivered once committed. */
  get obligation(): Set<DaemonId> {
    return new Set([...this.record.commit, ...this.record.transitional]);
  }

  /** Whether anything has arrived since the last call; `elsewhere` counts what has changed at others. */
  progressed(elsewhere = 0): boolean {
    const lacking = this.missing()?.missing.size ?? 0;
    const changed = lacking !== this.#lackingBefore || elsewhere !== this.#elsewhereBefore;
    this.#lackingBefore = lacking;
    this.#elsewhereBefore = elsewhere;
    return changed;
  }
}

export function recordOf(
  records: readonly OldConfigurationRecord[],
  id: ConfigurationId,
): OldConfigurationRecord | undefined {
  return records.find(({ configuration }) => sameConfiguration(configuration, id));
}
