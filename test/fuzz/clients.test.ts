import fc from "fast-check";
import { expect, test } from "vitest";
import { Random } from "../../src/base/random.ts";
import { PREFACE } from "../../src/wire/native/envelope.ts";
import { encodeNative } from "../../src/wire/native/messages.ts";
import { TypeBit } from "../../src/wire/spread/codes.ts";
import { encodeFrame } from "../../src/wire/spread/frame.ts";
import { encodeChoice, encodeHello } from "../../src/wire/spread/handshake.ts";
import { join } from "../session/one-daemon.ts";
import { town } from "./cluster.ts";
import { pick } from "./mutation.ts";

const RUNS = Number(process.env["FUZZ_RUNS"] ?? 60);
const seeds = fc.integer({ min: 0, max: 0x7fff_ffff });

/** What a client of either protocol may say that is right, in pieces. */
function conversation(random: Random, user: string): Uint8Array[] {
  const isNative = random.chance(0.5);
  const types = Object.values(TypeBit);
  const frames = Array.from({ length: 8 }, () => {
    const type = random.chance(0.8) ? pick(random, types) : pick(random, types) | pick(random, types);
    const groups = Array.from({ length: random.integer(0, 3) }, () =>
      pick(random, ["g", "h", "#u1#two", `#${user}#one`]),
    );
    return encodeFrame(
      type,
      isNative ? "" : `#${user}#one`,
      groups,
      random.integer(-3, 3),
      new Uint8Array(random.integer(0, 400)),
    );
  });
  if (!isNative) return [encodeHello(user, random.chance(0.5), 0), encodeChoice(["NULL"]), ...frames];
  const hello = encodeNative({
    kind: "hello",
    version: 1,
    membership: true,
    priority: 0,
    user,
    ticket: new Uint8Array(24),
    lastDelivered: 0,
    method: "NULL",
    credentials: new Uint8Array(0),
  });
  const sends = frames.map((frame, i) => encodeNative({ kind: "send", number: i + 1, frame }));
  const statistics = Uint8Array.from({ length: random.integer(0, 40) }, () => random.integer(0, 255));
  sends.push(encodeNative({ kind: "nodeStatistics", statistics }), encodeNative({ kind: "status", whole: true }));
  return [PREFACE, hello, ...sends, encodeNative({ kind: "ack", deliveryNumber: random.integer(0, 9) })];
}

function damage(random: Random, bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  for (let i = random.integer(0, 3); i > 0 && copy.length > 0; i--) {
    copy[random.integer(0, copy.length - 1)] = pick(random, [0, 1, 0x7f, 0x80, 0xff, random.integer(0, 255)]);
  }
  return random.chance(0.2) ? copy.subarray(0, random.integer(0, copy.length)) : copy;
}

test("whatever bytes clients send, in whatever pieces, the daemon serves the others", () => {
  const { network, daemons } = town();
  const [one, two] = daemons as [(typeof daemons)[number], (typeof daemons)[number]];
  let connection = 100;
  const marker = (seed: number): Uint8Array => new TextEncoder().encode(`served ${seed}`);
  fc.assert(
    fc.property(seeds, (seed) => {
      const random = new Random(seed);
      const number = connection++;
      one.node.connected(number, { kind: "tcp", address: "127.0.0.1" }, network.now);
      const whole = join(
        conversation(random, `f${number}`).map((part) => (random.chance(0.3) ? damage(random, part) : part)),
      );
      for (let at = 0; at < whole.length; ) {
        const end = Math.min(whole.length, at + random.integer(1, 200));
        one.bytes(number, whole.subarray(at, end));
        at = end;
        if (random.chance(0.2)) network.run(random.integer(0, 3));
      }
      one.node.closed(number, network.now);
      two.take();
      one.say("agreed", marker(seed));
      network.run(20);
      expect(new TextDecoder("latin1").decode(two.take())).toContain(`served ${seed}`);
    }),
    { numRuns: RUNS },
  );
  for (const { node } of daemons) expect(node.evs.configuration.members.length).toBe(3);
});

test("arbitrary bytes on a connection do no harm", () => {
  const { network, daemons } = town();
  const [one, two] = daemons as [(typeof daemons)[number], (typeof daemons)[number]];
  let connection = 100;
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 120 }), { maxLength: 5 }), fc.boolean(), (pieces, hangsUp) => {
      const number = connection++;
      one.node.connected(number, { kind: "tcp", address: "127.0.0.1" }, network.now);
      for (const piece of pieces) one.bytes(number, piece);
      if (hangsUp) one.node.closed(number, network.now);
      network.run(1);
    }),
    { numRuns: RUNS },
  );
  two.take();
  one.say("safe", new TextEncoder().encode("still served"));
  network.run(50);
  expect(new TextDecoder("latin1").decode(two.take())).toContain("still served");
});
