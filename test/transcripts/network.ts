import type { DaemonId } from "../../src/base/ids.ts";
import type { Machine } from "../../src/machine/machine.ts";
import type { Channel, Network } from "../../src/machine/network.ts";

/** What the network drives. */
export interface Station extends Machine {
  receive(channel: Channel, bytes: Uint8Array, now: number): void;
}

export type Datagram = {
  readonly from: DaemonId;
  readonly to: DaemonId;
  readonly channel: Channel;
  readonly bytes: Uint8Array;
};

/** Steps at one instant after which the machines are taken to be running in circles. */
const STEPS_MAX = 20_000;

/**
 * The smallest network and clock that daemons run on: everything arrives after the same time and in order, unless a
 * test says otherwise. No chance in it, so that what happens can be written down.
 */
export class TestNetwork {
  now = 0;
  latencyMs = 0.1;
  /** Whether a datagram arrives. */
  passes: (datagram: Datagram) => boolean = () => true;
  /** Called with every datagram that is about to arrive. */
  arrives: (datagram: Datagram) => void = () => {};
  readonly stations = new Map<DaemonId, Station>();
  readonly #segments: readonly (readonly DaemonId[])[];
  #queue: { readonly at: number; readonly datagram: Datagram }[] = [];

  constructor(segments: readonly (readonly DaemonId[])[]) {
    this.#segments = segments;
  }

  of(from: DaemonId): Network {
    return {
      unicast: (to, channel, bytes) => this.post({ from, to, channel, bytes }),
      multicast: (segment, channel, bytes) => {
        for (const to of this.#segments[segment] ?? []) if (to !== from) this.post({ from, to, channel, bytes });
      },
    };
  }

  /** Puts a datagram on its way. */
  post(datagram: Datagram): void {
    if (this.passes(datagram)) this.#queue.push({ at: this.now + this.latencyMs, datagram });
  }

  run(ms: number): void {
    const end = this.now + ms;
    for (let steps = 0; ; steps++) {
      const at = Math.min(this.#queue[0]?.at ?? end, ...[...this.stations.values()].map(({ deadline }) => deadline));
      if (at > end) break;
      if (at > this.now) steps = 0;
      if (steps > STEPS_MAX) throw new Error(`no end of steps at ${this.now} ms`);
      this.now = Math.max(this.now, at);
      if (this.#queue[0] !== undefined && this.#queue[0].at <= this.now) this.#arrive();
      else if (!this.#tick()) break;
    }
    this.now = end;
  }

  #arrive(): void {
    const { datagram } = this.#queue.shift() as { datagram: Datagram };
    this.arrives(datagram);
    this.stations.get(datagram.to)?.receive(datagram.channel, datagram.bytes, this.now);
  }

  #tick(): boolean {
    let any = false;
    for (const station of this.stations.values()) {
      if (station.deadline > this.now) continue;
      station.tick(this.now);
      any = true;
    }
    return any;
  }
}
