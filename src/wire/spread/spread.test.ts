import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex, VECTORS } from "../../../test/vectors/vectors.ts";
import { classOfType, serviceOfType, TypeBit } from "./codes.ts";
import {
  dataBytesOf,
  encodeFrame,
  frameBytes,
  groupCountOf,
  groupOf,
  HEADER_BYTES,
  headerFault,
  messageTypeOf,
  normalise,
  readHeader,
  senderOf,
  typeOf,
} from "./frame.ts";
import {
  decodeAccept,
  decodeChoice,
  decodeCredentials,
  decodeHello,
  decodeMethodList,
  encodeAccept,
  encodeChoice,
  encodeCredentials,
  encodeHello,
  encodeMethodList,
} from "./handshake.ts";
import {
  decodeMembership,
  encodeLightView,
  encodeNetworkView,
  encodeSelfLeave,
  encodeTransitional,
  forSet,
  setOffset,
} from "./membership.ts";
import { isGroupName, isUserName, nameField, parsePrivateGroup, privateGroupName, readName } from "./names.ts";

const plainName = (max: number): fc.Arbitrary<string> =>
  fc
    .array(fc.integer({ min: 0x24, max: 0x7e }), { minLength: 1, maxLength: max })
    .map((codes) => String.fromCharCode(...codes));

describe("names", () => {
  test("a private group's name has two parts with the daemon's own rules", () => {
    expect(parsePrivateGroup("#alice#10.0.0.1")).toEqual({ user: "alice", daemon: "10.0.0.1" });
    for (const none of [
      "",
      "#",
      "##",
      "alice#x",
      "#alice",
      "#alice#",
      "##x",
      "#elevenbytes#x",
      "#a#b#c",
      "#a b#c",
      "#a#d\u00e9",
    ]) {
      expect(parsePrivateGroup(none), none).toBeUndefined();
    }
    fc.assert(
      fc.property(plainName(10), plainName(19), (user, daemon) => {
        expect(parsePrivateGroup(privateGroupName(user, daemon))).toEqual({ user, daemon });
      }),
    );
  });

  test("user and group names are from $ to ~ and have their lengths", () => {
    expect(["a", "$~", "tencharact"].every(isUserName)).toBe(true);
    expect(["", "elevenchars", "a#", 'a"', "a b", "\u007f", "\u00e9"].some(isUserName)).toBe(false);
    expect(isGroupName("g".repeat(31)) && !isGroupName("g".repeat(32)) && !isGroupName("#g")).toBe(true);
  });

  test("what stands behind the first NUL of a field does not count, nor does its last byte", () => {
    const field = Uint8Array.from({ length: 32 }, () => 0x67);
    expect(readName(field, 0)).toBe("g".repeat(31));
    field[2] = 0;
    expect(readName(field, 0)).toBe("gg");
  });
});

describe("frames", () => {
  const sender = "#alice#localhost";

  test("a header is read as it was written", () => {
    const frame = encodeFrame(
      TypeBit.safe | TypeBit.selfDiscard,
      sender,
      ["g1", "g2"],
      -32_768,
      Uint8Array.of(1, 2, 3),
    );
    expect(readHeader(frame, 0)).toEqual({
      type: 0x60,
      sender,
      groupCount: 2,
      messageType: -32_768,
      endianMismatch: false,
      dataBytes: 3,
    });
    expect(groupOf(frame, 0, 1)).toBe("g2");
    expect(frameBytes(frame, 0, frame.length)).toBe(frame.length);
    expect(frameBytes(frame, 0, frame.length - 1)).toBeUndefined();
  });

  test("a big-endian header becomes little endian in place, all but the hint", () => {
    fc.assert(
      fc.property(
        fc.nat(0x7f),
        fc.nat(100),
        fc.nat(100_000),
        fc.integer({ min: -32_768, max: 32_767 }),
        (flags, groups, data, type) => {
          const frame = new Uint8Array(HEADER_BYTES + 3);
          const view = new DataView(frame.buffer, 3);
          const word = ((flags << 24) | TypeBit.agreed) & 0x7fff_ff7f;
          view.setUint32(0, word);
          frame.set(nameField(sender), 7);
          frame[3 + 30] = 0x67;
          view.setInt32(36, groups);
          view.setUint32(40, (type & 0xffff) << 8);
          view.setInt32(44, data);
          expect(typeOf(frame, 3)).toBe(word);
          expect(messageTypeOf(frame, 3)).toBe(type);
          normalise(frame, 3, nameField(sender));
          expect(view.getUint32(0, true)).toBe((word | 0x8000_0080) >>> 0);
          expect([groupCountOf(frame, 3), dataBytesOf(frame, 3), senderOf(frame, 3)]).toEqual([groups, data, sender]);
          expect(messageTypeOf(frame, 3)).toBe(type);
          expect(readHeader(frame, 3).endianMismatch).toBe(true);
          expect(frame[3 + 30]).toBe(0);
        },
      ),
    );
  });

  test("arbitrary headers are judged without an exception", () => {
    const field = nameField(sender);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 48, maxLength: 48 }), (bytes) => {
        const whole = frameBytes(bytes, 0, 1 << 20);
        const fault = headerFault(bytes, 0, undefined);
        expect(fault !== undefined || whole !== undefined).toBe(true);
        expect(headerFault(bytes, 0, field)).toBeDefined();
        expect(typeof classOfType(typeOf(bytes, 0))).toBe("string");
      }),
    );
  });

  test("exactly one service bit is a service", () => {
    expect(serviceOfType(0x20)).toBe("safe");
    expect(serviceOfType(0x4000_0001)).toBe("unreliable");
    expect(serviceOfType(0x30)).toBeUndefined();
    expect(serviceOfType(TypeBit.join)).toBeUndefined();
  });
});

