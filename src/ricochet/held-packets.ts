import { NEVER } from "../machine/machine.ts";
import type { BinPacket } from "./bins.ts";
import type { Incoming } from "./incoming.ts";

/** A packet and where it is held. */
type Held = { readonly stream: Incoming; readonly packet: BinPacket };

/** How often they are looked through when none comes. */
const FORGET_MS = 1_000;

/** Packets that are held to rebuild others with: for so long, and so many bytes of them. */
export class HeldPackets {
  readonly #holdMs: number;
  readonly #bytesMax: number;
  /** Oldest first, from `#start` on. */
  #held: Held[] = [];
  #start = 0;
  #bytes = 0;
  /** When to look for packets to forget. */
  deadline = NEVER;

  constructor(holdMs: number, bytesMax: number) {
    this.#holdMs = holdMs;
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Holds a packet of the stream that has just come, and forgets what has been held for long enough. */
  add(stream: Incoming, packet: BinPacket): void {
    stream.held.set(packet.id.seq, packet);
    this.#held.push({ stream, packet });
    this.#bytes += packet.bytes.length;
    this.#forget(packet.at);
    this.deadline = Math.min(this.deadline, packet.at + FORGET_MS);
  }

  tick(now: number): void {
    this.#forget(now);
    this.deadline = this.#bytes > 0 ? now + FORGET_MS : NEVER;
  }

  #forget(now: number): void {
    while (this.#start < this.#held.length) {
      const { stream, packet } = this.#held[this.#start] as Held;
      if (packet.at > now - this.#holdMs && this.#bytes <= this.#bytesMax) break;
      stream.held.delete(packet.id.seq);
      stream.rebuilt.delete(packet.id.seq);
      this.#bytes -= packet.bytes.length;
      this.#start++;
    }
    if (this.#start <= this.#held.length / 2) return;
    this.#held = this.#held.slice(this.#start);
    this.#start = 0;
  }
}
