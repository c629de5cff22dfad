import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Connection, join, OneDaemon } from "../../test/session/one-daemon.ts";
import { Content } from "../ordering/content.ts";
import { envelopeBytes, PREFACE } from "../wire/native/envelope.ts";
import { decodeNative, encodeNative, type NativeHello, type NativeMessage } from "../wire/native/messages.ts";
import { TypeBit } from "../wire/spread/codes.ts";
import { encodeFrame } from "../wire/spread/frame.ts";
import { decodeMembership } from "../wire/spread/membership.ts";

const NEW = new Uint8Array(24);
const TEXT = new TextEncoder();

function helloOf(change: Partial<NativeHello> = {}): Uint8Array {
  return encodeNative({
    kind: "hello",
    version: 1,
    membership: true,
    priority: 0,
    user: "nat",
    ticket: NEW,
    lastDelivered: 0,
    method: "NULL",
    credentials: new Uint8Array(0),
    ...change,
  });
}

function read(connection: Connection): NativeMessage[] {
  const bytes = connection.take();
  const messages: NativeMessage[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + envelopeBytes(bytes, at);
    const message = decodeNative(bytes.slice(at, end));
    if (message === undefined) throw new Error(`no envelope at ${at}`);
    messages.push(message);
    at = end;
  }
  return messages;
}

function connect(daemon: OneDaemon, change: Partial<NativeHello> = {}): { client: Connection; ticket: Uint8Array } {
  const client = daemon.connect();
  client.send(join([PREFACE, helloOf(change)]));
  const [welcome] = read(client);
  return { client, ticket: welcome?.kind === "welcome" ? welcome.ticket : NEW };
}

function send(number: number, type: number, group: string, data: Uint8Array | string = ""): Uint8Array {
  const bytes = typeof data === "string" ? TEXT.encode(data) : data;
  return encodeNative({ kind: "send", number, frame: encodeFrame(type, "", [group], 0, bytes) });
}

const delivered = (messages: readonly NativeMessage[]): number[] =>
  messages.flatMap((message) => (message.kind === "deliver" ? [message.deliveryNumber] : []));

