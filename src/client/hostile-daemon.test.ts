import fc from "fast-check";
import { expect, test } from "vitest";
import { FakeDaemon } from "../../test/client/fake-daemon.ts";
import { FakeTransport, settle } from "../../test/client/fake-transport.ts";
import { encodeEnvelope, Kind } from "../wire/native/envelope.ts";
import { encodeFrame } from "../wire/spread/frame.ts";
import { Connection } from "./connection.ts";
import { GroupError } from "./errors.ts";

/** Opens a connection that is in a plain group and in a flush group. */
async function start(): Promise<{ connection: Connection; daemon: FakeDaemon }> {
  const transport = new FakeTransport();
  const daemon = new FakeDaemon("a");
  transport.onOpen = (stream) => daemon.attach(stream);
  const connection = await Connection.open(transport, "4803@a", { name: "ann", reconnect: false });
  await connection.join("g");
  await connection.join("vs", { flush: true, autoFlush: true });
  return { connection, daemon };
}

const name = fc.constantFrom("g", "vs", "#ann#a", "#bob#b", "");
const envelope = fc
  .tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 80 }))
  .map(([kind, flags, body]) => encodeEnvelope(kind, flags, body));
/** A delivery of a frame that is well formed as such, of any type. */
const delivery = fc
  .tuple(
    fc.integer({ min: 1, max: 60 }),
    fc.constantFrom(0x10, 0x04, 0x1100, 0x1200, 0x1800, 0x2000, 0x200, 0x40_0000, 0x4000_0010, 0),
    name,
    fc.array(name, { maxLength: 4 }),
    fc.constantFrom(0, -32_768, -32_767, -32_766),
    fc.uint8Array({ maxLength: 80 }),
  )
  .map(([number, type, sender, groups, messageType, data]) => {
    const frame = encodeFrame(type, sender, groups, messageType, data);
    const body = new Uint8Array(8 + frame.length);
    body[7] = number;
    body.set(frame, 8);
    return encodeEnvelope(Kind.deliver, 0, body);
  });

test("whatever a daemon sends, the client throws nothing but a GroupError to its program", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(delivery, delivery, envelope, fc.uint8Array({ maxLength: 60 })), { maxLength: 12 }),
      async (pieces) => {
        const { connection, daemon } = await start();
        // An exception of the engine would come out of here.
        for (const piece of pieces) daemon.stream?.send(piece);
        await settle();
        daemon.stream?.close("reset");
        const error = await connection.closed;
        expect(error).toBeInstanceOf(GroupError);
      },
    ),
    { numRuns: 300 },
  );
});

test("whatever answers the greeting, connecting ends with a session or a GroupError", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 120 }), async (answer) => {
      const transport = new FakeTransport();
      transport.onOpen = (stream) => {
        stream.onData = () => {
          stream.onData = () => stream.close("reset");
          stream.send(answer);
          queueMicrotask(() => stream.close("reset"));
        };
        stream.accept();
      };
      const result = await Connection.open(transport, "4803@a").catch((error: unknown) => error);
      expect(result instanceof Connection || result instanceof GroupError).toBe(true);
    }),
    { numRuns: 300 },
  );
});
