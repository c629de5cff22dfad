import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import { Writer } from "../wire/bytes.ts";
import { Kind, packet, readPrefix } from "../wire/prefix.ts";
import { DisseminationProbe, probeDefaults, type Way, WAYS } from "./dissemination-probe.ts";

/** Daemons 1 … n on a network that loses what `loses` says. */
class Segment {
  readonly daemons = new Map<number, DisseminationProbe>();
  now = 0;
  loses: (from: number, to: number, way: Way) => boolean = (_from, _to, way) => way === "stream";

  readonly #ways: readonly Way[];

  constructor(count: number, ways: readonly Way[] = WAYS) {
    this.#ways = ways;
    for (let id = 1; id <= count; id++) this.start(id, count, id * 1000);
  }

  start(id: number, count: number, firstRound: number): void {
    const others = Array.from({ length: count }, (_, i) => i + 1).filter((other) => other !== id);
    const probe = new DisseminationProbe(
      {
        self: id,
        others,
        near: others,
        ways: this.#ways,
        largeBytes: 8_900,
        setting: "auto",
        wireVersion: 1,
        confHash: 7,
        firstRound,
        ...probeDefaults,
      },
      {
        probe: (way, bytes) => {
          for (const other of others) if (!this.loses(id, other, way)) this.receive(other, bytes);
        },
      },
    );
    this.daemons.set(id, probe);
  }

  receive(to: number, bytes: Uint8Array): void {
    const prefix = readPrefix(bytes);
    if (typeof prefix !== "string") this.daemons.get(to)?.receive(prefix, bytes, this.now);
  }

  run(ms: number): void {
    const end = this.now + ms;
    for (; this.now < end; this.now += 10) for (const daemon of this.daemons.values()) daemon.tick(this.now);
  }

  get via(): ("unicast" | "multicast")[] {
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

  it("finds that long datagrams get through, or do not where short ones do", () => {
    const segment = new Segment(2);
    const to = () => segment.daemons.get(1)?.largeTo(2);
    expect(to()).toBe("unknown");
    segment.run(1_000);
    expect(to()).toBe("works");
    segment.loses = (_from, _to, way) => way === "large";
    segment.run(30_000);
    expect(to()).toBe("fails");
    // Loss that hits all alike says nothing.
    const random = new Random(9);
    segment.loses = () => random.chance(0.1);
    segment.run(60_000);
    expect(to()).toBe("works");
  });

  it("knows sooner when it is told to hurry", () => {
    const segment = new Segment(2);
    segment.run(10_000);
    segment.loses = (_from, _to, way) => way === "large";
    for (const daemon of segment.daemons.values()) daemon.hurry(segment.now);
    segment.run(1_500);
    expect(segment.daemons.get(1)?.largeTo(2)).toBe("fails");
  });

  describe("where streams are possible", () => {
    /** Daemon 1's datagrams reach 2, and its streams too, as far as `cut` does not say otherwise. */
    const pair = (cut: (from: number, way: Way) => boolean): Segment => {
      const segment = new Segment(2);
      segment.loses = (from, _to, way) => cut(from, way);
      return segment;
    };
    const one = ({ daemons }: Segment): DisseminationProbe => daemons.get(1) as DisseminationProbe;

    it("finds that datagrams do not pass once a stream shows that somebody is there", () => {
      const segment = pair(() => true);
      expect(one(segment).lacksDatagrams(2, segment.now)).toBe(false);
      segment.run(1_600);
      expect(one(segment).lacksDatagrams(2, segment.now)).toBe(true);
      expect(one(segment).datagramsTo(2)).toBe("unknown");
      segment.loses = (_from, _to, way) => way !== "stream";
      for (const daemon of segment.daemons.values()) daemon.hurry(segment.now);
      segment.run(1_000);
      expect(one(segment).datagramsTo(2)).toBe("fails");
      expect(one(segment).reports).toMatchObject([{ daemon: 2, unicast: 0, stream: expect.any(Number) }]);
    });

    it("notices at the end that is heard when only one direction is cut", () => {
      const segment = pair((from, way) => way === "stream" || from === 1);
      segment.run(2_000);
      expect(one(segment).lacksDatagrams(2, segment.now)).toBe(true);
      segment.loses = (from, _to, way) => way !== "stream" && from === 1;
      for (const daemon of segment.daemons.values()) daemon.hurry(segment.now);
      segment.run(1_000);
      expect(one(segment).datagramsTo(2)).toBe("fails");
      expect(segment.daemons.get(2)?.datagramsTo(1)).toBe("works");
    });

    it("is content with datagrams that lose a tenth, and returns to them when they get through again", () => {
      const segment = pair(() => false);
      const random = new Random(3);
      segment.loses = (_from, _to, way) => way !== "stream" && random.chance(0.1);
      segment.run(60_000);
      expect(one(segment).datagramsTo(2)).toBe("works");
      expect(one(segment).lacksDatagrams(2, segment.now)).toBe(false);
      segment.loses = (_from, _to, way) => way !== "stream";
      expect(segment.via).toEqual(["multicast", "multicast"]);
      segment.run(30_000);
      expect(one(segment).datagramsTo(2)).toBe("fails");
      expect(segment.via).toEqual(["unicast", "unicast"]);
      segment.loses = () => false;
      segment.run(60_000);
      expect(one(segment).datagramsTo(2)).toBe("works");
    });

    it("understands a probe of a release that knows no streams", () => {
      const segment = pair(() => false);
      segment.run(2_000);
      const body = new Writer().u8(0).u32(5_000).u16(1).u32(1).u32(1_010).u16(0xffff).u16(0xffff).finish();
      segment.receive(1, packet(1, Kind.probe, 7, 2, body));
      expect(one(segment).isHeard(2)).toBe(true);
      expect(one(segment).settingOf(2)).toBe("auto");
    });

    it("tells the others how it is configured", () => {
      const segment = pair(() => false);
      expect(one(segment).settingOf(2)).toBeUndefined();
      segment.run(200);
      expect(one(segment).settingOf(2)).toBe("auto");
    });
  });

  it("says nothing of ways that it does not use", () => {
    const segment = new Segment(2, ["unicast"]);
    segment.run(30_000);
    expect(segment.daemons.get(1)?.reports).toMatchObject([
      { unicast: 15, reached: "unknown", datagrams: "works", large: "unknown" },
    ]);
  });

  it("has nothing to do alone", () => {
    const segment = new Segment(1);
    expect(segment.daemons.get(1)?.deadline).toBe(Number.POSITIVE_INFINITY);
  });

  it("survives any bytes", () => {
    const segment = new Segment(2);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        segment.receive(1, packet(1, Kind.probe, 7, 2, bytes));
        expect(segment.daemons.get(1)?.via).toBe("unicast");
      }),
    );
  });
});
