import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import { DisseminationProbe, probeDefaults, type Via } from "./dissemination-probe.ts";

/** Daemons 1 … n on a network that loses what `loses` says. */
class Segment {
  readonly daemons = new Map<number, DisseminationProbe>();
  now = 0;
  loses: (from: number, to: number, via: Via) => boolean = () => false;

  constructor(count: number) {
    for (let id = 1; id <= count; id++) this.start(id, count, id * 1000);
  }

  start(id: number, count: number, firstRound: number): void {
    const others = Array.from({ length: count }, (_, i) => i + 1).filter((other) => other !== id);
    const probe = new DisseminationProbe(
      { self: id, others, wireVersion: 1, confHash: 7, firstRound, ...probeDefaults },
      {
        probe: (via, bytes) => {
          for (const other of others) {
            if (!this.loses(id, other, via)) this.daemons.get(other)?.receive(id, bytes, this.now);
          }
        },
      },
    );
    this.daemons.set(id, probe);
  }

  run(ms: number): void {
    const end = this.now + ms;
    for (; this.now < end; this.now += 10) for (const daemon of this.daemons.values()) daemon.tick(this.now);
  }

  get via(): Via[] {
    return [...this.daemons.values()].map((daemon) => daemon.via);
  }
}

describe("DisseminationProbe", () => {
  it("starts with unicast and finds multicast where it works within a second", () => {
    const segment = new Segment(3);
    expect(segment.via).toEqual(["unicast", "unicast", "unicast"]);
    segment.run(1000);
    expect(segment.via).toEqual(["multicast", "multicast", "multicast"]);
  });

  it("stays with unicast where multicast does not reach everyone", () => {
    const segment = new Segment(3);
    segment.loses = (_from, to, via) => via === "multicast" && to === 3;
    segment.run(30_000);
    expect(segment.via).toEqual(["unicast", "unicast", "multicast"]);
  });

  it("falls back when multicast stops working, and returns when it works again", () => {
    const segment = new Segment(2);
    segment.run(5_000);
    segment.loses = (_from, _to, via) => via === "multicast";
    segment.run(40_000);
    expect(segment.via).toEqual(["unicast", "unicast"]);
    segment.loses = () => false;
    segment.run(40_000);
    expect(segment.via).toEqual(["multicast", "multicast"]);
  });

  it("does not count a dead daemon against multicast", () => {
    const segment = new Segment(3);
    segment.run(2_000);
    segment.daemons.delete(3);
    segment.run(30_000);
    expect(segment.via).toEqual(["multicast", "multicast"]);
  });

  it("takes back a restarted daemon within a second of its start", () => {
    const segment = new Segment(2);
    segment.run(3_000);
    segment.start(2, 2, 987_654);
    segment.run(1_500);
    expect(segment.via).toEqual(["multicast", "multicast"]);
  });

  it("is not misled by loss that hits both ways alike", () => {
    const segment = new Segment(4);
    const random = new Random(5);
    segment.loses = () => random.chance(0.1);
    segment.run(60_000);
    expect(segment.via.every((via) => via === "multicast")).toBe(true);
  });

  it("has nothing to do alone", () => {
    const segment = new Segment(1);
    expect(segment.daemons.get(1)?.deadline).toBe(Number.POSITIVE_INFINITY);
  });

  it("survives any bytes", () => {
    const segment = new Segment(2);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        segment.daemons.get(1)?.receive(2, bytes, 0);
        expect(segment.daemons.get(1)?.via).toBe("unicast");
      }),
    );
  });
});