describe("membership messages", () => {
  const isMembership = (bytes: Uint8Array): boolean =>
    bytes.length >= 48 && (typeOf(bytes, 0) & 0x3f) === 0 && (typeOf(bytes, 0) & 0x3f00) !== 0;
  // The real daemon repeats a name that has no NUL; ours does not accept it.
  const whole = VECTORS.filter(({ name }) => name !== "crash-join32").filter(
    ({ direction, bytes }) =>
      direction === "D->C" && isMembership(bytes) && frameBytes(bytes, 0, bytes.length) === bytes.length,
  );

  test("every recorded one is read, and written again as the same bytes", () => {
    expect(whole.length).toBeGreaterThan(90);
    for (const { name, bytes } of whole) {
      const message = decodeMembership(bytes);
      if (message === undefined) throw new Error(`${name} ${toHex(bytes)}`);
      expect(toHex(encoded(message)), name).toBe(toHex(bytes));
    }
  });

  function encoded(message: NonNullable<ReturnType<typeof decodeMembership>>): Uint8Array {
    switch (message.kind) {
      case "selfLeave":
        return encodeSelfLeave(message.group);
      case "transitional":
        return encodeTransitional(message.group, message.id);
      case "view": {
        const { cause, group, members, id, sets, ownSet } = message;
        if (cause !== "network") return encodeLightView(cause, group, members, id, sets[0]?.[0] ?? "");
        return forSet(encodeNetworkView(group, members, id, sets), setOffset(sets, ownSet));
      }
    }
  }

  test("a view for another set is a copy that differs in one word", () => {
    const sets = [["#a#d1"], ["#b#d2", "#c#d2"]];
    const frame = encodeNetworkView("g", sets.flat(), { leader: 0xffff_ffff, time: 5, index: 1 }, sets);
    const second = forSet(frame, setOffset(sets, 1));
    expect(forSet(frame, 0)).toBe(frame);
    expect(decodeMembership(frame)).toMatchObject({ ownSet: 0, sets, id: { leader: 0xffff_ffff } });
    expect(decodeMembership(second)).toMatchObject({ ownSet: 1, sets });
    expect(second.filter((byte, i) => byte !== frame[i]).length).toBe(1);
  });

  test("damaged views are refused or read, never an exception", () => {
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(), fc.nat(255), fc.nat(), (which, at, byte, cut) => {
        const bytes = (whole[which]?.bytes ?? new Uint8Array(48)).slice();
        bytes[at % bytes.length] = byte;
        expect(() => decodeMembership(bytes)).not.toThrow();
        expect(decodeMembership(bytes.subarray(0, cut % bytes.length))).toBeUndefined();
      }),
    );
  });
});

describe("handshake", () => {
  test("what one side writes the other reads, in any number of pieces", () => {
    fc.assert(
      fc.property(plainName(10), fc.boolean(), fc.nat(7), (user, membership, priority) => {
        const bytes = encodeHello(user, membership, priority);
        for (let n = 0; n < bytes.length; n++) expect(decodeHello(bytes.subarray(0, n)).kind).toBe("more");
        const hello = { version: 50_001, membership, priority, user };
        expect(decodeHello(bytes)).toEqual({ kind: "hello", hello, bytes: bytes.length });
      }),
    );
    const list = encodeMethodList(["NULL", "IP"]);
    expect(decodeMethodList(list)).toEqual({ kind: "ok", value: ["NULL", "IP"], bytes: 9 });
    expect(decodeMethodList(list.subarray(0, 8)).kind).toBe("more");
    expect(decodeMethodList(Uint8Array.of(0xfa))).toEqual({ kind: "rejected", code: -6 });
    expect(decodeChoice(encodeChoice(["IP", "NULL"]))).toEqual(["IP", "NULL"]);
    expect(decodeCredentials(encodeCredentials("u", "12345678"))).toEqual({ user: "u", password: "12345678" });
    const accept = encodeAccept(50_001, "#a#b");
    expect(decodeAccept(accept)).toEqual({ kind: "ok", value: { version: 50_001, privateGroup: "#a#b" }, bytes: 9 });
    expect(decodeAccept(accept.subarray(0, 8)).kind).toBe("more");
    expect(decodeAccept(Uint8Array.of(0xf7))).toEqual({ kind: "rejected", code: -9 });
    expect(decodeAccept(Uint8Array.of(1, 5, 0, 1, 40)).kind).toBe("malformed");
  });

  test("arbitrary bytes never make an exception", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        expect(() => [decodeHello(bytes), decodeMethodList(bytes), decodeAccept(bytes)]).not.toThrow();
      }),
    );
  });
});
