import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Connection, join, OneDaemon } from "../../test/session/one-daemon.ts";
import { framesOf, toHex } from "../../test/vectors/vectors.ts";
import { decodeMembership } from "../wire/spread/membership.ts";
import { TypeBit } from "../wire/spread/codes.ts";
import { encodeFrame } from "../wire/spread/frame.ts";
import { encodeChoice, encodeCredentials, encodeHello } from "../wire/spread/handshake.ts";
import { asciiBytes } from "../wire/spread/names.ts";

const NOTHING = new Uint8Array(0);
const priv = (user: string): string => `#${user}#localhost`;
const joinOf = (user: string, group: string): Uint8Array => encodeFrame(TypeBit.join, priv(user), [group], 0, NOTHING);
const killOf = (user: string): Uint8Array => encodeFrame(TypeBit.kill, priv(user), [priv(user)], 0, NOTHING);
const dataOf = (user: string, group: string, text: string, type: number = TypeBit.agreed): Uint8Array =>
  encodeFrame(type, priv(user), [group], 1, asciiBytes(text));

function connect(daemon: OneDaemon, user: string, priority = 0): Connection {
  const connection = daemon.connect();
  connection.send(encodeHello(user, true, priority));
  connection.send(encodeChoice(["NULL"]));
  connection.take();
  return connection;
}

describe("handshake", () => {
  test("list and verdict are one write each", () => {
    const daemon = new OneDaemon();
    const connection = daemon.connect();
    connection.send(join([encodeHello("ann", true, 0), encodeChoice(["NULL"]), joinOf("ann", "g")]));
    expect(connection.writes.slice(0, 2).map((chunks) => toHex(join(chunks)).slice(0, 12))).toEqual([
      "054e554c4c20",
      "010500010e23",
    ]);
    expect(connection.writes.length).toBe(3);
  });

  test("a name stays taken until the end of its session has been ordered", () => {
    const daemon = new OneDaemon();
    const first = connect(daemon, "ann");
    daemon.flowing = false;
    first.close();
    const early = daemon.connect();
    early.send(encodeHello("ann", true, 0));
    expect(toHex(early.received())).toBe("fa");
    daemon.flowing = true;
    daemon.run();
    const late = connect(daemon, "ann");
    expect(late.closed).toBe(false);
    expect(daemon.sessions.sessionCount).toBe(1);
  });

  test("a name is free again when its handshake leads to nothing", () => {
    const daemon = new OneDaemon();
    const first = daemon.connect();
    first.send(encodeHello("ann", true, 0));
    const second = daemon.connect();
    second.send(encodeHello("ann", true, 0));
    expect(toHex(second.received())).toBe("fa");
    first.close();
    expect(connect(daemon, "ann").closed).toBe(false);
    daemon.advance(10_000);
    expect(daemon.sessions.sessionCount).toBe(1);
    expect(daemon.sessions.deadline).toBe(Number.POSITIVE_INFINITY);
  });

  test("PWORD: the password decides, and one byte says so before the verdict", () => {
    const daemon = new OneDaemon({ allowedMethods: ["NULL", "PWORD"] });
    daemon.passwords.set("ann", "secret");
    const answer = (password: string): string => {
      const connection = daemon.connect();
      connection.send(join([encodeHello("x", true, 0), encodeChoice(["PWORD"]), encodeCredentials("ann", password)]));
      const bytes = connection.received();
      connection.close();
      return toHex(bytes.subarray(12));
    };
    expect(answer("secret").startsWith("01010500010c")).toBe(true);
    expect(answer("wrong")).toBe("00f7");
    expect(daemon.sessions.sessionCount).toBe(0);
  });

  test("old clients have no say in authentication: IP decides where it is enabled", () => {
    const hello = Uint8Array.of(3, 14, 1, 1, 0x61);
    const closed = new OneDaemon({ allowedMethods: ["NULL", "IP"] }).connect();
    closed.send(hello);
    expect(toHex(closed.received())).toBe("f7");
    const open = new OneDaemon({ allowedMethods: ["NULL", "IP"], access: [{ kind: "local" }] }).connect();
    open.send(hello);
    expect(toHex(open.received())).toBe(`0105000c${toHex(asciiBytes("#a#localhost"))}`);
  });

  test("what is no method of this daemon, or none at all, is refused", () => {
    for (const methods of [[], ["PWORD"], ["NULL", "KERBEROS"]]) {
      const connection = new OneDaemon().connect();
      connection.send(encodeHello("a", true, 0));
      connection.take();
      connection.send(encodeChoice(methods));
      expect(toHex(connection.take())).toBe("f7");
      expect(connection.closed).toBe(true);
    }
  });
});

