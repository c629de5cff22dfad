import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type FakeStream, FakeTransport, settle } from "../../test/client/fake-transport.ts";
import type { ConnectOptions } from "./config.ts";
import { Connection } from "./connection.ts";

type Step = { readonly name: string; readonly direction: "C->D" | "D->C"; readonly hex: string };

const RUNS = JSON.parse(
  readFileSync(new URL("../../test/vectors/client-runs.json", import.meta.url), "utf8"),
) as readonly Step[];

/** The type word of a KILL, little endian. */
const KILL = "80000480";

/** A captured session with the production daemon, played to a client that does what its other half did. */
class Recording {
  readonly transport = new FakeTransport();
  readonly #steps: Step[];
  #written = "";
  /** The good-bye was the last step. */
  #isOver = false;

  constructor(name: string) {
    this.#steps = RUNS.filter((step) => step.name === name);
    this.transport.onOpen = (stream) => {
      stream.onData = () => {
        this.#check(stream);
        if (this.#isOver) stream.close();
      };
      stream.accept();
    };
  }

  /** What the client has still to send or to get. */
  get remaining(): number {
    return this.#steps.length;
  }

  /** Compares what was written with the recording, and answers as the daemon did, in small pieces. */
  #check(stream: FakeStream): void {
    this.#written += hex(stream.take());
    for (;;) {
      const step = this.#steps[0];
      if (step === undefined) return;
      if (step.direction === "C->D") {
        const wanted = withoutGarbage(step.hex);
        if (this.#written.length < wanted.length) return expect(wanted.startsWith(this.#written)).toBe(true);
        expect(this.#written.slice(0, wanted.length)).toBe(wanted);
        this.#written = this.#written.slice(wanted.length);
        this.#steps.shift();
        this.#isOver = wanted.startsWith(KILL) && this.#steps.length === 0;
        continue;
      }
      this.#steps.shift();
      const bytes = Uint8Array.from(Buffer.from(step.hex, "hex"));
      for (let at = 0; at < bytes.length; at += 7) stream.send(bytes.slice(at, at + 7));
    }
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** The C client leaves what was on its stack behind a group's name; ours writes zeros. */
function withoutGarbage(frame: string): string {
  const bytes = Buffer.from(frame, "hex");
  if (bytes.length < 80 || bytes[3] !== 0x80) return frame;
  for (let n = 0; n < bytes.readInt32LE(36); n++) {
    const at = 48 + 32 * n;
    bytes.fill(0, bytes.indexOf(0, at), at + 32);
  }
  return bytes.toString("hex");
}

async function open(recording: Recording, options: ConnectOptions): Promise<Connection> {
  return Connection.open(recording.transport, "4911@localhost", { protocol: "spread", ...options });
}

describe("a connection to a stock Spread daemon", () => {
  test("sends what the C client sent, byte for byte, and reads what it got", async () => {
    const recording = new Recording("spuser-C");
    const connection = await open(recording, { name: "alice" });
    expect(connection.privateGroup).toBe("#alice#localhost");
    const events = connection[Symbol.asyncIterator]();
    const group = await connection.join("g1");
    const receipt = await group.send("hello\n", { service: "safe", type: 1 });
    await receipt.delivered;
    await connection.send("#bob#localhost", "private msg\n", { service: "safe", type: 1 });
    await connection.send(["g1", "g2", "#bob#localhost"], "multi\n", { service: "safe", type: 1 });
    await settle();
    await group.leave();
    await connection.close();
    expect(recording.remaining).toBe(0);
    const kinds: string[] = [];
    for await (const event of events) {
      kinds.push(event.kind === "view" ? `${event.cause} ${event.members.length}` : event.kind);
    }
    expect(kinds).toEqual([
      "join 1",
      "message",
      "join 2",
      "message",
      "message",
      "leave 1",
      "join 2",
      "disconnect 1",
      "join 2",
      "disconnect 1",
      "left",
    ]);
  });

  test("votes in a flush group as flush_user did", async () => {
    const recording = new Recording("flush-fa");
    const connection = await open(recording, { name: "fa" });
    const group = await connection.join("fg", { flush: true });
    const seen: string[] = [];
    for await (const event of group) {
      seen.push(event.kind === "message" ? `${event.sender} ${event.type}` : event.kind);
      if (event.kind === "flushRequest") {
        if (seen.length > 5) break;
        group.flush();
      }
      if (event.kind === "view" && event.members.length === 2) {
        // The recording has its own message behind the vote on the new view.
        await settle();
        await group.send("hello vs\n", { service: "safe", type: 1 });
      }
    }
    expect(seen.slice(0, 4)).toEqual(["view", "flushRequest", "view", "#fa#localhost 1"]);
    expect(seen.filter((event) => event === "#fb#localhost 2")).toHaveLength(10);
    expect(seen.slice(-2)).toEqual(["transitional", "flushRequest"]);
    await connection.close();
    expect(recording.remaining).toBe(0);
  });

  test("refuses the messages that stop the production daemon", async () => {
    const connection = await open(new Recording("spuser-C"), { name: "alice" });
    await expect(connection.send("g", "x".repeat(143_120))).rejects.toMatchObject({ code: "TOO_LARGE" });
  });

  test("says what it cannot tell: delivery without an own copy", async () => {
    const recording = new Recording("spuser-C");
    recording.transport.onOpen = (stream) => {
      stream.onData = () => answer(stream);
      stream.accept();
    };
    const connection = await open(recording, { name: "alice" });
    const receipt = await connection.send("elsewhere", "x");
    await expect(receipt.delivered).rejects.toMatchObject({ code: "NOT_TOLD" });
  });
});

describe("the automatic choice of the protocol", () => {
  async function connectTo(first: (stream: FakeStream) => void): Promise<{ connection: Connection; dials: number }> {
    const transport = new FakeTransport();
    transport.onOpen = (stream) => {
      stream.onData = () => (transport.streams.length === 1 ? first(stream) : answer(stream));
      stream.accept();
    };
    const connection = await Connection.open(transport, "4803@a", { name: "alice" });
    return { connection, dials: transport.streams.length };
  }

  test("takes Spread where the daemon answers with a reject code", async () => {
    const { connection, dials } = await connectTo((stream) => {
      if (!stream.isClosed) stream.send(Uint8Array.of(0xf9));
    });
    expect([connection.protocol, dials]).toEqual(["spread", 2]);
  });

  test("takes Spread where the daemon offers methods to what it takes for an old client", async () => {
    const { connection } = await connectTo((stream) => stream.send(Uint8Array.from(Buffer.from("\x05NULL "))));
    expect(connection.protocol).toBe("spread");
  });

  test("takes Spread where the daemon hangs up without a word", async () => {
    const { connection } = await connectTo((stream) => stream.close("reset"));
    expect(connection.protocol).toBe("spread");
  });

  test("a refusal of the Spread daemon is told with what to do", async () => {
    const transport = new FakeTransport();
    transport.onOpen = (stream) => {
      stream.onData = () => stream.send(Uint8Array.of(transport.streams.length === 1 ? 0xf9 : 0xfa));
      stream.accept();
    };
    await expect(Connection.open(transport, "4803@a", { name: "alice" })).rejects.toMatchObject({ code: "REFUSED" });
  });
});

/** A Spread daemon that lets everybody in. */
function answer(stream: FakeStream): void {
  const { length } = stream.take();
  if (length === 10) stream.send(Uint8Array.from(Buffer.from("\x05NULL ")));
  else if (length === 90) stream.send(Uint8Array.from(Buffer.from("\x01\x05\x00\x01\x08#alice#a")));
}