describe("hello", () => {
  test("a new session gets a ticket, a private group and the daemons it may go to", () => {
    const daemon = new OneDaemon();
    const client = daemon.connect();
    for (const byte of join([PREFACE, helloOf()])) client.send(Uint8Array.of(byte));
    expect(read(client)).toMatchObject([
      {
        kind: "welcome",
        resumption: "new",
        privateGroup: "#nat#localhost",
        lastOrdered: 0,
        daemons: ["4803@localhost"],
      },
    ]);
    expect(daemon.attached.get(1)?.token?.length).toBe(16);
  });

  test("what cannot be is refused with a text, and the connection closes", () => {
    const refusals: [Partial<NativeHello>, number][] = [
      [{ version: 9 }, -7],
      [{ user: "has space" }, -5],
      [{ user: "taken" }, -6],
      [{ method: "KERBEROS" }, -9],
    ];
    const daemon = new OneDaemon();
    connect(daemon, { user: "taken" });
    for (const [change, code] of refusals) {
      const client = daemon.connect();
      client.send(join([PREFACE, helloOf(change)]));
      const [refused] = read(client);
      expect(refused).toMatchObject({ kind: "refused", code });
      expect(client.closed).toBe(true);
    }
    for (const first of [
      Uint8Array.of(0xa6, 0x41, 0),
      join([PREFACE, encodeNative({ kind: "ack", deliveryNumber: 1 })]),
    ]) {
      const client = daemon.connect();
      client.send(first);
      expect(read(client)).toMatchObject([{ kind: "refused", code: -100 }]);
    }
  });

  test("a password is checked by the host, and what the client sends ahead waits for the verdict", () => {
    const daemon = new OneDaemon({ allowedMethods: ["PWORD"] });
    daemon.passwords.set("ann", "a long password");
    const good = daemon.connect();
    const credentials = TEXT.encode("ann\0a long password");
    good.send(join([PREFACE, helloOf({ method: "PWORD", credentials }), send(1, TypeBit.join, "g")]));
    expect(read(good).map(({ kind }) => kind)).toEqual(["welcome", "delivered", "accepted", "deliver"]);
    const bad = daemon.connect();
    bad.send(join([PREFACE, helloOf({ user: "x", method: "PWORD", credentials: TEXT.encode("ann\0guess") })]));
    expect(read(bad)).toMatchObject([{ kind: "refused", code: -9 }]);
  });

  test("who comes back under the name of a client that was lost at the same place takes its name over", () => {
    const daemon = new OneDaemon();
    const { client } = connect(daemon);
    client.send(send(1, TypeBit.join, "g"));
    client.close();
    const elsewhere = daemon.connect({ kind: "tcp", address: "10.0.0.7" });
    elsewhere.send(join([PREFACE, helloOf()]));
    expect(read(elsewhere)).toMatchObject([{ kind: "refused", code: -6 }]);

    daemon.flowing = false;
    const again = daemon.connect({ kind: "unix" });
    again.send(join([PREFACE, helloOf(), send(1, TypeBit.join, "h")]));
    const third = daemon.connect();
    third.send(join([PREFACE, helloOf()]));
    expect(read(third)).toMatchObject([{ kind: "refused", code: -6 }]);
    expect(read(again)).toEqual([]);
    daemon.flowing = true;
    daemon.run();
    expect(read(again).map(({ kind }) => kind)).toEqual(["welcome", "delivered", "accepted", "deliver"]);
    expect(daemon.events).toContainEqual(expect.objectContaining({ kind: "ending", session: 1, reason: "superseded" }));
    expect([...daemon.attached.keys()]).toEqual([2]);
  });

  test("a session that follows one which is being ended can be resumed when that is gone", () => {
    const daemon = new OneDaemon();
    const { client, ticket } = connect(daemon, { user: "" });
    client.close();
    daemon.flowing = false;
    // Its client has been elsewhere since: the ticket is of another session.
    const other = ticket.map((byte, i) => (i < 16 ? byte : byte ^ 1));
    connect(daemon, { user: "", ticket: other });
    const next = connect(daemon, { user: "", ticket: other });
    daemon.flowing = true;
    daemon.run();
    expect([...daemon.attached.keys()]).toEqual([2]);
    next.client.close();
    const back = daemon.connect();
    back.send(join([PREFACE, helloOf({ user: "", ticket: next.ticket })]));
    expect(read(back)).toMatchObject([{ kind: "welcome", resumption: "resumed" }]);
  });

  test("a client that gives up while its name is being freed leaves it to the next one", () => {
    const daemon = new OneDaemon();
    connect(daemon).client.close();
    daemon.flowing = false;
    const impatient = daemon.connect();
    impatient.send(join([PREFACE, helloOf()]));
    impatient.close();
    const next = daemon.connect();
    next.send(join([PREFACE, helloOf()]));
    daemon.flowing = true;
    daemon.run();
    expect(read(next)).toMatchObject([{ kind: "welcome", resumption: "new" }]);
    expect(read(impatient)).toEqual([]);
  });

  test("detached sessions count: one too many is refused, but an old one may come back", () => {
    const daemon = new OneDaemon({ sessionsMax: 2 });
    const { client, ticket } = connect(daemon, { user: "a" });
    client.close();
    connect(daemon, { user: "b" }).client.close();
    const third = daemon.connect();
    third.send(join([PREFACE, helloOf({ user: "c" })]));
    expect(read(third)).toMatchObject([{ kind: "refused", code: -3 }]);
    const back = daemon.connect();
    back.send(join([PREFACE, helloOf({ user: "a", ticket })]));
    expect(read(back)).toMatchObject([{ kind: "welcome", resumption: "resumed" }]);
  });

  test("tools may ask for the status instead", () => {
    const client = new OneDaemon().connect();
    client.send(join([PREFACE, encodeNative({ kind: "status", whole: false })]));
    expect(read(client)).toEqual([{ kind: "statusReport", json: '{"sessions":0,"whole":false}' }]);
    client.send(encodeNative({ kind: "status", whole: true }));
    expect(read(client)).toEqual([{ kind: "statusReport", json: '{"sessions":0,"whole":true}' }]);
  });

  test("what a node counts goes to the daemon as it is, and is not ordered", () => {
    const daemon = new OneDaemon();
    const { client } = connect(daemon);
    const submitted = daemon.submissions.length;
    client.send(encodeNative({ kind: "nodeStatistics", statistics: Uint8Array.of(1, 2, 3) }));
    expect(daemon.statistics.map(({ statistics }) => [...statistics])).toEqual([[1, 2, 3]]);
    expect(daemon.submissions).toHaveLength(submitted);
    expect(read(client)).toEqual([]);
  });
});