describe("messages", () => {
  test("what is submitted is a view of the chunk that arrived", () => {
    const daemon = new OneDaemon();
    const connection = connect(daemon, "ann", 3);
    const chunk = join([dataOf("ann", "g", "one"), dataOf("ann", "g", "two", TypeBit.safe)]);
    daemon.sessions.received(connection.number, chunk, 0);
    expect(daemon.submissions.map(({ service, priority }) => [service, priority])).toEqual([
      ["agreed", 3],
      ["safe", 3],
    ]);
    for (const { pieces } of daemon.submissions) expect(pieces[0]?.buffer).toBe(chunk.buffer);
  });

  test("the deliveries of a turn are one write, the very bytes that were ordered", () => {
    const daemon = new OneDaemon();
    const ann = connect(daemon, "ann");
    ann.send(joinOf("ann", "g"));
    ann.writes.length = 0;
    ann.send(join(Array.from({ length: 50 }, (_, n) => dataOf("ann", "g", `${n % 10}`))));
    expect(ann.writes.length).toBe(1);
    expect(ann.writes[0]?.length).toBe(50);
    expect(ann.writes[0]?.[7]).toBe(daemon.submissions.at(-43)?.pieces[0]);
  });

  test("after KILL nothing is read or delivered, and the connection closes when it is ordered", () => {
    const daemon = new OneDaemon();
    const ann = connect(daemon, "ann");
    const bob = connect(daemon, "bob");
    ann.send(joinOf("ann", "g"));
    bob.send(joinOf("bob", "g"));
    ann.take();
    bob.take();
    daemon.flowing = false;
    ann.send(join([dataOf("ann", "g", "last"), killOf("ann"), dataOf("ann", "g", "never")]));
    expect(ann.reading).toBe(false);
    expect(ann.closed).toBe(false);
    daemon.flowing = true;
    daemon.run();
    expect(ann.closed).toBe(true);
    expect(ann.take().length).toBe(0);
    const frames = framesOf(bob.take());
    expect(frames.length).toBe(2);
    expect(frames[1]?.startsWith("80140080")).toBe(true);
  });

  test("a connection that closes without KILL ends its session by SAFE, behind what it sent", () => {
    const daemon = new OneDaemon();
    const ann = connect(daemon, "ann");
    daemon.congested = true;
    ann.send(dataOf("ann", "g", "last"));
    ann.close();
    expect(daemon.submissions.length).toBe(0);
    daemon.congested = false;
    daemon.sessions.uncongested(0);
    expect(daemon.submissions.map(({ service }) => service)).toEqual(["agreed", "safe"]);
    daemon.run();
    expect(daemon.sessions.sessionCount).toBe(0);
    expect(daemon.attached.size).toBe(0);
  });

  test("nothing is read while the ring is congested, then sessions go on by turns", () => {
    const daemon = new OneDaemon();
    const [ann, bob] = [connect(daemon, "ann"), connect(daemon, "bob")];
    daemon.congested = true;
    for (const [client, name] of [
      [ann, "ann"],
      [bob, "bob"],
    ] as const) {
      client.send(join(Array.from({ length: 100 }, () => dataOf(name, "g", "x"))));
      expect(client.reading).toBe(false);
    }
    expect(daemon.submissions.length).toBe(0);
    daemon.congested = false;
    daemon.sessions.uncongested(0);
    const senders = daemon.submissions.map(({ session }) => session);
    expect(senders.length).toBe(200);
    expect(senders.indexOf(2)).toBe(64);
    expect(senders.lastIndexOf(1)).toBeLessThan(199);
    expect(ann.reading && bob.reading).toBe(true);
  });

  test("while group state is exchanged nothing of clients is submitted, not even their ends", () => {
    const daemon = new OneDaemon();
    const [ann, bob] = [connect(daemon, "ann"), connect(daemon, "bob")];
    daemon.sessions.block();
    ann.send(dataOf("ann", "g", "x"));
    bob.send(Uint8Array.from({ length: 48 }, () => 0xff));
    bob.close();
    expect(daemon.submissions.length).toBe(0);
    daemon.sessions.unblock();
    expect(daemon.submissions.map(({ session }) => session)).toEqual([1, 2]);
  });

  test("without patience, who does not read is ended at the limit in messages, and others see it leave", () => {
    const daemon = new OneDaemon({ queueMessagesMax: 100, slowPatienceMs: 0 });
    const [slow, fast] = [connect(daemon, "slow"), connect(daemon, "fast")];
    slow.send(joinOf("slow", "g"));
    fast.send(joinOf("fast", "g"));
    slow.taking = false;
    for (let n = 0; n < 101; n++) fast.send(dataOf("fast", "g", "x"));
    expect(slow.closed).toBe(false);
    fast.take();
    fast.send(dataOf("fast", "g", "one too many"));
    expect(slow.closed).toBe(true);
    const end = framesOf(fast.take()).at(-1) ?? "";
    expect(end.startsWith("80140080")).toBe(true);
    expect(daemon.events.at(-1)).toMatchObject({ kind: "ending", reason: "slow" });
  });

  test("what waits long keeps nothing alive that lay beside it", () => {
    const daemon = new OneDaemon();
    const slow = connect(daemon, "slow");
    slow.send(joinOf("slow", "g"));
    slow.taking = false;
    slow.send(dataOf("slow", "g", "x"));
    slow.take();
    slow.writes.length = 0;
    const [number] = daemon.attached.keys();
    const frame = dataOf("slow", "g", "some data");
    const inRead = (bytes: Uint8Array): Uint8Array => {
      const read = new Uint8Array(60_000);
      read.set(bytes, 1_000);
      return read.subarray(1_000, 1_000 + bytes.length);
    };
    for (let n = 0; n < 500; n++) {
      daemon.sessions.deliver([number as number], inRead(frame.subarray(0, 85)), inRead(frame.subarray(85)));
    }
    slow.drain();
    const chunks = slow.writes.flat();
    const memory = new Set(chunks.map(({ buffer }) => buffer));
    expect([...memory].reduce((sum, { byteLength }) => sum + byteLength, 0)).toBeLessThan(2_000_000);
    expect(framesOf(join(chunks))).toEqual(Array.from({ length: 500 }, () => framesOf(frame)[0]));
  });

  test("who does not read is ended at the limit in bytes", () => {
    const daemon = new OneDaemon({ queueBytesMax: 10_000 });
    const slow = connect(daemon, "slow");
    slow.send(joinOf("slow", "g"));
    slow.taking = false;
    slow.send(dataOf("slow", "g", "x"));
    slow.send(join(Array.from({ length: 12 }, () => dataOf("slow", "g", "x".repeat(1_000)))));
    expect(slow.closed).toBe(true);
  });

  test("a receiver that is behind holds its group up until what waits for it is written, and is not ended", () => {
    const daemon = new OneDaemon({ queueMessagesMax: 100 });
    const [slow, fast] = [connect(daemon, "slow"), connect(daemon, "fast")];
    slow.send(joinOf("slow", "g"));
    for (let round = 1; round <= 10; round++) {
      slow.taking = false;
      fast.send(dataOf("fast", "g", "x"));
      fast.send(join(Array.from({ length: 500 }, () => dataOf("fast", "g", "x"))));
      expect(daemon.held).toEqual(["g"]);
      fast.send(dataOf("fast", "g", "x"));
      expect(fast.reading).toBe(false);
      daemon.advance(900);
      slow.drain();
      slow.taking = true;
      expect(daemon.held).toEqual([]);
      expect(fast.reading).toBe(true);
    }
    expect(slow.closed).toBe(false);
    expect(framesOf(slow.take()).length).toBe(1 + 10 * 502);
  });

  test("what is sent to its private group waits, too, for a client that is behind", () => {
    const daemon = new OneDaemon({ queueMessagesMax: 100 });
    const [slow, fast] = [connect(daemon, "slow"), connect(daemon, "fast")];
    slow.taking = false;
    fast.send(dataOf("fast", priv("slow"), "x"));
    fast.send(join(Array.from({ length: 500 }, () => dataOf("fast", priv("slow"), "x"))));
    expect(daemon.held).toEqual([priv("slow")]);
    daemon.advance(1_000);
    expect(slow.closed).toBe(true);
    expect(daemon.held).toEqual([]);
  });

  test("nobody waits for a Spread client in a group that drops: it cannot be told what it missed, and is ended", () => {
    const daemon = new OneDaemon({ queueMessagesMax: 100 });
    daemon.policies.set("d", "drop");
    const [slow, fast] = [connect(daemon, "slow"), connect(daemon, "fast")];
    slow.send(joinOf("slow", "d"));
    slow.taking = false;
    fast.send(dataOf("fast", "d", "x"));
    fast.send(join(Array.from({ length: 500 }, () => dataOf("fast", "d", "x"))));
    expect(daemon.held).toEqual([]);
    expect(slow.closed).toBe(true);
  });

  test("a queue of zero messages ends every session that gets anything", () => {
    const daemon = new OneDaemon({ queueMessagesMax: 0, slowPatienceMs: 0 });
    const ann = connect(daemon, "ann");
    ann.send(joinOf("ann", "g"));
    expect(ann.closed).toBe(true);
  });

  test("a burst of one turn to a client that reads is no reason to end it", () => {
    const daemon = new OneDaemon({ queueMessagesMax: 100 });
    const ann = connect(daemon, "ann");
    ann.send(joinOf("ann", "g"));
    ann.take();
    ann.send(join(Array.from({ length: 5_000 }, () => dataOf("ann", "g", "x"))));
    expect(framesOf(ann.take()).length).toBe(5_000);
  });

  test("a group that waits is held while a receiver is behind, and its senders are not read", () => {
    const daemon = new OneDaemon({ queueMessagesMax: 100 });
    daemon.policies.set("w", "wait");
    const [slow, fast] = [connect(daemon, "slow"), connect(daemon, "fast")];
    slow.send(joinOf("slow", "w"));
    slow.taking = false;
    for (let n = 0; n < 51; n++) fast.send(dataOf("fast", "w", "x"));
    expect(daemon.held).toEqual([]);
    fast.send(join(Array.from({ length: 500 }, () => dataOf("fast", "w", "x"))));
    expect(daemon.held).toEqual(["w"]);
    const before = daemon.submissions.length;
    fast.send(join([dataOf("fast", "other", "x"), dataOf("fast", "w", "x")]));
    expect(daemon.submissions.length).toBe(before + 1);
    expect(fast.reading).toBe(false);
    expect(slow.closed).toBe(false);
    slow.drain();
    expect(daemon.held).toEqual([]);
    expect(fast.reading).toBe(true);
    expect(daemon.submissions.length).toBe(before + 2);
    expect(framesOf(slow.take()).length).toBe(1 + 51 + 500 + 1);
  });
});

