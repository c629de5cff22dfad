import { Reader, Writer } from "../wire/bytes.ts";

/*
 * What a daemon announces to the session layers of the others, ordered with everything else (Content.notice):
 * kind u8; 1 held: count u16, then per group length u8 and name (ASCII): all groups that the daemon holds now
 *          2 forget: the token of a client that is gone for good, 16 bytes
 */
export type DaemonNotice =
  | { readonly kind: "held"; readonly groups: readonly string[] }
  | { readonly kind: "forget"; readonly token: Uint8Array };

const HELD = 1;
const FORGET = 2;
const TOKEN_BYTES = 16;
const GROUPS_MAX = 0xffff;

export function encodeNotice(notice: DaemonNotice): Uint8Array {
  if (notice.kind === "forget") return new Writer(1 + TOKEN_BYTES).u8(FORGET).raw(notice.token).finish();
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
    default:
      return undefined;
  }
}
