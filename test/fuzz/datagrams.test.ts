import fc from "fast-check";
import { expect, test } from "vitest";
import { Random } from "../../src/base/random.ts";
import { Kind, readPrefix } from "../../src/wire/prefix.ts";
import { decodeToken } from "../../src/wire/ring-token.ts";
import { town } from "./cluster.ts";
import { mutated, pick } from "./mutation.ts";

const SERVICES = ["unreliable", "reliable", "fifo", "causal", "agreed", "safe"] as const;
const SEEDS = Number(process.env["FUZZ_RUNS"] ?? 10);

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

const seeds = fc.integer({ min: 0, max: 0x7fff_ffff });

test("mutated datagrams of members amid live traffic break nothing", () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const { daemons } = fuzz(seed, () => true);
      // What a lie did to one daemon may keep it apart, but every daemon goes on.
      for (const { node } of daemons) expect(node.deadline).toBeLessThan(Number.POSITIVE_INFINITY);
    }),
    { numRuns: SEEDS },
  );
});

test("unless a token lies about what all have received, the daemons find together again", () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const { daemons, network } = fuzz(seed, (bytes) => !isToken(bytes));
      network.run(30_000);
      const ids = daemons.map(({ id }) => id);
      for (const { name, node } of daemons) {
        expect(node.evs.configuration.members, name).toEqual(ids);
        expect(node.evs.state, name).toBe("operational");
      }
    }),
    { numRuns: SEEDS },
  );
});

function isToken(bytes: Uint8Array): boolean {
  const prefix = readPrefix(bytes);
  return typeof prefix !== "string" && prefix.kind === Kind.ringToken && decodeToken(prefix, bytes) !== undefined;
}

/** Three daemons at work, between which some datagrams are made up of others; then there is silence again. */
function fuzz(seed: number, isSent: (forged: Uint8Array) => boolean): ReturnType<typeof town> {
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
    const [to, channel] = [pick(random, ids), pick(random, ["token", "data"] as const)];
    if (isSent(forged)) network.post({ from: 0, to, channel, bytes: forged });
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
  return { network, daemons };
}
