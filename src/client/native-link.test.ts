import { expect, test } from "vitest";
import { Kind } from "../wire/native/envelope.ts";
import { encodeNative } from "../wire/native/messages.ts";
import type { LinkHost } from "./link.ts";
import { NativeLink } from "./native-link.ts";

/** Kinds of the envelopes that a link writes to a daemon whose WELCOME says whether it takes statistics. */
function writtenTo(takesStatistics: boolean): number[] {
  const written: Uint8Array[] = [];
  const host = { write: (bytes: Uint8Array) => void written.push(bytes), greeted: () => {} };
  const link = new NativeLink(
    host as unknown as LinkHost,
    { name: "ann", priority: 0, credentials: undefined },
    undefined,
    0,
  );
  link.open();
  link.report(Uint8Array.of(1));
  const welcome = encodeNative({
    kind: "welcome",
    version: 1,
    resumption: "new",
    primary: true,
    statistics: takesStatistics,
    answersKill: true,
    privateGroup: "#ann#one",
    ticket: new Uint8Array(24),
    lastOrdered: 0,
    payloadBytesMax: 1_000,
    windowBytes: 1_000,
    daemons: [],
  });
  link.receive(welcome);
  link.report(Uint8Array.of(2));
  return written.slice(1).map((bytes) => bytes[4] as number);
}

test("statistics go only to daemons that say that they know them: others would end the session", () => {
  expect(writtenTo(true)).toEqual([Kind.nodeStatistics]);
  expect(writtenTo(false)).toEqual([]);
});
