import type { ConfigurationId } from "../base/ids.ts";
import type { GroupId } from "../directory/group-id.ts";
import { OVERTAKEN_MAX, type NumberedSession } from "../directory/numbered-sessions.ts";
import { optionsCode, optionsOfCode } from "../directory/options.ts";
import type { DirectoryState, GroupState, PartState, RosterState } from "../directory/state.ts";
import { Reader, Writer } from "../wire/bytes.ts";
import { isGroupName, isUserName } from "../wire/spread/names.ts";

/*
 * The state of a directory as one stream of bytes (protocols.md H.3), which state-piece.ts cuts into messages. Counts and
 * most numbers are varints, ids u32 big endian, names u8 length and bytes:
 *
 *   version u8
 *   clock; sessions: count, each token 16 B, number, used, overtaken: count, each distance from the one before
 *   rosters: count, each daemon u32, users: count, each name
 *   groups: count, each name, id (leader u32, time, index), flags varint (bit 0 changed, above it the options),
 *     parts: count, each roster index, configuration (leader u32, time),
 *       members: count, each the distance from the user before
 *
 * A client's name is told once, however many groups it is in: a membership takes one or two bytes.
 */

const VERSION = 1;
const TOKEN_BYTES = 16;

/** Encodes a whole state. The bytes are the caller's. */
export function encodeState(state: DirectoryState): Uint8Array {
  const writer = new Writer(4096);
  writer.u8(VERSION).varint(state.sessionClock).varint(state.sessions.length);
  for (const session of state.sessions) writeSession(writer, session);
  writer.varint(state.rosters.length);
  for (const { daemon, users } of state.rosters) {
    writer.u32(daemon).varint(users.length);
    for (const user of users) writeName(writer, user);
  }
  writer.varint(state.groups.length);
  for (const group of state.groups) writeGroup(writer, group);
  return writer.finish();
}

/** Decodes a stream that `encodeState` wrote; `undefined` if it is not well formed or not canonical. */
export function decodeState(bytes: Uint8Array): DirectoryState | undefined {
  const reader = new Reader(bytes);
  if (reader.u8() !== VERSION) return undefined;
  const sessionClock = reader.varint();
  const sessions = readList(reader, TOKEN_BYTES + 3, readSession);
  const rosters = readList(reader, 6, readRoster);
  const ids = new ConfigurationIds();
  const groups = readList(reader, 12, (from) => readGroup(from, rosters, ids));
  if (reader.failed || reader.remaining !== 0) return undefined;
  if (!ascends(sessions, (session) => session.token) || !ascends(groups, (group) => group.name)) return undefined;
  if (new Set(rosters.map((roster) => roster.daemon)).size !== rosters.length) return undefined;
  return { sessionClock, sessions, rosters, groups };
}

function writeSession(writer: Writer, session: NumberedSession): void {
  for (let i = 0; i < TOKEN_BYTES; i++) writer.u8(session.token.charCodeAt(i));
  writer.varint(session.number).varint(session.used).varint(session.overtaken.length);
  let before = session.number;
  for (const number of session.overtaken) {
    writer.varint(number - before);
    before = number;
  }
}

function readSession(reader: Reader): NumberedSession {
  const token = String.fromCharCode(...reader.raw(TOKEN_BYTES));
  const number = reader.varint();
  const used = reader.varint();
  const count = reader.varint();
  if (count > OVERTAKEN_MAX) reader.fail();
  const overtaken: number[] = [];
  let before = number;
  for (let i = 0; i < count && !reader.failed; i++) {
    const distance = reader.varint();
    before += distance;
    if (distance === 0 || !Number.isSafeInteger(before)) reader.fail();
    overtaken.push(before);
  }
  return { token, number, used, overtaken };
}

function readRoster(reader: Reader): RosterState {
  const daemon = reader.u32();
  const users = readList(reader, 2, readName);
  if (users.length === 0 || !users.every(isUserName) || !ascends(users, (user) => user)) reader.fail();
  return { daemon, users };
}

