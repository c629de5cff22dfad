import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HeldGroups } from "./held-groups.ts";
import { decodeNotice, encodeNotice } from "./notice.ts";

describe("a daemon's notice", () => {
  it("comes back as it was written", () => {
    const name = fc.string({
      minLength: 1,
      maxLength: 31,
      unit: fc.constantFrom("a", "z", "A", "Z", "0", "9", "$", "~"),
    });
    fc.assert(
      fc.property(fc.array(name, { maxLength: 20 }), (groups) => {
        expect(decodeNotice(encodeNotice({ kind: "held", groups }))).toEqual({ kind: "held", groups });
      }),
    );
    const whole = { base: 2 ** 32 - 1, hash: 7 };
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 500 }), (text) => {
        for (const notice of [
          { kind: "propose", base: whole.base, text } as const,
          { kind: "answer", hash: whole.hash, why: text } as const,
          { kind: "withdraw", hash: whole.hash } as const,
        ]) {
          expect(decodeNotice(encodeNotice(notice))).toEqual(notice);
        }
      }),
    );
    const token = Uint8Array.from({ length: 16 }, (_, i) => i);
    expect(decodeNotice(encodeNotice({ kind: "forget", token }))).toEqual({ kind: "forget", token });
  });

  it("is refused when it is cut short, has an unknown kind or bytes behind it", () => {
    const whole = encodeNotice({ kind: "held", groups: ["one", "two"] });
    for (let length = 0; length < whole.length; length++)
      expect(decodeNotice(whole.subarray(0, length))).toBeUndefined();
    expect(decodeNotice(Uint8Array.of(9, 0, 0))).toBeUndefined();
    expect(decodeNotice(Uint8Array.of(...whole, 0))).toBeUndefined();
  });

  it("never throws on bytes of a stranger", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const notice = decodeNotice(bytes);
        if (notice?.kind === "forget") expect(notice.token.length).toBe(16);
      }),
    );
  });
});

describe("HeldGroups", () => {
  it("announces what is held here once per change, the last release too", () => {
    const held = new HeldGroups();
    expect(held.takeAnnouncement()).toBeUndefined();
    held.hold("a");
    held.hold("b");
    expect(held.takeAnnouncement()).toEqual(["a", "b"]);
    held.hold("a");
    expect(held.takeAnnouncement()).toBeUndefined();
    held.release("a");
    held.release("b");
    expect(held.takeAnnouncement()).toEqual([]);
    held.release("b");
    expect(held.takeAnnouncement()).toBeUndefined();
  });

  it("counts a group as held while anybody holds it", () => {
    const held = new HeldGroups();
    held.hold("a");
    held.announced(2, ["a", "b"]);
    held.release("a");
    expect([...held.all].sort()).toEqual(["a", "b"]);
    held.announced(2, ["b"]);
    expect([...held.all]).toEqual(["b"]);
    held.announced(2, []);
    expect(held.all.size).toBe(0);
  });

  it("forgets the holds of daemons that are gone, and tells those that have come of its own", () => {
    const held = new HeldGroups();
    held.hold("mine");
    held.takeAnnouncement();
    held.announced(2, ["b"]);
    held.announced(3, ["c"]);
    held.configured([1, 3]);
    expect([...held.all].sort()).toEqual(["c", "mine"]);
    expect(held.takeAnnouncement()).toEqual(["mine"]);
  });
});
