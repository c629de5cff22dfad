import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Random } from "../base/random.ts";
import { EVERYBODY } from "../ordering/interest.ts";
import { Packer } from "../ordering/packer.ts";
import { Kind, writePrefix } from "../wire/prefix.ts";
import { RING_DATA_HEAD_BYTES, writeRingDataHead } from "../wire/ring-data.ts";
import { decodeSiteObject, encodeSiteObject, SITE_OBJECT_BYTES_MAX, usualHead } from "../wire/site-object.ts";
import { HeardHeads, KnownHeads } from "./known-heads.ts";

const CONFIGURATION = { leader: 7, time: 99 };
const DATAGRAM_BYTES = 1_400;
const usual = usualHead({ version: 1, confHash: 7 }, CONFIGURATION, 3, 7);

const EMPTY = new Uint8Array(0);

/** Packets of sessions that send client frames to groups, as they are on a ring. */
function packets(random: Random, sessions: number, messages: number, bytesMax: number): Uint8Array[] {
  const packer = new Packer({
    dependency: () => ({ lts: random.integer(0, 999), site: 3 }),
    prunes: () => false,
    stable: () => 0,
    knowledge: () => 0,
    interest: () => EVERYBODY,
  });
  for (let i = 0; i < messages; i++) {
    const session = random.integer(1, sessions);
    const frame = new Uint8Array(104 + random.integer(0, bytesMax)).fill(session, 0, 104);
    for (let at = 104; at < frame.length; at++) frame[at] = 1 + ((at * session + i) % 255);
    new DataView(frame.buffer).setFloat64(16, i);
    packer.enqueue({ session, priority: 0, service: random.integer(0, 5), content: 1, pieces: [frame] });
  }
  const made: Uint8Array[] = [];
  while (!packer.isEmpty) {
    const seq = made.length + 1;
    const bytes = new Uint8Array(DATAGRAM_BYTES);
    const end = packer.fill(bytes, RING_DATA_HEAD_BYTES, { seq, lts: 10 * seq, site: 3 });
    // Some padded, some of other daemons.
    const packet = bytes.subarray(0, random.chance(0.5) ? end : DATAGRAM_BYTES);
    writePrefix(packet, 0, 1, Kind.ringData, 7, end - 16, random.chance(0.5) ? 7 : 8, packet.length);
    writeRingDataHead(packet, CONFIGURATION, 3, seq, 10 * seq, seq, 0);
    made.push(packet);
  }
  return made;
}

/** A hop that carries one object in a datagram, in any order, and tells by and by what has come. */
class Line {
  sent = 0;
  acknowledged = 0;
  bytes = 0;
  readonly received = new Map<number, Uint8Array | undefined>();
  readonly #known = new KnownHeads(() => this);
  readonly #heard = new HeardHeads();
  readonly #underWay: { readonly seq: number; readonly object: Uint8Array }[] = [];

  send(packet: Uint8Array): void {
    const object = encodeSiteObject({ source: 3, sites: undefined, packet }, usual, this.#known);
    expect(object.length).toBeLessThanOrEqual(packet.length + SITE_OBJECT_BYTES_MAX);
    this.bytes += object.length;
    this.#underWay.push({ seq: ++this.sent, object });
  }

  receive(which: number): void {
    const [one] = this.#underWay.splice(which % this.#underWay.length, 1);
    if (one !== undefined) this.received.set(one.seq, decodeSiteObject(one.object, () => usual, this.#heard)?.packet);
  }

  acknowledge(): void {
    while (this.received.has(this.acknowledged + 1)) this.acknowledged++;
  }

  get isBusy(): boolean {
    return this.#underWay.length > 0;
  }
}

describe("packets relative to heads that both ends of a hop know", () => {
  test("come back as they were, in whatever order they come and however late that is told", () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(1, 3, 400), fc.constantFrom(0, 60, 3_000), (seed, sessions, bytesMax) => {
        const random = new Random(seed);
        const sent = packets(random, sessions, 200, bytesMax);
        const line = new Line();
        for (const packet of sent) {
          line.send(packet.slice());
          while (line.isBusy && random.chance(0.66)) line.receive(random.integer(0, 999));
          if (random.chance(0.2)) line.acknowledge();
        }
        while (line.isBusy) line.receive(random.integer(0, 999));
        const isSame = (packet: Uint8Array, i: number) =>
          Buffer.compare(packet, line.received.get(i + 1) ?? EMPTY) === 0;
        expect(sent.map(isSame)).toEqual(sent.map(() => true));
      }),
      { numRuns: 25 },
    );
  });

  test("take little more than their payload", () => {
    const random = new Random(1);
    const sent = packets(random, 20, 2_000, 200);
    const line = new Line();
    for (const packet of sent) {
      line.send(packet);
      line.receive(0);
      line.acknowledge();
    }
    const payload = 2_000 * 100;
    const before = sent.reduce((sum, { length }) => sum + length, 0);
    expect(before).toBeGreaterThan(2.2 * payload);
    expect(line.bytes).toBeLessThan(1.4 * payload);
  });

  test("of more sessions than there are slots, those that send are known", () => {
    const line = new Line();
    const random = new Random(2);
    for (let round = 0; round < 4; round++) {
      for (const packet of packets(random, 300, 300, 100)) {
        line.send(packet);
        line.receive(0);
        line.acknowledge();
      }
    }
    const before = line.bytes;
    const few = packets(random, 3, 300, 100);
    for (const packet of few) {
      line.send(packet);
      line.receive(0);
      line.acknowledge();
    }
    expect(line.bytes - before).toBeLessThan(1.7 * 300 * 50);
  });
});
