import { expect, test } from "vitest";
import { Kind, writeEnvelope } from "../wire/native/envelope.ts";
import { encodeNative } from "../wire/native/messages.ts";
import type { LinkHost } from "./link.ts";
import { NativeLink } from "./native-link.ts";

function linkTo(host: Partial<LinkHost>): NativeLink {
  const identity = { name: "ann", priority: 0, credentials: undefined };
  return new NativeLink({ greeted: () => {}, ...host } as LinkHost, identity, undefined, 0);
}

function welcomeOf(takesStatistics: boolean, payloadBytesMax = 1_000): Uint8Array {
  return encodeNative({
    kind: "welcome",
    version: 1,
    resumption: "new",
    primary: true,
    statistics: takesStatistics,
    answersKill: true,
    privateGroup: "#ann#one",
    ticket: new Uint8Array(24),
    lastOrdered: 0,
    payloadBytesMax,
    windowBytes: 1_000,
    daemons: [],
  });
}

/** Kinds of the envelopes that a link writes to a daemon whose WELCOME says whether it takes statistics. */
function writtenTo(takesStatistics: boolean): number[] {
  const written: Uint8Array[] = [];
  const link = linkTo({ write: (bytes) => written.push(bytes) > 0 });
  link.open();
  link.report(Uint8Array.of(1));
  link.receive(welcomeOf(takesStatistics));
  link.report(Uint8Array.of(2));
  return written.slice(1).map((bytes) => bytes[4] as number);
}

test("statistics go only to daemons that say that they know them: others would end the session", () => {
  expect(writtenTo(true)).toEqual([Kind.nodeStatistics]);
  expect(writtenTo(false)).toEqual([]);
});

test("messages may be as long as the daemon says, and other envelopes of any daemon have a bound", () => {
  const head = new Uint8Array(8);
  const lengthAfter = (payloadBytesMax: number, length: number): number | undefined => {
    const link = linkTo({ write: () => true });
    link.open();
    link.receive(welcomeOf(true, payloadBytesMax));
    writeEnvelope(head, 0, Kind.deliver, 0, length - 8);
    return link.lengthAt(head, 0);
  };
  expect(lengthAfter(1_000, 200_000_000)).toBe(200_000_000);
  expect(lengthAfter(1_000, 300_000_000)).toBeUndefined();
  expect(lengthAfter(400_000_000, 400_000_100)).toBe(400_000_100);
  expect(lengthAfter(400_000_000, 400_100_000)).toBeUndefined();
});