describe("messages", () => {
  test("own messages come back with their numbers, others' without", () => {
    const daemon = new OneDaemon();
    const { client } = connect(daemon);
    const { client: other } = connect(daemon, { user: "other" });
    client.send(join([send(1, TypeBit.join, "g"), send(2, TypeBit.safe, "g", "mine")]));
    other.send(send(1, TypeBit.agreed, "g", "theirs"));
    const messages = read(client);
    expect(messages.map(({ kind }) => kind)).toEqual([
      "delivered",
      "delivered",
      "accepted",
      "deliver",
      "deliver",
      "deliver",
    ]);
    expect(messages[2]).toEqual({ kind: "accepted", number: 2 });
    expect(messages.slice(3)).toMatchObject([
      { deliveryNumber: 1, ownNumber: 0, primary: true },
      { deliveryNumber: 2, ownNumber: 2, primary: false },
      { deliveryNumber: 3, ownNumber: 0 },
    ]);
    const view = messages[3];
    expect(view?.kind === "deliver" && decodeMembership(view.frame)).toMatchObject({ members: ["#nat#localhost"] });
    expect(daemon.submissions.every(({ content }) => content === Content.numberedFrame)).toBe(true);
    expect(read(other)).toEqual([
      { kind: "delivered", number: 1 },
      { kind: "accepted", number: 1 },
    ]);
  });

  test("a message of 16 MiB arrives whole, one that is longer ends the session", () => {
    const daemon = new OneDaemon();
    const { client } = connect(daemon);
    client.send(send(1, TypeBit.join, "g"));
    read(client);
    const data = new Uint8Array(16 * 1024 * 1024).fill(7);
    const bytes = send(2, TypeBit.agreed, "g", data);
    for (let at = 0; at < bytes.length; at += 1_000_000) client.send(bytes.subarray(at, at + 1_000_000));
    const deliver = read(client).find((message) => message.kind === "deliver");
    expect(deliver?.frame.length).toBe(80 + data.length);
    client.send(send(3, TypeBit.agreed, "g", new Uint8Array(data.length + 1)));
    expect(read(client).map(({ kind }) => kind)).toEqual(["refused"]);
    expect(client.closed).toBe(true);
  });

  test("an envelope that is not allowed ends the session, and says why", () => {
    const wrong = [
      send(0, TypeBit.agreed, "g"),
      send(1, TypeBit.agreed | TypeBit.safe, "g"),
      send(1, TypeBit.agreed | TypeBit.regularMembership, "g"),
      encodeNative({ kind: "send", number: 1, frame: new Uint8Array(12) }),
      encodeNative({ kind: "delivered", number: 1 }),
      join([send(1, TypeBit.agreed, "g"), send(3, TypeBit.agreed, "g")]),
      Uint8Array.of(0, 0, 0, 3, 4, 0, 0, 0),
      Uint8Array.of(0xff, 0xff, 0xff, 0xff, 4, 0, 0, 0),
    ];
    for (const bytes of wrong) {
      const daemon = new OneDaemon();
      const { client } = connect(daemon);
      client.send(bytes);
      expect(read(client).at(-1)).toMatchObject({ kind: "refused", code: -100 });
      expect(client.closed).toBe(true);
      expect(daemon.sessions.sessionCount).toBe(0);
    }
  });

  test("pings are answered, illegal groups refused, GOAWAY reaches everybody", () => {
    const daemon = new OneDaemon();
    const { client } = connect(daemon);
    client.send(
      join([
        encodeNative({ kind: "ping", opaque: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) }),
        send(1, TypeBit.join, "#g"),
      ]),
    );
    expect(read(client)).toMatchObject([
      { kind: "pong" },
      { kind: "groupRefused", number: 1, group: "#g" },
      { kind: "accepted" },
    ]);
    daemon.sessions.refused(1, 9, "g", "other options");
    daemon.sessions.goAway("stopping");
    daemon.run();
    expect(read(client)).toMatchObject([
      { kind: "groupRefused", number: 9 },
      { kind: "goAway", text: "stopping" },
    ]);
  });

  test("what is sent to a scalable group is refused before it is ordered, also beside other groups", () => {
    const daemon = new OneDaemon();
    daemon.scalable.add("prices");
    const { client } = connect(daemon);
    client.send(join([send(1, TypeBit.agreed, "prices"), send(2, TypeBit.agreed, "chat")]));
    expect(read(client)).toMatchObject([
      { kind: "groupRefused", number: 1, group: "prices", text: expect.stringContaining('quality: "scalable"') },
      { kind: "delivered", number: 2 },
      { kind: "accepted", number: 2 },
    ]);
    // Sent again, it is refused again.
    client.send(send(1, TypeBit.agreed, "prices"));
    expect(read(client)[0]).toMatchObject({ kind: "groupRefused", number: 1 });
  });

  test("KILL ends the session for good", () => {
    const daemon = new OneDaemon();
    const { client, ticket } = connect(daemon);
    client.send(
      encodeNative({ kind: "send", number: 1, frame: encodeFrame(TypeBit.kill, "", [], 0, new Uint8Array(0)) }),
    );
    expect(client.closed).toBe(true);
    expect(daemon.sessions.sessionCount).toBe(0);
    const again = daemon.connect();
    again.send(join([PREFACE, helloOf({ ticket })]));
    expect(read(again)).toMatchObject([{ kind: "welcome", resumption: "restarted", lastOrdered: 1 }]);
  });

  test("who asks for the status without reading it is not asked further, before its session and in it", () => {
    class LongStatus extends OneDaemon {
      override status(): string {
        return `"${"x".repeat(100_000)}"`;
      }
    }
    const ask = encodeNative({ kind: "status", whole: false });
    const many = join(Array.from({ length: 200 }, () => ask));
    const reports = (messages: readonly NativeMessage[]): number =>
      messages.filter(({ kind }) => kind === "statusReport").length;
    const daemon = new LongStatus();
    const client = daemon.connect();
    client.taking = false;
    client.send(join([PREFACE, many]));
    expect([reports(read(client)), client.reading]).toEqual([1, false]);
    client.drain();
    expect(reports(read(client))).toBe(200 - 1);
    expect(client.reading).toBe(true);
    client.send(helloOf());
    expect(read(client)).toMatchObject([{ kind: "welcome" }]);

    client.taking = false;
    client.send(join([ask, many]));
    expect([reports(read(client)) <= 12, client.reading]).toEqual([true, false]);
    client.drain();
    for (let turns = 0; daemon.sessions.deadline <= daemon.now && turns < 20; turns++) daemon.advance(0);
    expect(reports(read(client))).toBeGreaterThan(180);
    expect(client.reading).toBe(true);
    client.send(encodeNative({ kind: "ping", opaque: new Uint8Array(8) }));
    expect(read(client).at(-1)).toMatchObject({ kind: "pong" });
  });
});

