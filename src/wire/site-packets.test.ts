import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Kind, type Prefix, packet, readPrefix, writePrefix } from "./prefix.ts";
import { decodeSiteDone, decodeSiteUpdate, encodeSiteDone, encodeSiteUpdate } from "./site-control.ts";
import { decodeSiteObject, encodeSiteObject, type HeadSource, type HeadTable, usualHead } from "./site-object.ts";

/** Both ends know nothing. */
const NO_HEADS: HeadSource & HeadTable = {
  refer: () => ({ relativeTo: undefined, defines: undefined }),
  head: () => undefined,
  define: () => undefined,
};

const u32 = fc.nat(0xffff_ffff);
const site = fc.nat(127);
const configuration = fc.record({ leader: u32, time: u32 });
const usual = usualHead({ version: 1, confHash: 7 }, { leader: 42, time: 99 }, 3, 42);

function decoded<T>(kind: number, body: Uint8Array, decode: (prefix: Prefix, bytes: Uint8Array) => T, version = 1): T {
  const bytes = packet(version, kind, 7, 42, body);
  for (const cut of [1, body.length]) {
    const short = packet(version, kind, 7, 42, body.subarray(0, body.length - cut));
    expect(decode(readPrefix(short) as Prefix, short)).toBeUndefined();
  }
  return decode(readPrefix(bytes) as Prefix, bytes);
}

describe("what sites tell each other", () => {
  test("updates come back as they were, from version 3 on with the clock", () => {
    fc.assert(
      fc.property(fc.record({ configuration, site, seq: u32, lts: u32, aru: u32, clock: u32 }), (update) => {
        for (const version of [1, 2, 3]) {
          const got = decoded(Kind.siteUpdate, encodeSiteUpdate(update, version), decodeSiteUpdate, version);
          expect(got).toEqual(version === 3 ? update : { ...update, clock: 0 });
        }
      }),
    );
  });

  test("and so does that a site is done", () => {
    fc.assert(
      fc.property(fc.record({ configuration, site }), (done) => {
        expect(decoded(Kind.siteDone, encodeSiteDone(done), decodeSiteDone)).toEqual(done);
      }),
    );
  });

  test("objects keep their source, for whom they are, and what they carry", () => {
    const sites = fc.option(fc.array(site, { minLength: 1, maxLength: 128 }), { nil: undefined });
    fc.assert(
      fc.property(site, sites, fc.uint8Array(), (source, to, bytes) => {
        const sent = { source, sites: to, packet: bytes };
        expect(decodeSiteObject(encodeSiteObject(sent, usual, NO_HEADS), () => usual, NO_HEADS)).toEqual(sent);
      }),
    );
  });

  test("of what is as ever in a packet's head, nothing is sent", () => {
    const bytes = usual.slice();
    writePrefix(bytes, 0, 1, Kind.ringData, 7, bytes.length - 16, 42);
    const encoded = () => encodeSiteObject({ source: 3, sites: undefined, packet: bytes }, usual, NO_HEADS);
    expect(encoded()).toHaveLength(7);
    bytes.set([1, 2, 3, 4], 28);
    expect(decodeSiteObject(encoded(), () => usual, NO_HEADS)?.packet).toEqual(bytes);
    expect(decodeSiteObject(encoded(), () => undefined, NO_HEADS)).toBeUndefined();
  });

  test.each([
    ["nothing", []],
    ["half a head", [1]],
    ["a source that is no site", [128, 0]],
    ["more sites than there can be", [1, 129, ...Array.from({ length: 129 }, () => 1)]],
    ["fewer sites than it says", [1, 3, 1, 2]],
    ["a destination that is no site", [1, 1, 200]],
    ["a packet that is cut off", [1, 0, 0, 0, 3, 1, 2]],
    ["a reference that is cut off", [1, 0, 1]],
    ["a reference to a slot with nothing in it", [1, 0, 1, 2, 0, 40, ...usual]],
    ["more fragments than there are", [1, 0, 1, 0, 0, 40, ...usual]],
  ])("%s is malformed", (_what, bytes) => {
    expect(decodeSiteObject(Uint8Array.from(bytes), () => usual, NO_HEADS)).toBeUndefined();
  });
});
