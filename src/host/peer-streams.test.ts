import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Kind, packet } from "../wire/prefix.ts";
import {
  PeerStreams,
  type PeerStreamsOptions,
  peerStreamsDefaults,
  type StreamEvent,
  type StreamSocket,
  type StreamSocketListener,
} from "./peer-streams.ts";

const HASH = 7;
const place = (id: number): string => `10.0.0.${id}`;

/** One end of a connection between two daemons of a `World`: what is written arrives when the world runs. */
class End implements StreamSocket {
  listener: StreamSocketListener | undefined;
  other: End | undefined;
  isClosed = false;
  isBlocked = false;
  readonly written: Uint8Array[] = [];

  write(pieces: readonly Uint8Array[]): boolean {
    if (!this.isClosed) this.written.push(...pieces);
    return !this.isBlocked;
  }

  end(): void {
    this.isClosed = true;
  }

  destroy(): void {
    this.isClosed = true;
    this.written.length = 0;
  }
}

type Daemon = {
  readonly streams: PeerStreams;
  readonly events: StreamEvent[];
  readonly received: { readonly channel: string; readonly bytes: Uint8Array }[];
  readonly ends: End[];
};

/** Daemons 1 … n on a network of streams; it loses nothing, unless hosts are cut off. */
class World {
  readonly daemons = new Map<number, Daemon>();
  readonly dials: { readonly from: number; readonly to: number; readonly at: number }[] = [];
  readonly cutOff = new Set<number>();
  now = 0;
  readonly #count: number;

  constructor(count: number) {
    this.#count = count;
    for (let id = 1; id <= count; id++) this.start(id);
  }

  start(id: number, options: Partial<PeerStreamsOptions> = {}, incarnation = 1): Daemon {
    const ids = Array.from({ length: this.#count }, (_, i) => i + 1);
    const daemon: Daemon = {
      events: [],
      received: [],
      ends: [],
      streams: new PeerStreams(
        {
          self: id,
          name: `d${id}`,
          incarnation,
          setting: "tcp",
          confHash: HASH,
          peers: ids.map((peer) => ({ id: peer, name: `d${peer}`, address: place(peer), port: 4804 })),
          ...peerStreamsDefaults,
          ...options,
        },
        {
          dial: (address, _port, listener) => this.#dial(id, Number(address.split(".")[3]), listener),
          receive: (channel, bytes) => daemon.received.push({ channel, bytes }),
          happened: (event) => daemon.events.push(event),
          wake: () => undefined,
        },
      ),
    };
    daemon.streams.want(() => true);
    this.daemons.set(id, daemon);
    return daemon;
  }

  of(id: number): Daemon {
    return this.daemons.get(id) as Daemon;
  }

  /** Ends a daemon as `kill -9` does: its system closes what it had. */
  kill(id: number): void {
    const { ends } = this.of(id);
    this.daemons.delete(id);
    for (const end of ends) this.#close(end.other, "read ECONNRESET");
  }

  /** A connection of somebody, whoever it is, to a daemon. */
  connect(to: number): End {
    const [near, far] = [new End(), new End()];
    near.other = far;
    far.other = near;
    const daemon = this.of(to);
    daemon.ends.push(far);
    far.listener = daemon.streams.accept(far, "10.9.9.9", this.now);
    return near;
  }

  run(ms: number): void {
    const end = this.now + ms;
    for (; this.now < end; this.now += 10) {
      for (const { streams } of this.daemons.values()) {
        if (streams.deadline <= this.now) streams.tick(this.now);
        streams.flush(this.now);
      }
      for (const [id, { ends }] of this.daemons) if (!this.cutOff.has(id)) for (const each of ends) this.carry(each);
    }
  }

  carry(from: End): void {
    const bytes = from.written.splice(0);
    for (const piece of bytes) from.other?.listener?.received(piece.slice(), this.now);
    if (!from.isBlocked && bytes.length > 0) from.listener?.drained();
    if (from.isClosed) this.#close(from.other, undefined);
  }

  #dial(from: number, to: number, listener: StreamSocketListener): End {
    this.dials.push({ from, to, at: this.now });
    const near = new End();
    near.listener = listener;
    this.of(from).ends.push(near);
    const isReached = this.daemons.has(to);
    if (this.cutOff.has(from) || this.cutOff.has(to)) return near;
    // Connections are there, or refused, after the call.
    this.#later.push(() => {
      if (near.isClosed) return;
      if (!isReached || !this.daemons.has(to)) return this.#close(near, `connect ECONNREFUSED ${place(to)}:4804`);
      const far = new End();
      near.other = far;
      far.other = near;
      this.of(to).ends.push(far);
      far.listener = this.of(to).streams.accept(far, place(from), this.now);
      listener.opened(this.now);
    });
    return near;
  }

  #later: (() => void)[] = [];

  /** What has been dialled is there. */
  settle(): void {
    for (const step of this.#later.splice(0)) step();
  }

  runOn(ms: number): void {
    for (let at = 0; at < ms; at += 10) {
      this.settle();
      this.run(10);
    }
  }

  #close(end: End | undefined, why: string | undefined): void {
    if (end?.listener === undefined) return;
    const { listener } = end;
    end.listener = undefined;
    end.isClosed = true;
    listener.closed(why, this.now);
  }
}