describe("detach and resume", () => {
  function resume(
    daemon: OneDaemon,
    ticket: Uint8Array,
    lastDelivered: number,
  ): { client: Connection; messages: NativeMessage[] } {
    const client = daemon.connect();
    client.send(join([PREFACE, helloOf({ ticket, lastDelivered })]));
    return { client, messages: read(client) };
  }

  test("a client that comes back in time misses nothing and sends nothing twice", () => {
    const daemon = new OneDaemon();
    const { client, ticket } = connect(daemon);
    const { client: other } = connect(daemon, { user: "other" });
    client.send(
      join([
        send(1, TypeBit.join, "g"),
        send(2, TypeBit.agreed, "g", "a"),
        encodeNative({ kind: "ack", deliveryNumber: 1 }),
      ]),
    );
    client.close();
    daemon.advance(5_000);
    expect(daemon.sessions.deadline).toBe(30_000);
    other.send(send(1, TypeBit.agreed, "g", "meanwhile"));
    daemon.advance(24_000);
    const back = resume(daemon, ticket, 1);
    expect(back.messages[0]).toMatchObject({
      kind: "welcome",
      resumption: "resumed",
      privateGroup: "#nat#localhost",
      lastOrdered: 2,
    });
    expect(delivered(back.messages)).toEqual([2, 3]);
    back.client.send(join([send(2, TypeBit.agreed, "g", "a"), send(3, TypeBit.agreed, "g", "b")]));
    const messages = read(back.client);
    expect(messages.filter(({ kind }) => kind === "accepted")).toEqual([{ kind: "accepted", number: 3 }]);
    expect(messages.filter(({ kind }) => kind === "delivered")).toEqual([
      { kind: "delivered", number: 2 },
      { kind: "delivered", number: 3 },
    ]);
    expect(delivered(messages)).toEqual([4]);
    daemon.advance(100_000);
    expect(daemon.sessions.sessionCount).toBe(2);
  });

  test("a client that does not come back in time is disconnected", () => {
    const daemon = new OneDaemon({ graceMs: 1_000 });
    const { client, ticket } = connect(daemon);
    client.close();
    daemon.advance(999);
    expect(daemon.sessions.sessionCount).toBe(1);
    daemon.advance(1);
    expect(daemon.sessions.sessionCount).toBe(0);
    expect(daemon.submissions.at(-1)?.service).toBe("safe");
    expect(resume(daemon, ticket, 0).messages).toMatchObject([{ kind: "welcome", resumption: "restarted" }]);
  });

  test("a client may be back before the daemon knows that it was gone", () => {
    const daemon = new OneDaemon();
    const { client, ticket } = connect(daemon);
    client.send(send(1, TypeBit.join, "g"));
    const back = resume(daemon, ticket, 0);
    expect(client.closed).toBe(true);
    expect(back.messages).toMatchObject([
      { kind: "welcome", resumption: "resumed" },
      { kind: "accepted", number: 1 },
      { kind: "deliver", deliveryNumber: 1 },
    ]);
    expect(daemon.sessions.sessionCount).toBe(1);
  });

  test("a good-bye that was not read when the connection ended is read later, and nobody is waited for", () => {
    const daemon = new OneDaemon();
    const { client, ticket } = connect(daemon);
    client.send(send(1, TypeBit.join, "g"));
    daemon.congested = true;
    client.send(join([send(2, TypeBit.agreed, "g", "last words"), send(3, TypeBit.kill, "#nat#localhost")]));
    client.close();
    expect(daemon.sessions.sessionCount).toBe(1);
    daemon.congested = false;
    daemon.sessions.uncongested(daemon.now);
    daemon.run();
    expect(daemon.submissions).toHaveLength(3);
    expect([daemon.sessions.sessionCount, daemon.attached.size]).toEqual([0, 0]);
    expect(daemon.lastOrdered(ticket.subarray(0, 16))).toBe(3);
  });

  test("a client that says good-bye is told what becomes of what it sent, of the good-bye last, and gets no delivery any more", () => {
    const daemon = new OneDaemon();
    const { client } = connect(daemon);
    client.send(send(1, TypeBit.join, "g"));
    read(client);
    daemon.flowing = false;
    client.send(send(2, TypeBit.safe, "g", "one"));
    client.send(join([send(3, TypeBit.agreed, "g", "two"), send(4, TypeBit.kill, "#nat#localhost")]));
    expect(read(client)).toEqual([{ kind: "accepted", number: 2 }]);
    expect([client.closed, client.reading]).toEqual([false, false]);
    daemon.flowing = true;
    daemon.run();
    expect(read(client)).toEqual([2, 3, 4].map((number) => ({ kind: "delivered", number })));
    expect(client.closed).toBe(true);
  });

  test("what was to be told before the good-bye is not lost with it, however little the client reads", () => {
    const daemon = new OneDaemon();
    const { client } = connect(daemon);
    client.send(send(1, TypeBit.join, "g"));
    client.taking = false;
    client.send(send(2, TypeBit.agreed, "g", "one"));
    read(client);
    client.send(join([send(3, TypeBit.agreed, "g", "two"), send(4, TypeBit.kill, "#nat#localhost")]));
    expect(read(client).flatMap((message) => (message.kind === "delivered" ? message.number : []))).toEqual([3, 4]);
    expect(client.closed).toBe(true);
  });

  test("a good-bye with a number that was used before ends the session all the same", () => {
    const daemon = new OneDaemon();
    const { client, ticket } = connect(daemon);
    client.send(join([1, 2, 3].map((number) => send(number, TypeBit.agreed, "g", "x"))));
    client.send(send(4, TypeBit.kill, "#nat#localhost"));
    expect(client.closed).toBe(true);
    const again = connect(daemon, { ticket }).client;
    again.send(send(2, TypeBit.kill, "#nat#localhost"));
    expect([again.closed, daemon.sessions.sessionCount, daemon.attached.size]).toEqual([true, 0, 0]);
    const { client: third } = connect(daemon);
    expect(third.closed).toBe(false);
  });

  test("who comes back sends again what was not read: what is left of the connection before counts no more", () => {
    const daemon = new OneDaemon();
    const { client, ticket } = connect(daemon);
    daemon.congested = true;
    client.send(join([send(1, TypeBit.agreed, "g", "x"), send(2, TypeBit.kill, "#nat#localhost")]));
    client.close();
    const { client: back } = connect(daemon, { ticket });
    daemon.congested = false;
    daemon.sessions.uncongested(daemon.now);
    back.send(send(1, TypeBit.agreed, "g", "x"));
    expect(daemon.submissions).toHaveLength(1);
    expect(daemon.sessions.sessionCount).toBe(1);
  });

  test("a client that was elsewhere meanwhile does not go on in its former session here", () => {
    const daemon = new OneDaemon();
    const { client, ticket } = connect(daemon);
    client.send(join([send(1, TypeBit.join, "g"), send(2, TypeBit.agreed, "g", "a")]));
    client.close();
    const elsewhere = ticket.slice();
    elsewhere[20] = 1;
    const { messages } = resume(daemon, elsewhere, 1);
    expect(messages).toMatchObject([{ kind: "refused", code: -6 }]);
    expect([daemon.sessions.sessionCount, daemon.attached.size]).toEqual([0, 0]);
    const again = resume(daemon, elsewhere, 1);
    expect(again.messages).toMatchObject([{ kind: "welcome", resumption: "restarted", lastOrdered: 2 }]);
    const [welcome] = again.messages;
    const next = welcome?.kind === "welcome" ? welcome.ticket : NEW;
    expect(next.subarray(0, 16)).toEqual(ticket.subarray(0, 16));
    expect(next.subarray(16)).not.toEqual(ticket.subarray(16));
    again.client.close();
    expect(resume(daemon, next, 0).messages).toMatchObject([{ kind: "welcome", resumption: "resumed" }]);
  });

  test("what the daemon could not keep is told as a range", () => {
    const daemon = new OneDaemon({ retentionBytesMax: 2_500 });
    const { client, ticket } = connect(daemon);
    const { client: other } = connect(daemon, { user: "other" });
    client.send(send(1, TypeBit.join, "g"));
    client.close();
    for (let n = 1; n <= 5; n++) other.send(send(n, TypeBit.agreed, "g", "x".repeat(1_000)));
    const { messages } = resume(daemon, ticket, 1);
    expect(messages[0]).toMatchObject({ kind: "welcome", resumption: "interrupted" });
    expect(messages[1]).toEqual({ kind: "gap", group: "", reason: "window", count: 3, first: 2, last: 4 });
    expect(delivered(messages)).toEqual([5, 6]);
  });

  test("all that is kept has a limit: who has been away longest gives way first, and is told so", () => {
    const daemon = new OneDaemon({ retentionTotalBytesMax: 10_000 });
    const clients = ["a", "b"].map((user) => {
      const { client, ticket } = connect(daemon, { user });
      client.send(join([send(1, TypeBit.join, "g"), send(2, TypeBit.join, user)]));
      read(client);
      client.send(encodeNative({ kind: "ack", deliveryNumber: 9 }));
      client.close();
      return ticket;
    });
    const { client: other } = connect(daemon, { user: "other" });
    for (let n = 1; n <= 6; n++) other.send(send(n, TypeBit.agreed, "g", "x".repeat(1_000)));
    const [a, b] = clients.map((ticket) => resume(daemon, ticket, 3).messages);
    const gap = a?.find((message) => message.kind === "gap");
    expect(a?.[0]).toMatchObject({ kind: "welcome", resumption: "interrupted" });
    expect(gap).toMatchObject({ group: "", reason: "window", first: 4 });
    expect(delivered(a ?? [])[0]).toBe((gap?.last ?? 0) + 1);
    expect(b?.[0]).toMatchObject({ kind: "welcome", resumption: "resumed" });
  });

  test("who is attached and does not acknowledge gives way too, after those who are away", () => {
    const daemon = new OneDaemon({ retentionTotalBytesMax: 4_000 });
    const { client, ticket } = connect(daemon);
    client.send(send(1, TypeBit.join, "g"));
    for (let n = 2; n <= 9; n++) client.send(send(n, TypeBit.agreed, "g", "x".repeat(1_000)));
    expect(delivered(read(client))).toHaveLength(9);
    client.close();
    const { messages } = resume(daemon, ticket, 8);
    expect(messages[0]).toMatchObject({ kind: "welcome", resumption: "resumed" });
    expect(delivered(messages)).toEqual([9]);
    expect(
      resume(daemon, ticket, 0)
        .messages.map(({ kind }) => kind)
        .slice(0, 2),
    ).toEqual(["welcome", "gap"]);
  });

  test("a join that was refused while the client was away is refused when it is back, and when it is sent again", () => {
    const daemon = new OneDaemon();
    const { client, ticket } = connect(daemon);
    client.send(send(1, TypeBit.join, "g"));
    client.close();
    daemon.sessions.refused(1, 1, "g", "its members wait");
    const refused = { kind: "groupRefused", number: 1, group: "g", text: "its members wait" };
    const back = resume(daemon, ticket, 0);
    expect(back.messages).toContainEqual(refused);
    back.client.send(send(1, TypeBit.join, "g"));
    expect(read(back.client)).toContainEqual(refused);
    // What was delivered behind it has been consumed, and so it has been read.
    back.client.send(send(2, TypeBit.join, "h"));
    back.client.send(encodeNative({ kind: "ack", deliveryNumber: 2 }));
    back.client.close();
    expect(resume(daemon, ticket, 2).messages.map(({ kind }) => kind)).not.toContain("groupRefused");
  });

  test("whatever is interrupted, each message is ordered once and each delivery read once, in order", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ cut: fc.nat(400), ack: fc.boolean(), count: fc.integer({ min: 1, max: 6 }) }), {
          maxLength: 12,
        }),
        (rounds) => {
          const daemon = new OneDaemon();
          let { client, ticket } = connect(daemon);
          const queue: Uint8Array[] = [send(1, TypeBit.join, "g")];
          let next = 2;
          let seen = 0;
          const own: number[] = [];
          const readAll = (messages: readonly NativeMessage[]): void => {
            for (const message of messages) {
              if (message.kind !== "deliver") continue;
              expect(message.deliveryNumber).toBe(seen + 1);
              seen = message.deliveryNumber;
              if (message.ownNumber > 0) own.push(message.ownNumber);
            }
          };
          for (const { cut, ack, count } of rounds) {
            for (let n = 0; n < count; n++) queue.push(send(next, TypeBit.agreed, "g", `${next++}`));
            const bytes = join(queue);
            client.send(bytes.subarray(0, cut % (bytes.length + 1)));
            readAll(read(client));
            if (ack) client.send(new Uint8Array(0));
            client.close();
            client = daemon.connect();
            client.send(join([PREFACE, helloOf({ ticket, lastDelivered: seen })]));
            readAll(read(client));
          }
          client.send(join(queue));
          readAll(read(client));
          expect(own).toEqual(Array.from({ length: next - 2 }, (_, n) => n + 2));
          expect(ticket.length).toBe(24);
          ticket = NEW;
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("what waits for the ring", () => {
  test("is about 1 MiB of a session, or one message; others go on, and so does the session when less waits", () => {
    const daemon = new OneDaemon();
    const { client } = connect(daemon);
    const { client: other } = connect(daemon, { user: "other" });
    const large = new Uint8Array(3 * 1024 * 1024);
    daemon.flowing = false;
    client.send(send(1, TypeBit.agreed, "g", large));
    expect(client.reading).toBe(true);
    client.send(join([encodeNative({ kind: "ping", opaque: new Uint8Array(8) }), send(2, TypeBit.agreed, "g", "x")]));
    expect([daemon.submissions.length, client.reading]).toEqual([1, false]);
    expect(read(client).map(({ kind }) => kind)).toEqual(["accepted", "pong"]);
    other.send(join([send(1, TypeBit.agreed, "g", "y"), send(2, TypeBit.agreed, "g", large)]));
    expect([daemon.submissions.length, other.reading]).toEqual([2, false]);
    daemon.flowing = true;
    daemon.run();
    daemon.run();
    expect([daemon.submissions.length, client.reading, other.reading]).toEqual([4, true, true]);
  });
});

describe("configurations", () => {
  test("are told in order with the deliveries, again after an interruption, and to no Spread client", () => {
    const daemon = new OneDaemon();
    const { client, ticket } = connect(daemon);
    daemon.sessions.configured(true, 3);
    client.send(join([send(1, TypeBit.join, "g"), send(2, TypeBit.agreed, "g", "a")]));
    daemon.sessions.configured(false, 1);
    client.send(send(3, TypeBit.agreed, "g", "b"));
    const expected = [
      { kind: "configuration", deliveryNumber: 1, primary: true, daemons: 3 },
      { kind: "deliver", deliveryNumber: 2 },
      { kind: "deliver", deliveryNumber: 3 },
      { kind: "configuration", deliveryNumber: 4, primary: false, daemons: 1 },
      { kind: "deliver", deliveryNumber: 5 },
    ];
    const told = (messages: readonly NativeMessage[]): NativeMessage[] =>
      messages.filter(({ kind }) => kind === "configuration" || kind === "deliver");
    expect(told(read(client))).toMatchObject(expected);
    client.close();
    daemon.sessions.configured(true, 2);
    const back = daemon.connect();
    back.send(join([PREFACE, helloOf({ ticket, lastDelivered: 3 })]));
    const messages = read(back);
    expect(messages[0]).toMatchObject({ kind: "welcome", resumption: "resumed", primary: true });
    expect(told(messages)).toMatchObject([
      ...expected.slice(3),
      { kind: "configuration", deliveryNumber: 6, primary: true, daemons: 2 },
    ]);
  });
});

describe("the window of deliveries", () => {
  const KB = "x".repeat(1_000);

  test("no more is written than that, until the client acknowledges; all else still comes", () => {
    const daemon = new OneDaemon({ deliveryWindowBytes: 3_000 });
    const { client } = connect(daemon);
    client.send(send(1, TypeBit.join, "g"));
    for (let n = 2; n <= 9; n++) client.send(send(n, TypeBit.agreed, "g", KB));
    client.send(encodeNative({ kind: "ping", opaque: new Uint8Array(8) }));
    const messages = read(client);
    expect(delivered(messages)).toEqual([1, 2, 3, 4]);
    expect(messages.findLast((message) => message.kind === "accepted")).toEqual({ kind: "accepted", number: 9 });
    expect(messages.filter(({ kind }) => kind === "delivered")).toHaveLength(9);
    expect(messages.at(-1)?.kind).toBe("pong");
    client.send(encodeNative({ kind: "ack", deliveryNumber: 3 }));
    expect(delivered(read(client))).toEqual([5, 6]);
    client.send(encodeNative({ kind: "ack", deliveryNumber: 6 }));
    client.send(encodeNative({ kind: "ack", deliveryNumber: 9 }));
    expect(delivered(read(client))).toEqual([7, 8, 9]);
  });

  test("a message that is longer than the window is delivered alone", () => {
    const daemon = new OneDaemon({ deliveryWindowBytes: 500 });
    const { client } = connect(daemon);
    client.send(join([send(1, TypeBit.agreed, "#nat#localhost", KB), send(2, TypeBit.agreed, "#nat#localhost", KB)]));
    expect(delivered(read(client))).toEqual([1]);
    client.send(encodeNative({ kind: "ack", deliveryNumber: 1 }));
    expect(delivered(read(client))).toEqual([2]);
  });

  test("a client that reads and never acknowledges meets its group's policy", () => {
    for (const policy of ["expel", "drop", "wait"] as const) {
      const daemon = new OneDaemon({ deliveryWindowBytes: 3_000, nativeQueueMessagesMax: 20, slowPatienceMs: 0 });
      daemon.policies.set("g", policy);
      const { client: slow } = connect(daemon, { user: "slow" });
      const { client: fast } = connect(daemon, { user: "fast" });
      slow.send(send(1, TypeBit.join, "g"));
      for (let n = 1; n <= 100; n++) fast.send(send(n, TypeBit.agreed, "g", KB));
      expect(slow.closed).toBe(policy === "expel");
      expect(daemon.held).toEqual(policy === "wait" ? ["g"] : []);
      expect(fast.reading).toBe(policy !== "wait");
      if (policy === "expel") continue;
      // It reads on: what it missed is told once, where it was missed, or nothing was missed.
      const seen: NativeMessage[] = [];
      for (let round = 0; round < 60; round++) {
        const messages = read(slow).filter(({ kind }) => kind === "deliver" || kind === "gap");
        seen.push(...messages);
        const last = messages.at(-1);
        const number = last?.kind === "deliver" ? last.deliveryNumber : last?.kind === "gap" ? last.last : 0;
        slow.send(encodeNative({ kind: "ack", deliveryNumber: number }));
      }
      expect(daemon.held).toEqual([]);
      expect(fast.reading).toBe(true);
      const gaps = seen.flatMap((message) => (message.kind === "gap" ? [message.count] : []));
      expect(gaps).toHaveLength(policy === "wait" ? 0 : 1);
      expect(delivered(seen).length + (gaps[0] ?? 0)).toBe(101);
    }
  });
});

describe("slow receivers", () => {
  test("drop: what is missed of the group is told in its place, the rest comes", () => {
    const daemon = new OneDaemon({ nativeQueueMessagesMax: 20 });
    daemon.policies.set("d", "drop");
    const { client: slow } = connect(daemon, { user: "slow" });
    const { client: fast } = connect(daemon, { user: "fast" });
    slow.send(join([send(1, TypeBit.join, "d"), send(2, TypeBit.join, "e")]));
    read(slow);
    slow.taking = false;
    for (let n = 1; n <= 30; n++) fast.send(send(n, TypeBit.agreed, "d", `${n}`));
    fast.send(send(31, TypeBit.agreed, "e", "another group"));
    slow.drain();
    fast.send(send(32, TypeBit.agreed, "d", "later"));
    const messages = read(slow).filter(({ kind }) => kind === "deliver" || kind === "gap");
    const gap = messages.findIndex(({ kind }) => kind === "gap");
    expect(messages[gap]).toEqual({ kind: "gap", group: "d", reason: "slow", count: 19, first: 14, last: 34 });
    expect(delivered(messages)).toEqual([...Array.from({ length: 11 }, (_, n) => n + 3), 33, 35]);
    expect(delivered(messages.slice(gap))).toEqual([35]);
    expect(slow.closed).toBe(false);
  });

  test("drop: what went to several groups is missed of those that the client is in, and no other policy counts", () => {
    const daemon = new OneDaemon({ nativeQueueMessagesMax: 20 });
    for (const group of ["a", "b", "c"]) daemon.policies.set(group, "drop");
    daemon.policies.set("w", "wait");
    const { client: slow } = connect(daemon, { user: "slow" });
    const { client: fast } = connect(daemon, { user: "fast" });
    slow.send(join([send(1, TypeBit.join, "b"), send(2, TypeBit.join, "c")]));
    fast.send(join([send(1, TypeBit.join, "a"), send(2, TypeBit.join, "w")]));
    read(slow);
    slow.taking = false;
    const frame = encodeFrame(TypeBit.agreed, "", ["w", "a", "b", "b", "c"], 0, TEXT.encode("x"));
    for (let number = 3; number <= 32; number++) fast.send(encodeNative({ kind: "send", number, frame }));
    expect(daemon.held).toEqual([]);
    slow.drain();
    fast.send(send(33, TypeBit.agreed, "b", "later"));
    const gaps = read(slow).filter((message) => message.kind === "gap");
    expect(gaps.map(({ group, count }) => [group, count])).toEqual([
      ["b", 19],
      ["c", 19],
    ]);
  });

  test("expel: the group waits for a time, then the session ends", () => {
    const daemon = new OneDaemon({ nativeQueueMessagesMax: 10, slowPatienceMs: 700 });
    const { client: slow } = connect(daemon, { user: "slow" });
    const { client: fast } = connect(daemon, { user: "fast" });
    slow.send(send(1, TypeBit.join, "g"));
    slow.taking = false;
    for (let n = 1; n <= 20; n++) fast.send(send(n, TypeBit.agreed, "g", "x"));
    expect(daemon.held).toEqual(["g"]);
    expect(fast.reading).toBe(false);
    daemon.advance(699);
    expect(slow.closed).toBe(false);
    daemon.advance(1);
    expect(slow.closed).toBe(true);
    expect(daemon.held).toEqual([]);
    expect(fast.reading).toBe(true);
    expect(read(fast).filter(({ kind }) => kind === "delivered").length).toBe(20);
  });

  test("expel: a client that catches up again and again stays, and misses nothing", () => {
    const daemon = new OneDaemon({ nativeQueueMessagesMax: 10, slowPatienceMs: 700 });
    const { client: slow } = connect(daemon, { user: "slow" });
    const { client: fast } = connect(daemon, { user: "fast" });
    slow.send(send(1, TypeBit.join, "g"));
    for (let n = 1; n <= 200; n++) {
      slow.taking = n % 20 === 0;
      if (slow.taking) {
        daemon.advance(600);
        slow.drain();
      }
      fast.send(send(n, TypeBit.agreed, "g", "x"));
    }
    slow.taking = true;
    slow.drain();
    expect(slow.closed).toBe(false);
    expect(daemon.held).toEqual([]);
    expect(delivered(read(slow))).toHaveLength(201);
  });

  test("expel without patience: the session ends at once, though its ticket is known", () => {
    const daemon = new OneDaemon({ nativeQueueMessagesMax: 5, slowPatienceMs: 0 });
    const { client: slow } = connect(daemon, { user: "slow" });
    slow.send(send(1, TypeBit.join, "g"));
    slow.taking = false;
    for (let n = 2; n <= 10; n++) slow.send(send(n, TypeBit.agreed, "g", "x"));
    expect(slow.closed).toBe(true);
    expect(daemon.sessions.sessionCount).toBe(0);
  });

  test("wait: the group is held until the receiver has read or is gone", () => {
    const daemon = new OneDaemon({ nativeQueueMessagesMax: 10 });
    daemon.policies.set("w", "wait");
    const { client: slow } = connect(daemon, { user: "slow" });
    const { client: fast } = connect(daemon, { user: "fast" });
    slow.send(send(1, TypeBit.join, "w"));
    slow.taking = false;
    for (let n = 1; n <= 8; n++) fast.send(send(n, TypeBit.agreed, "w", "x"));
    expect(daemon.held).toEqual(["w"]);
    expect(fast.reading).toBe(false);
    fast.send(send(9, TypeBit.agreed, "w", "x"));
    slow.close();
    expect(daemon.held).toEqual([]);
    expect(fast.reading).toBe(true);
    expect(read(fast).filter(({ kind }) => kind === "delivered").length).toBe(9);
  });

  test("a client that sends and does not read its answers is not read any more", () => {
    const daemon = new OneDaemon();
    const { client } = connect(daemon);
    client.taking = false;
    for (let n = 0; n < 1_100; n++) client.send(encodeNative({ kind: "ping", opaque: new Uint8Array(8) }));
    expect(client.reading).toBe(false);
    client.drain();
    expect(client.reading).toBe(true);
  });
});

test("arbitrary bytes in any grouping never make an exception, and grouping makes no difference", () => {
  const script = join([
    PREFACE,
    helloOf(),
    send(1, TypeBit.join, "g"),
    send(2, TypeBit.agreed, "g", "x"),
    encodeNative({ kind: "ack", deliveryNumber: 1 }),
  ]);
  const outcome = (chunks: readonly Uint8Array[]): unknown => {
    const daemon = new OneDaemon();
    daemon.flowing = false;
    const client = daemon.connect();
    for (const chunk of chunks) if (!client.closed) client.send(chunk);
    return [daemon.submissions.map(({ service, pieces }) => [service, join(pieces).join()]), client.closed];
  };
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }),
      fc.array(fc.nat(), { maxLength: 8 }),
      (damage, places) => {
        const bytes = script.slice();
        for (const [at, byte] of damage) bytes[at % bytes.length] = byte;
        const at = [0, ...places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
        expect(outcome(at.slice(1).map((end, i) => bytes.subarray(at[i], end)))).toEqual(outcome([bytes]));
      },
    ),
    { numRuns: 400 },
  );
});
