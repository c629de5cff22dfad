import { Reader, Writer } from "../wire/bytes.ts";

/*
 * What a daemon announces to the session layers of the others, ordered with everything else (Content.notice):
 * kind u8; 1 held: count u16, then per group length u8 and name (ASCII): all groups that the daemon holds now
 *          2 forget: the token of a client that is gone for good, 16 bytes
 *          3 propose: base u32, text (UTF-8, the rest): the file that is to be in force instead of the one with the hash base
 *          4 answer: hash u32, why (UTF-8, the rest): of the proposed file with that hash; empty for yes
 *          5 withdraw: hash u32
 */
export type DaemonNotice =
  | { readonly kind: "held"; readonly groups: readonly string[] }
  | { readonly kind: "forget"; readonly token: Uint8Array }
  | { readonly kind: "propose"; readonly base: number; readonly text: string }
  | { readonly kind: "answer"; readonly hash: number; readonly why: string }
  | { readonly kind: "withdraw"; readonly hash: number };

const HELD = 1;
const FORGET = 2;
const PROPOSE = 3;
const ANSWER = 4;
const WITHDRAW = 5;
const TOKEN_BYTES = 16;
const GROUPS_MAX = 0xffff;

export function encodeNotice(notice: DaemonNotice): Uint8Array {
  const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
  switch (notice.kind) {
    case "forget":
      return new Writer(1 + TOKEN_BYTES).u8(FORGET).raw(notice.token).finish();
    case "propose":
      return new Writer().u8(PROPOSE).u32(notice.base).raw(utf8(notice.text)).finish();
    case "answer":
      return new Writer().u8(ANSWER).u32(notice.hash).raw(utf8(notice.why)).finish();
    case "withdraw":
      return new Writer(5).u8(WITHDRAW).u32(notice.hash).finish();
    case "held":
  }
  const writer = new Writer();
  writer.u8(HELD).u16(notice.groups.length);
  for (const group of notice.groups) {
    const name = new TextEncoder().encode(group);
    writer.u8(name.length).raw(name);
  }
  return writer.finish();
}

/** `undefined` for what is no well-formed notice. */
export function decodeNotice(bytes: Uint8Array): DaemonNotice | undefined {
  const reader = new Reader(bytes);
  switch (reader.u8()) {
    case HELD: {
      const count = reader.count(GROUPS_MAX, 2);
      const groups: string[] = [];
      for (let i = 0; i < count; i++) groups.push(new TextDecoder().decode(reader.raw(reader.u8())));
      return reader.failed || reader.remaining > 0 ? undefined : { kind: "held", groups };
    }
    case FORGET: {
      const token = reader.raw(TOKEN_BYTES);
      return reader.failed || reader.remaining > 0 ? undefined : { kind: "forget", token };
    }
    case PROPOSE: {
      const base = reader.u32();
      const text = new TextDecoder().decode(reader.raw(reader.remaining));
      return reader.failed ? undefined : { kind: "propose", base, text };
    }
    case ANSWER: {
      const hash = reader.u32();
      const why = new TextDecoder().decode(reader.raw(reader.remaining));
      return reader.failed ? undefined : { kind: "answer", hash, why };
    }
    case WITHDRAW: {
      const hash = reader.u32();
      return reader.failed || reader.remaining > 0 ? undefined : { kind: "withdraw", hash };
    }
    default:
      return undefined;
  }
}
