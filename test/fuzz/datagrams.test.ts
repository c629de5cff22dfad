import fc from "fast-check";
import { expect, test } from "vitest";
import { Random } from "../../src/base/random.ts";
import { WIRE_VERSION_MAX } from "../../src/wire/prefix.ts";
import { town } from "./cluster.ts";
import { mutated, pick } from "./mutation.ts";

const SERVICES = ["unreliable", "reliable", "fifo", "causal", "agreed", "safe"] as const;
const SEEDS = Number(process.env.FUZZ_RUNS ?? 12);

test("arbitrary datagrams are dropped and counted, and change nothing", () => {
  const { network, daemons } = town();
  const target = daemons[1] as (typeof daemons)[number];
  const { configuration, drops } = target.node.evs;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const before = Object.values(drops).reduce((sum, count) => sum + count, 0);
      network.post({ from: 7, to: target.id, channel: "data", bytes });
      network.run(0.2);
      const after = Object.values(drops).reduce((sum, count) => sum + count, 0);
      expect(after - before).toBe(bytes.length === 0 ? 0 : 1);
    }),
  );
  network.run(1_000);
  expect(target.node.evs.configuration).toBe(configuration);
});

test("mutated datagrams of members amid live traffic break nothing, and the daemons find together again", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0x7fff_ffff }), (seed) => fuzz(seed)),
    { numRuns: SEEDS },
  );
});

function fuzz(seed: number): void {
  const random = new Random(seed);
  const { network, daemons } = town();
  const ids = daemons.map(({ id }) => id);
  const seen: Uint8Array[] = [];
  const rate = pick(random, [0.02, 0.1, 0.5, 0.9]);
  let forging = true;
  network.arrives = ({ bytes }) => {
    // Some of the oldest are kept, so that old configurations are replayed as well.
    if (seen.length < 300) seen.push(bytes);
    else seen[random.integer(30, 299)] = bytes;
    if (!forging || !random.chance(rate)) return;
    const forged = random.chance(0.1) ? pick(random, seen) : mutated(random, seen, [...ids, 77]);
    network.post({ from: 0, to: pick(random, ids), channel: pick(random, ["token", "data"] as const), bytes: forged });
  };
  for (let i = 0; i < 60; i++) {
    const daemon = pick(random, daemons);
    daemon.say(pick(random, SERVICES), new Uint8Array(random.integer(0, 5_000)).fill(i));
    network.run(random.integer(0, 100));
    if (random.chance(0.1)) {
      const [a, b] = [pick(random, ids), pick(random, ids)];
      network.passes = ({ from, to }) => !(from === a && to === b);
    } else {
      network.passes = () => true;
    }
  }
  forging = false;
  network.passes = () => true;
  network.run(30_000);
  for (const daemon of daemons) {
    expect(daemon.node.evs.configuration.members, daemon.name).toEqual(ids);
    expect(daemon.node.evs.state, daemon.name).toBe("operational");
    expect(daemon.node.evs.version).toBeLessThanOrEqual(WIRE_VERSION_MAX);
  }
}