const data = (mark: number): Uint8Array => packet(1, Kind.ringData, HASH, 1, Uint8Array.of(mark));
const token = (mark: number): Uint8Array => packet(1, Kind.ringToken, HASH, 1, Uint8Array.of(mark));

describe("PeerStreams", () => {
  it("joins each pair once, the lower id dials, and packets pass both ways on their channels", () => {
    const world = new World(3);
    world.runOn(100);
    expect(world.dials.map(({ from, to }) => `${from}-${to}`)).toEqual(["1-2", "1-3", "2-3"]);
    for (const [id, { streams }] of world.daemons) {
      for (const other of [1, 2, 3]) expect(streams.isUp(other)).toBe(other !== id);
      expect(streams.settingOf(id === 1 ? 2 : 1)).toBe("tcp");
    }
    world.of(3).streams.send(1, "data", data(5));
    world.of(3).streams.send(1, "token", token(6));
    world.runOn(20);
    expect(world.of(1).received).toEqual([
      { channel: "data", bytes: data(5) },
      { channel: "token", bytes: token(6) },
    ]);
    expect(world.of(2).received).toEqual([]);
  });

  it("dials only whom it wants to, and counts what is sent without a stream as lost", () => {
    const world = new World(2);
    world.of(1).streams.want(() => false);
    world.of(1).streams.send(2, "data", data(1));
    world.runOn(2_000);
    expect(world.dials).toEqual([]);
    expect(world.of(1).streams.counters.packetsDropped).toBe(1);
    world.of(1).streams.want(() => true);
    world.runOn(50);
    expect(world.of(2).streams.isUp(1)).toBe(true);
  });

  it.each([1, 2])("comes together again after daemon %i was killed and started again", (killed) => {
    const world = new World(2);
    world.runOn(2_000);
    world.kill(killed);
    world.runOn(5_000);
    const left = world.of(3 - killed);
    expect(left.streams.isUp(killed)).toBe(false);
    expect(left.events.at(-1)).toMatchObject({ what: "down", daemon: killed });
    world.start(killed, {}, 2);
    world.runOn(peerStreamsDefaults.retryMsMax + 100);
    for (const { streams } of world.daemons.values())
      expect(streams.isUp(streams === left.streams ? killed : 3 - killed)).toBe(true);
  });

  it("tries more and more rarely, up to a second", () => {
    const world = new World(2);
    world.kill(2);
    world.runOn(10_000);
    const gaps = world.dials.slice(1).map(({ at }, i) => at - (world.dials[i]?.at ?? 0));
    expect(gaps.slice(0, 4).map((gap) => Math.round(gap / 100))).toEqual([1, 2, 4, 8]);
    expect(Math.max(...gaps)).toBeLessThan(1_100);
    expect(world.of(1).streams.reports[1 - 1]).toMatchObject({
      daemon: 2,
      isUp: false,
      because: expect.stringContaining("ECONNREFUSED"),
    });
  });

  it("gives a stream up that brings nothing any more, and has another one as soon as the network is whole", () => {
    const world = new World(2);
    world.runOn(1_000);
    world.cutOff.add(2);
    world.runOn(peerStreamsDefaults.silenceMs + 500);
    expect(world.of(1).streams.isUp(2)).toBe(false);
    world.runOn(60_000);
    world.cutOff.clear();
    world.runOn(peerStreamsDefaults.retryMsMax + peerStreamsDefaults.helloMs + 500);
    expect(world.of(1).streams.isUp(2)).toBe(true);
    expect(world.of(2).streams.isUp(1)).toBe(true);
  });

  it("keeps an idle stream alive", () => {
    const world = new World(2);
    world.runOn(30_000);
    expect(world.dials).toHaveLength(1);
    expect(world.of(1).events.map(({ what }) => what)).toEqual(["up"]);
  });

  describe("names who is not whom it should be:", () => {
    const refusal = (world: World, id: number): string | undefined =>
      world.of(id).events.find(({ what }) => what === "refused")?.message;

    it("a daemon with another configuration, at both ends", () => {
      const world = new World(2);
      world.kill(2);
      world.start(2, { confHash: 99 });
      world.runOn(200);
      expect(refusal(world, 1)).toBe(
        "10.0.0.2:4804 is d2 with another configuration (hash 99, here 7): all daemons need the same file",
      );
      expect(refusal(world, 2)).toContain("10.0.0.1 is d1 with another configuration (hash 7, here 99)");
      expect(world.of(1).streams.isUp(2)).toBe(false);
    });

    it("another daemon at the address", () => {
      const world = new World(3);
      world.kill(2);
      // Daemon 3 where the file has daemon 2.
      world.daemons.set(2, world.of(3));
      world.daemons.delete(3);
      world.runOn(200);
      expect(refusal(world, 1)).toBe("10.0.0.2:4804 is d3, not d2: the addresses in the file are not theirs");
    });

    it("one with a version that nobody here knows, and one that is no daemon", () => {
      const world = new World(2);
      const strange = world.connect(2);
      const hello = packet(1, Kind.streamHello, HASH, 1, new Uint8Array(9));
      hello[2] = 77;
      strange.other?.listener?.received(hello, world.now);
      expect(refusal(world, 2)).toBe("10.9.9.9 speaks version 77 of the datagrams, and this daemon 1 to 3");
      const browser = world.connect(1);
      browser.other?.listener?.received(new TextEncoder().encode("GET /"), world.now);
      expect(refusal(world, 1)).toBe("10.9.9.9 sends what is no packet of a daemon");
      expect([strange.other?.isClosed, browser.other?.isClosed]).toEqual([true, true]);
    });

    it("one that does not say who it is", () => {
      const world = new World(2);
      const one = world.connect(2);
      one.other?.listener?.received(data(1), world.now);
      expect(refusal(world, 2)).toBe("10.9.9.9 does not say who it is");
      expect(world.of(2).received).toEqual([]);
    });
  });

  it("does not let an earlier life of a daemon take the place of the present one", () => {
    const world = new World(2);
    world.kill(1);
    world.start(1, {}, 5);
    world.runOn(100);
    const late = world.connect(2);
    const body = Uint8Array.of(0, 0, 0, 2, 0, 0, 0, 4, 3);
    late.other?.listener?.received(packet(1, Kind.streamHello, HASH, 1, body), world.now);
    expect(world.of(2).events.at(-1)).toMatchObject({ what: "refused", message: "10.9.9.9 is an earlier life of d1" });
    expect(world.of(2).streams.isUp(1)).toBe(true);
    world.runOn(100);
    expect(world.of(1).streams.isUp(2)).toBe(true);
  });

  it("bounds what waits for a daemon that takes nothing, and the connections that say nothing", () => {
    const world = new World(2);
    world.runOn(100);
    for (const end of world.of(1).ends) end.isBlocked = true;
    for (let i = 0; i < 20_000; i++) {
      world.of(1).streams.send(2, "data", new Uint8Array(1_400));
      if (i % 100 === 0) world.of(1).streams.flush(world.now);
    }
    const [report] = world.of(1).streams.reports;
    expect(report?.waitingBytes).toBeLessThanOrEqual(peerStreamsDefaults.bounds.bytesMax);
    expect(world.of(1).streams.counters.packetsDropped).toBeGreaterThan(10_000);

    const idle = Array.from({ length: 100 }, () => world.connect(2));
    expect(idle.filter(({ other }) => other?.isClosed === false).length).toBe(64);
    world.now += peerStreamsDefaults.helloMs;
    world.of(2).streams.tick(world.now);
    expect(idle.every(({ other }) => other?.isClosed)).toBe(true);
  });

  it("goes on with the daemons that stay when the configuration changes", () => {
    const world = new World(3);
    world.runOn(100);
    const peers = [1, 2].map((id) => ({ id, name: `d${id}`, address: place(id), port: 4804 }));
    for (const id of [1, 2]) world.of(id).streams.reconfigure(8, peers);
    world.runOn(2_000);
    expect(world.of(1).streams.isUp(2)).toBe(true);
    expect(world.of(1).streams.isUp(3)).toBe(false);
    expect(world.of(1).events.filter(({ daemon, what }) => daemon === 2 && what === "down")).toEqual([]);
  });

  it("survives any bytes of anybody, before and after a hello", () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    const body = fc.uint8Array({ maxLength: 20 });
    const kinds = fc.constantFrom(...Object.values(Kind), 0xff);
    const packets = fc.tuple(kinds, fc.nat(3), body).map(([kind, from, rest]) => packet(1, kind, HASH, from, rest));
    fc.assert(
      fc.property(fc.array(fc.oneof(bytes, packets), { maxLength: 6 }), fc.boolean(), (pieces, isKnown) => {
        const world = new World(2);
        const stranger = world.connect(2);
        const hello = packet(1, Kind.streamHello, HASH, 1, Uint8Array.of(0, 0, 0, 2, 0, 0, 0, 1, 3));
        for (const piece of isKnown ? [hello, ...pieces] : pieces) {
          stranger.other?.listener?.received(piece.slice(), world.now);
        }
        world.runOn(50);
        // Whatever it was, the daemons find each other.
        world.runOn(3_000 + peerStreamsDefaults.silenceMs);
        expect(world.of(1).streams.isUp(2)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});