function writeGroup(writer: Writer, group: GroupState): void {
  writeName(writer, group.name);
  writeConfiguration(writer, group.id.configuration);
  writer.varint(group.id.index).varint((group.changed ? 1 : 0) + 2 * optionsCode(group.options));
  writer.varint(group.parts.length);
  for (const part of group.parts) {
    writer.varint(part.roster);
    writeConfiguration(writer, part.configuration);
    const { members } = part;
    writer.varint(members.length);
    let before = -1;
    for (let i = 0; i < members.length; i++) {
      const member = members[i] as number;
      writer.varint(member - before);
      before = member;
    }
  }
}

function readGroup(reader: Reader, rosters: readonly RosterState[], ids: ConfigurationIds): GroupState {
  const name = readName(reader);
  const id: GroupId = { configuration: ids.read(reader), index: reader.varint() };
  const flags = reader.varint();
  const options = optionsOfCode(Math.floor(flags / 2));
  const parts = readList(reader, 8, (from) => readPart(from, rosters, ids));
  if (!isGroupName(name) || options === undefined || parts.length === 0) {
    reader.fail();
    return NO_GROUP;
  }
  // One part per daemon, in the order of the rosters.
  for (let i = 1; i < parts.length; i++) {
    if ((parts[i] as PartState).roster <= (parts[i - 1] as PartState).roster) reader.fail();
  }
  return { name, id, changed: flags % 2 !== 0, options, parts };
}

function readPart(reader: Reader, rosters: readonly RosterState[], ids: ConfigurationIds): PartState {
  const roster = reader.varint();
  const configuration = ids.read(reader);
  const count = reader.varint();
  const known = rosters[roster]?.users.length ?? 0;
  if (count === 0 || count > known || count > reader.remaining) reader.fail();
  if (reader.failed) return NO_PART;
  const members = new Uint32Array(count);
  let before = -1;
  for (let i = 0; i < count; i++) {
    const distance = reader.varint();
    before += distance;
    if (distance === 0 || before >= known) {
      reader.fail();
      return NO_PART;
    }
    members[i] = before;
  }
  return { roster, configuration, members };
}

function writeName(writer: Writer, name: string): void {
  writer.u8(name.length);
  for (let i = 0; i < name.length; i++) writer.u8(name.charCodeAt(i));
}

function readName(reader: Reader): string {
  return String.fromCharCode(...reader.raw(reader.u8()));
}

function writeConfiguration(writer: Writer, id: ConfigurationId): void {
  writer.u32(id.leader).varint(id.time);
}

/** Shares equal ids: most parts of a state carry the same one or two. */
class ConfigurationIds {
  #last: ConfigurationId = { leader: 0, time: 0 };

  read(reader: Reader): ConfigurationId {
    const leader = reader.u32();
    const time = reader.varint();
    if (this.#last.leader !== leader || this.#last.time !== time) this.#last = { leader, time };
    return this.#last;
  }
}

/** A varint count, refused if the bytes cannot hold so many elements of at least `elementBytes`, and the elements. */
function readList<T>(reader: Reader, elementBytes: number, read: (reader: Reader) => T): T[] {
  const list: T[] = [];
  const count = reader.varint();
  if (count * elementBytes > reader.remaining) reader.fail();
  for (let i = 0; i < count && !reader.failed; i++) list.push(read(reader));
  return list;
}

function ascends<T>(list: readonly T[], key: (element: T) => string): boolean {
  for (let i = 1; i < list.length; i++) if (key(list[i - 1] as T) >= key(list[i] as T)) return false;
  return true;
}

/** Stand for what was malformed; the whole stream is refused then. */
const NO_PART: PartState = { roster: 0, configuration: { leader: 0, time: 0 }, members: new Uint32Array(0) };
const NO_GROUP: GroupState = {
  name: "",
  id: { configuration: { leader: 0, time: 0 }, index: 0 },
  changed: false,
  options: { slow: undefined, quality: "ordered" },
  parts: [],
};
