import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Kind, packet } from "../wire/prefix.ts";
import { PacketAssembler } from "./packet-assembler.ts";

const packets = fc.array(
  fc.uint8Array({ maxLength: 60 }).map((body) => packet(1, Kind.ringData, 7, 2, body)),
  { maxLength: 8 },
);

function joined(list: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(list));
}

/** Cuts bytes into pieces of these lengths, the last one what is left. */
function cut(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const length of lengths) {
    pieces.push(bytes.slice(at, at + length));
    at += length;
  }
  return [...pieces, bytes.slice(at)];
}

describe("PacketAssembler", () => {
  it("gives back the packets of a stream, wherever it is cut", () => {
    fc.assert(
      fc.property(packets, fc.array(fc.nat({ max: 40 }), { maxLength: 30 }), (sent, lengths) => {
        const taken: Uint8Array[] = [];
        const assembler = new PacketAssembler((bytes) => taken.push(bytes) > 0);
        for (const piece of cut(joined(sent), lengths)) expect(assembler.push(piece)).toBe(true);
        expect(taken).toEqual(sent);
      }),
    );
  });

  it("copies nothing that lies whole in a piece, and tells what came together", () => {
    const sent = [1, 2, 3].map((length) => packet(1, Kind.ringData, 7, 2, new Uint8Array(length)));
    const stream = joined(sent);
    const taken: { buffer: ArrayBufferLike; continues: boolean }[] = [];
    const assembler = new PacketAssembler(({ buffer }, continues) => taken.push({ buffer, continues }) > 0);
    const first = stream.slice(0, 20);
    assembler.push(first);
    const rest = stream.slice(20);
    assembler.push(rest);
    expect(taken.map(({ continues }) => continues)).toEqual([false, false, true]);
    expect(taken.map(({ buffer }) => buffer === first.buffer)).toEqual([true, false, false]);
    // The second one began in the first piece.
    expect(taken.map(({ buffer }) => buffer === rest.buffer)).toEqual([false, false, true]);
  });

  it("says so at the first bytes that are none of a packet, and never throws", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 })), (pieces) => {
        const assembler = new PacketAssembler(() => true);
        for (const piece of pieces) if (!assembler.push(piece)) break;
      }),
    );
    expect(new PacketAssembler(() => true).push(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"))).toBe(false);
    expect(new PacketAssembler(() => true).push(Uint8Array.of(0x41, 0x6e))).toBe(false);
    // A length shorter than the head.
    const short = packet(1, Kind.ringData, 7, 2, new Uint8Array(0));
    short[9] = 3;
    expect(new PacketAssembler(() => true).push(short)).toBe(false);
    const late = new PacketAssembler(() => true);
    expect(late.push(short.slice(0, 10))).toBe(true);
    expect(late.push(short.slice(10))).toBe(false);
  });

  it("takes nothing more once its user wants no more", () => {
    const one = packet(1, Kind.ringData, 7, 2, new Uint8Array(5));
    let count = 0;
    const assembler = new PacketAssembler(() => {
      count += 1;
      return false;
    });
    expect(assembler.push(joined([one, one, one]))).toBe(true);
    expect(assembler.push(one)).toBe(true);
    expect(count).toBe(1);
  });
});
