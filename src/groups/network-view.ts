import type { Group } from "../directory/group.ts";
import type { Member } from "../directory/member.ts";
import { TypeBit } from "../wire/spread/codes.ts";
import { HEADER_BYTES, writeHeader, writeWord } from "../wire/spread/frame.ts";
import { NAME_BYTES } from "../wire/spread/names.ts";

/** A network view for the receivers in its first set, and where each set begins, counted from the first one. */
export type NetworkView = { readonly frame: Uint8Array; readonly setOffsets: readonly number[] };

const BODY_HEAD_BYTES = 20;

/**
 * The same bytes as `encodeNetworkView` of wire/spread/membership.ts, for groups of thousands in thousands of groups at
 * once: names are copied from where they stand ready, and the sets, in which every member stands a second time, in runs
 * from the list of members.
 */
export function encodeLargeNetworkView(group: Group, sets: readonly (readonly Member[])[]): NetworkView {
  const count = group.memberCount;
  const body = HEADER_BYTES + count * NAME_BYTES;
  const dataBytes = BODY_HEAD_BYTES + 4 * sets.length + count * NAME_BYTES;
  const frame = new Uint8Array(body + dataBytes);
  const type = TypeBit.regularMembership | TypeBit.causedByNetwork;
  writeHeader(frame, 0, { type, sender: group.name, groupCount: count, messageType: 0, dataBytes });
  let place = 0;
  for (const part of group.parts) {
    for (const member of part.members) {
      frame.set(member.field, HEADER_BYTES + place * NAME_BYTES);
      member.ordinal = place++;
    }
  }
  writeWord(frame, body, group.id.configuration.leader);
  writeWord(frame, body + 4, group.id.configuration.time);
  writeWord(frame, body + 8, group.id.index);
  writeWord(frame, body + 12, sets.length);
  const setOffsets: number[] = [];
  let at = body + BODY_HEAD_BYTES;
  for (const set of sets) {
    setOffsets.push(at - body - BODY_HEAD_BYTES);
    writeWord(frame, at, set.length);
    at = copySet(frame, at + 4, set);
  }
  return { frame, setOffsets };
}

/** Copies the set's names, run by run of members that stand next to each other in the list; where it ends. */
function copySet(frame: Uint8Array, start: number, set: readonly Member[]): number {
  let at = start;
  for (let i = 0; i < set.length; ) {
    const first = (set[i] as Member).ordinal;
    let run = 1;
    while (i + run < set.length && (set[i + run] as Member).ordinal === first + run) run++;
    const from = HEADER_BYTES + first * NAME_BYTES;
    frame.copyWithin(at, from, from + run * NAME_BYTES);
    at += run * NAME_BYTES;
    i += run;
  }
  return at;
}
