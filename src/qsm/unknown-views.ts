import { type RegionViewId, regionViewKey } from "../base/ids.ts";
import type { RegionToken } from "../wire/region/token.ts";
import type { NodeChannel } from "./outbox.ts";

type Waiting = { readonly channel: NodeChannel; readonly packet: Uint8Array };

/**
 * What has come of region views that this node has not been told of (A17 with section 0 l). Packets only save repairs, and are kept up to a
 * bound, the oldest going first; a token has to be held, since the view's members must not count without this one.
 */
export class UnknownViews {
  readonly #bytesMax: number;
  readonly #packets = new Map<string, Waiting[]>();
  readonly #tokens = new Map<string, RegionToken>();
  #bytes = 0;
  #dropped = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Packets that had to go for others. */
  get dropped(): number {
    return this.#dropped;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(id: RegionViewId, channel: NodeChannel, packet: Uint8Array): void {
    const key = regionViewKey(id);
    const waiting = this.#packets.get(key);
    if (waiting === undefined) this.#packets.set(key, [{ channel, packet }]);
    else waiting.push({ channel, packet });
    this.#bytes += packet.length;
    while (this.#bytes > this.#bytesMax) this.#dropOldest();
  }

  /** Only the newest token of a view can still be of use. */
  addToken(token: RegionToken): void {
    const key = regionViewKey(token.id);
    const held = this.#tokens.get(key);
    const isNewer =
      held === undefined ||
      token.failure > held.failure ||
      (token.failure === held.failure && token.round >= held.round);
    if (isNewer) this.#tokens.set(key, token);
  }

  take(id: RegionViewId): readonly Waiting[] {
    const key = regionViewKey(id);
    const waiting = this.#packets.get(key) ?? [];
    this.#packets.delete(key);
    for (const { packet } of waiting) this.#bytes -= packet.length;
    return waiting;
  }

  takeToken(id: RegionViewId): RegionToken | undefined {
    const key = regionViewKey(id);
    const token = this.#tokens.get(key);
    this.#tokens.delete(key);
    return token;
  }

  #dropOldest(): void {
    const first = this.#packets.entries().next().value;
    if (first === undefined) return;
    const [key, waiting] = first;
    const dropped = waiting.shift();
    this.#dropped++;
    if (dropped !== undefined) this.#bytes -= dropped.packet.length;
    if (waiting.length === 0) this.#packets.delete(key);
  }
}
