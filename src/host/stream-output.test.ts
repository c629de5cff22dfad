import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StreamOutput } from "./stream-output.ts";

const bounds = { packetsMax: 8, bytesMax: 100, controlPacketsMax: 4, controlBytesMax: 40 };

/** An output whose kernel takes everything at once, unless it is told to block. */
class Station {
  isBlocked = false;
  readonly writes: Uint8Array[][] = [];
  readonly counters = { packetsSent: 0, bytesSent: 0, writes: 0, packetsDropped: 0 };
  readonly output = new StreamOutput(
    (pieces) => {
      this.writes.push([...pieces]);
      return !this.isBlocked;
    },
    this.counters,
    bounds,
  );

  /** A packet of so many bytes, all alike. */
  send(channel: "token" | "data", mark: number, length = 2): void {
    this.output.send(channel, new Uint8Array(length).fill(mark));
  }

  /** The marks of what was written, in order. */
  get marks(): number[] {
    return this.writes.flat().map((piece) => piece[0] as number);
  }
}

describe("StreamOutput", () => {
  it("writes all of a turn in one call, in the order in which it was sent", () => {
    const station = new Station();
    station.send("data", 1);
    station.send("data", 2);
    station.send("token", 3);
    station.send("data", 4);
    expect(station.writes).toEqual([]);
    station.output.flush();
    expect(station.writes).toHaveLength(1);
    expect(station.marks).toEqual([1, 2, 3, 4]);
    station.output.flush();
    expect(station.writes).toHaveLength(1);
    expect(station.counters).toEqual({ packetsSent: 4, bytesSent: 8, writes: 1, packetsDropped: 0 });
  });

  it("joins packets that lie one behind the other in memory", () => {
    const station = new Station();
    const slab = Uint8Array.from({ length: 30 }, (_, i) => i);
    for (const [start, end] of [
      [0, 10],
      [10, 20],
      [25, 30],
    ] as const) {
      station.output.send("data", slab.subarray(start, end));
    }
    station.output.flush();
    expect(station.writes).toEqual([[slab.subarray(0, 20), slab.subarray(25)]]);
    expect(station.counters.packetsSent).toBe(3);
  });

  it("lets tokens overtake data that waits for a kernel that takes nothing", () => {
    const station = new Station();
    station.isBlocked = true;
    station.send("data", 1);
    station.output.flush();
    station.send("data", 2);
    station.send("data", 3);
    station.send("token", 4);
    station.output.flush();
    expect(station.marks).toEqual([1]);
    station.isBlocked = false;
    station.output.drained();
    expect(station.marks).toEqual([1, 4, 2, 3]);
    // In order again.
    station.send("data", 5);
    station.send("token", 6);
    station.output.flush();
    expect(station.marks.slice(4)).toEqual([5, 6]);
  });

  it("drops what is beyond its bounds, counts it, and still has room for tokens", () => {
    const station = new Station();
    station.isBlocked = true;
    station.send("data", 0);
    station.output.flush();
    for (let i = 1; i <= 20; i++) station.send("data", i);
    for (let i = 101; i <= 110; i++) station.send("token", i);
    station.send("data", 99, 1_000);
    expect(station.output.waitingBytes).toBe(2 * (8 + 4));
    expect(station.counters.packetsDropped).toBe(12 + 6 + 1);
    station.isBlocked = false;
    station.output.drained();
    expect(station.marks).toEqual([0, 101, 102, 103, 104, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(station.output.waitingBytes).toBe(0);
  });

  it("loses and repeats nothing within its bounds, and keeps the order of each channel, whenever the kernel blocks", () => {
    const step = fc.record({
      channel: fc.constantFrom("token" as const, "data" as const),
      next: fc.constantFrom("nothing", "flush", "block", "drain"),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const station = new Station();
        const sent: Record<"token" | "data", number[]> = { token: [], data: [] };
        for (const [i, { channel, next }] of steps.entries()) {
          const { packetsDropped } = station.counters;
          station.send(channel, i);
          if (station.counters.packetsDropped === packetsDropped) sent[channel].push(i);
          if (next === "block") station.isBlocked = true;
          if (next === "flush" || next === "block") station.output.flush();
          if (next === "drain") {
            station.isBlocked = false;
            station.output.drained();
          }
          expect(station.output.waitingBytes).toBeLessThanOrEqual(bounds.bytesMax + bounds.controlBytesMax);
        }
        station.isBlocked = false;
        station.output.drained();
        const isToken = (mark: number) => steps[mark]?.channel === "token";
        expect(station.marks.filter(isToken)).toEqual(sent.token);
        expect(station.marks.filter((mark) => !isToken(mark))).toEqual(sent.data);
      }),
    );
  });
});
