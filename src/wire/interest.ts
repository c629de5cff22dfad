import { Reader, Writer } from "./bytes.ts";

/**
 * What a daemon says of a group before clients of it may join, and when none of them is a member any more (docs/protocols/wide-area.md, "Pruning"). `number`
 * counts what it has said that it wants; what it withdraws has the number of the last such word about the group.
 *
 * Payload of a message of content `interest`: number u32, 1: it wants messages of the group, 0: it does not any more (u8), the group's name.
 */
export type Announcement = { readonly number: number; readonly wants: boolean; readonly group: string };

const NAME_MAX = 32;

/** Names of groups have characters of code 1 … 255. */
export function encodeAnnouncement({ number, wants, group }: Announcement): Uint8Array {
  const name = Uint8Array.from(group, (character) => character.charCodeAt(0));
  return new Writer(40)
    .u32(number)
    .u8(wants ? 1 : 0)
    .raw(name)
    .finish();
}

export function decodeAnnouncement(payload: Uint8Array): Announcement | undefined {
  const input = new Reader(payload);
  const number = input.u32();
  const wants = input.u8();
  if (input.failed || wants > 1 || input.remaining > NAME_MAX) return undefined;
  return { number, wants: wants === 1, group: String.fromCharCode(...input.raw(input.remaining)) };
}
