import type { DaemonId } from "../../src/base/ids.ts";
import { type HopConfig, hopDefaults } from "../../src/hop/config.ts";
import { Hop, type HopFailure } from "../../src/hop/hop.ts";
import type { Feed } from "../../src/machine/feed.ts";
import type { LossModel } from "../../src/sim/loss.ts";
import { LAN, type LinkCapacity } from "../../src/sim/network-model.ts";
import type { ProcessEnvironment, SimChannel, SimProcess } from "../../src/sim/sim-process.ts";
import { World } from "../../src/sim/world.ts";
import { readPrefix } from "../../src/wire/prefix.ts";

export const WEST: DaemonId = 1;
export const EAST: DaemonId = 2;

export type Way = {
  readonly delayMs: number;
  readonly jitterMs?: number;
  /** Mbit/s; undefined: any. */
  readonly megabits?: number | undefined;
  /** What its queue holds, ms of its capacity. */
  readonly queueMs?: number;
  readonly loss?: LossModel;
  readonly duplicate?: number;
  readonly reorder?: number;
  /** The ends' hosts are busy with other things, and get to send only this often, ms. */
  readonly turnMs?: number;
};

/** A site's end of a hop: sends numbered objects, and writes down what comes. */
export class End implements SimProcess {
  readonly hop: Hop;
  readonly received: number[] = [];
  /** Times from sending to arrival of objects, ms. */
  readonly delays: number[] = [];
  receivedBytes = 0;
  failure: HopFailure | undefined;
  #next = 0;
  #waiting: { readonly size: number; readonly at: number }[] = [];
  #endless: number | undefined;
  readonly #feed: Feed;
  readonly #clock: () => number;
  readonly #turnMs: number | undefined;

  constructor(
    environment: ProcessEnvironment,
    peer: DaemonId,
    clock: () => number,
    { config, turnMs }: { readonly config: Partial<HopConfig>; readonly turnMs: number | undefined },
  ) {
    this.#clock = clock;
    this.#turnMs = turnMs;
    const origin = { version: 1, confHash: 7, origin: environment.self };
    this.hop = new Hop(
      { ...hopDefaults, origin, life: environment.bootTimeSeconds, ...config },
      {
        transmit: (bytes) => environment.network.unicast(peer, "data", bytes),
        opened: () => {},
        deliver: (object) => this.#onObject(object),
        failed: (why) => {
          this.failure = why;
        },
      },
      environment.now,
    );
    this.#feed = { pull: (itemsMax, bytesMax, out) => this.#pull(itemsMax, bytesMax, out) };
  }

  /** Objects that have not left yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Sends so many objects now. */
  send(count: number, size: number, now: number): void {
    for (let i = 0; i < count; i++) this.#waiting.push({ size, at: this.#clock() });
    this.hop.sink(3).register(this.#feed);
    this.hop.flush(now);
  }

  /** Sends as much as the link takes, from now on. */
  flood(size: number, now: number): void {
    this.#endless = size;
    this.hop.sink(3).register(this.#feed);
    this.hop.flush(now);
  }

  get deadline(): number {
    const { deadline } = this.hop;
    return this.#turnMs === undefined ? deadline : Math.ceil(deadline / this.#turnMs) * this.#turnMs;
  }

  tick(now: number): void {
    this.hop.tick(now);
  }

  receive(_channel: SimChannel, bytes: Uint8Array, now: number): void {
    const prefix = readPrefix(bytes);
    if (typeof prefix === "string") throw new Error(`a hop sent a packet that is ${prefix}`);
    this.hop.receive(prefix, bytes, now);
    if (this.#turnMs === undefined) this.hop.flush(now);
  }

  #pull(itemsMax: number, bytesMax: number, out: Uint8Array[]): boolean {
    for (let i = 0; i < itemsMax; i++) {
      const first = this.#endless === undefined ? this.#waiting[0] : { size: this.#endless, at: this.#clock() };
      if (first === undefined || first.size > bytesMax) break;
      if (this.#endless === undefined) this.#waiting.shift();
      const object = new Uint8Array(first.size);
      const view = new DataView(object.buffer);
      view.setUint32(0, ++this.#next);
      view.setFloat64(4, first.at);
      out.push(object);
    }
    return this.#endless !== undefined || this.#waiting.length > 0;
  }

  #onObject(object: Uint8Array): void {
    const view = new DataView(object.buffer, object.byteOffset, object.byteLength);
    this.received.push(view.getUint32(0));
    this.delays.push(this.#clock() - view.getFloat64(4));
    this.receivedBytes += object.length;
  }
}

/** Two sites and the way between them, the same in both directions. */
export class TwoEnds {
  readonly world: World;

  constructor(seed: number, way: Way, config: Partial<HopConfig> = {}) {
    this.world = new World({
      seed,
      site: [[WEST], [EAST]],
      network: {
        ...LAN,
        receiveQueueBytes: 4 * 1024 * 1024,
        duplicate: way.duplicate ?? 0,
        reorder: way.reorder ?? 0,
        reorderMs: 30,
      },
      processor: { eventMs: 0, byteMs: 0, pauseEveryBytes: 0, pauseMs: 0 },
      clockDrift: 0.0001,
    });
    for (const [from, to] of [
      [WEST, EAST],
      [EAST, WEST],
    ] as const) {
      this.setWay(from, to, way);
      this.world.boot(
        from,
        (environment) => new End(environment, to, () => this.world.now, { config, turnMs: way.turnMs }),
      );
    }
  }

  setWay(fromId: DaemonId, toId: DaemonId, { delayMs, jitterMs = 0, megabits, queueMs = 50, loss }: Way): void {
    const from = this.world.indexOf(fromId);
    const to = this.world.indexOf(toId);
    this.world.datagrams.setLatency({ baseMs: delayMs, jitterMs }, from, to);
    this.world.datagrams.setCapacity(megabits === undefined ? undefined : capacityOf(megabits, queueMs), from, to);
    if (loss !== undefined) this.world.datagrams.setLoss(loss, from, to);
  }

  end(id: DaemonId): End {
    const end = this.world.process(id);
    if (!(end instanceof End)) throw new Error(`site ${id} does not run`);
    return end;
  }

  on(id: DaemonId, action: (end: End, now: number) => void): void {
    this.world.runOnProcess(id, (now) => action(this.end(id), now));
  }

  run(ms: number): void {
    this.world.runUntil(this.world.now + ms);
  }
}

function capacityOf(megabits: number, queueMs: number): LinkCapacity {
  const bytesPerMs = megabits * 125;
  return { bytesPerMs, queueBytes: bytesPerMs * queueMs, overheadBytes: 28 };
}