test("who holds a group by not reading and waits to send to it lets go of it when its connection closes", () => {
  const daemon = new OneDaemon({ queueMessagesMax: 10 });
  daemon.policies.set("w", "wait");
  const slow = connect(daemon, "slow");
  slow.send(joinOf("slow", "w"));
  slow.taking = false;
  for (let n = 0; n < 8; n++) slow.send(dataOf("slow", "w", "x"));
  expect(daemon.held).toEqual(["w"]);
  expect(slow.reading).toBe(false);
  slow.send(dataOf("slow", "w", "last"));
  slow.close();
  expect(daemon.held).toEqual([]);
  expect(daemon.submissions.map(({ service }) => service).slice(-2)).toEqual(["agreed", "safe"]);
  expect(daemon.sessions.sessionCount).toBe(0);
});

describe("robustness", () => {
  const SCRIPT = join([
    encodeHello("ann", true, 0),
    encodeChoice(["NULL"]),
    joinOf("ann", "g"),
    dataOf("ann", "g", "hello"),
    dataOf("ann", "g", "x".repeat(70_000), TypeBit.safe),
    encodeFrame(TypeBit.leave, priv("ann"), ["g"], 0, NOTHING),
    killOf("ann"),
  ]);

  function outcome(chunks: readonly Uint8Array[]): { received: string; submitted: string[]; closed: boolean } {
    const daemon = new OneDaemon();
    // What is delivered before the end is known depends on time: here nothing is.
    daemon.flowing = false;
    const connection = daemon.connect();
    for (const chunk of chunks) if (!connection.closed) connection.send(chunk);
    const submitted = daemon.submissions.map(
      ({ service, pieces }) => `${service} ${toHex(join(pieces)).slice(0, 400)}`,
    );
    return { received: toHex(connection.received()), submitted, closed: connection.closed };
  }

  function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
    const at = [0, ...places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
    return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
  }

  test("how bytes are grouped makes no difference", () => {
    const whole = outcome([SCRIPT]);
    expect(whole.submitted.length).toBe(5);
    expect(whole.closed).toBe(false);
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.nat(400), fc.nat()), { maxLength: 12 }), (places) => {
        expect(outcome(cut(SCRIPT, places))).toEqual(whole);
      }),
      { numRuns: 30 },
    );
    expect(outcome(Array.from(SCRIPT.subarray(0, 600), (byte) => Uint8Array.of(byte)))).toEqual(
      outcome([SCRIPT.subarray(0, 600)]),
    );
  });

  test("damaged bytes in any grouping end the session or are read, never an exception", () => {
    const short = SCRIPT.subarray(0, 420);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
        fc.array(fc.nat(), { maxLength: 6 }),
        (damage, places) => {
          const bytes = short.slice();
          for (const [at, byte] of damage) bytes[at % bytes.length] = byte;
          const apart = outcome(cut(bytes, places));
          expect(apart).toEqual(outcome([bytes]));
        },
      ),
      { numRuns: 300 },
    );
  });

  test("arbitrary bytes never make an exception", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 }), (chunks) => {
        const daemon = new OneDaemon();
        const connection = daemon.connect();
        for (const chunk of chunks) if (!connection.closed) connection.send(chunk);
        daemon.advance(60_000);
        expect(connection.closed || daemon.sessions.sessionCount === 1).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test("membership notices are what a client library reads", () => {
    const daemon = new OneDaemon();
    const ann = connect(daemon, "ann");
    ann.send(joinOf("ann", "g"));
    expect(decodeMembership(ann.take())).toMatchObject({
      kind: "view",
      cause: "join",
      members: [priv("ann")],
      ownSet: 0,
    });
  });
});
