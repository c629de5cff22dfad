/*
 * One end of a hop on real sockets, for bench/hop.ts: told what to do by its parent, with whom it ends.
 *
 * open   { self, peer }   binds; `peer.port` leads to the other end
 * hop    { config }       a new hop; answered when it is open
 * flood  { size }         sends as much as the hop takes, until the next hop
 * plain  { size, rate }   no hop: datagrams of this size at that many bytes per second, as a baseline; 0: none
 * count  {}               what has happened so far
 */
import { hopDefaults, type HopConfig } from "../src/hop/config.ts";
import { Hop, type HopFailure } from "../src/hop/hop.ts";
import { TurnClock } from "../src/host/clock.ts";
import { udpDefaults, UdpNetwork, type UdpPeer } from "../src/host/udp.ts";
import { readPrefix } from "../src/wire/prefix.ts";

export type HopRequest =
  | { readonly kind: "open"; readonly self: UdpPeer; readonly peer: UdpPeer }
  | { readonly kind: "hop"; readonly config: Partial<HopConfig> }
  | { readonly kind: "flood"; readonly size: number }
  | { readonly kind: "plain"; readonly size: number; readonly rate: number }
  | { readonly kind: "count" };

export type HopCount = {
  readonly at: number;
  readonly objects: number;
  readonly objectBytes: number;
  readonly datagrams: number;
  readonly sent: number;
  readonly resent: number;
  readonly roundTripMs: number;
  readonly rate: number;
  /** µs of CPU. */
  readonly cpu: number;
  readonly failure: HopFailure | undefined;
};

const clock = new TurnClock();
let udp: UdpNetwork;
let self: UdpPeer;
let peer: UdpPeer;
let hop: Hop | undefined;
let lives = 0;
let objects = 0;
let objectBytes = 0;
let datagrams = 0;
let failure: HopFailure | undefined;
let plain: NodeJS.Timeout | undefined;

process.on("disconnect", () => process.exit(0));
process.on("message", (request: HopRequest) => {
  void (async () => process.send?.({ kind: request.kind, value: await carryOut(request) }))();
});
clock.drive({ run: turn });

async function carryOut(request: HopRequest): Promise<unknown> {
  switch (request.kind) {
    case "open":
      self = request.self;
      peer = request.peer;
      udp = await UdpNetwork.open({ self, others: [peer], family: "ipv4", ...udpDefaults }, (_, bytes) =>
        received(bytes),
      );
      return undefined;
    case "hop":
      clearInterval(plain);
      return new Promise<void>((resolve) => begin(request.config, resolve));
    case "flood": {
      const object = new Uint8Array(request.size);
      const feed = {
        pull: (itemsMax: number, bytesMax: number, out: Uint8Array[]): boolean => {
          for (let i = 0, bytes = 0; i < itemsMax && bytes + object.length <= bytesMax; i++, bytes += object.length) {
            out.push(object);
          }
          return true;
        },
      };
      hop?.sink(3).register(feed);
      clock.schedule();
      return undefined;
    }
    case "plain":
      clearInterval(plain);
      hop = undefined;
      if (request.rate > 0) sendPlainly(request.size, request.rate);
      return undefined;
    case "count": {
      const { user, system } = process.cpuUsage();
      const { sent = 0, resent = 0 } = hop?.statistics ?? {};
      const sender = hop?.sender;
      const count: HopCount = {
        at: performance.now(),
        objects,
        objectBytes,
        datagrams,
        sent,
        resent,
        roundTripMs: sender?.roundTripMs ?? 0,
        rate: sender?.rate ?? 0,
        cpu: user + system,
        failure,
      };
      return count;
    }
  }
}

function begin(config: Partial<HopConfig>, opened: () => void): void {
  failure = undefined;
  lives += 1;
  const origin = { version: 1, confHash: 7, origin: self.id };
  hop = new Hop(
    { ...hopDefaults, origin, life: lives, ...config },
    {
      transmit: (bytes) => udp.unicast(peer.id, "data", bytes),
      opened,
      deliver: (object) => {
        objects += 1;
        objectBytes += object.length;
      },
      failed: (why) => {
        failure = why;
      },
    },
    clock.now(),
  );
  clock.schedule();
}

function received(bytes: Uint8Array): void {
  datagrams += 1;
  const prefix = readPrefix(bytes);
  if (typeof prefix === "string") return;
  hop?.receive(prefix, bytes, clock.now());
  clock.schedule();
}

function turn(): void {
  const now = clock.now();
  udp.flush();
  if (hop === undefined) return;
  hop.tick(now);
  clock.wakeAt(hop.deadline);
}

/** Bursts every millisecond or whenever the timer comes, as many as the time since then is worth. */
function sendPlainly(size: number, rate: number): void {
  const begun = performance.now();
  let sentBytes = 0;
  plain = setInterval(() => {
    const due = ((performance.now() - begun) * rate) / 1000;
    for (; sentBytes < due; sentBytes += size) udp.unicast(peer.id, "data", new Uint8Array(size));
  }, 1);
}
