/**
 * Names as they stand in Spread frames: fields of 32 bytes, padded with NUL (spread-client-protocol section 2.4 and 4.3).
 *
 * A name is a string whose characters are its bytes (0 … 255), so that any field can be read and written back
 * unchanged. Only what stands before the first NUL counts; clients leave garbage behind it.
 */

/** Bytes of a name field. */
export const NAME_BYTES = 32;
/** Greatest length of a group name: the last byte of the field is always NUL. */
export const GROUP_NAME_MAX = 31;
/** Greatest length of the name that a client chooses for itself. */
export const USER_NAME_MAX = 10;
/** Greatest length of a daemon's name. */
export const DAEMON_NAME_MAX = 19;

const HASH = 0x23;
const LOWEST = 0x24;
const HIGHEST = 0x7e;

/** A private group's two parts: `#user#daemon`. */
export type PrivateGroup = { readonly user: string; readonly daemon: string };

/** Whether a client may call itself so: 1 … 10 characters from `$` to `~`. */
export function isUserName(name: string): boolean {
  return name.length <= USER_NAME_MAX && isPlain(name);
}

/** Whether a daemon may be called so: 1 … 19 characters from `$` to `~`. */
export function isDaemonName(name: string): boolean {
  return name.length <= DAEMON_NAME_MAX && isPlain(name);
}

/** Whether a client may join a group of this name: 1 … 31 characters from `$` to `~`. Private names are none. */
export function isGroupName(name: string): boolean {
  return name.length <= GROUP_NAME_MAX && isPlain(name);
}

/** Whether messages to this destination go to one session rather than to a group. */
export function isPrivate(name: string): boolean {
  return name.charCodeAt(0) === HASH;
}

/** `#user#daemon`. Whether the parts are legal is the caller's business. */
export function privateGroupName(user: string, daemon: string): string {
  return `#${user}#${daemon}`;
}

/** The parts of a private group's name, or `undefined` if it is none. */
export function parsePrivateGroup(name: string): PrivateGroup | undefined {
  if (!isPrivate(name)) return undefined;
  const second = name.indexOf("#", 1);
  if (second < 0) return undefined;
  const user = name.slice(1, second);
  const daemon = name.slice(second + 1);
  return isUserName(user) && isDaemonName(daemon) ? { user, daemon } : undefined;
}

/** Reads the field of 32 bytes at `offset`, up to its first NUL and at most 31 characters. The field must be there. */
export function readName(bytes: Uint8Array, offset: number): string {
  let name = "";
  for (let i = offset; i < offset + GROUP_NAME_MAX; i++) {
    const byte = bytes[i] as number;
    if (byte === 0) break;
    name += String.fromCharCode(byte);
  }
  return name;
}

/** Writes a field of 32 bytes: the name, cut at 31 characters, and NULs. */
export function writeName(bytes: Uint8Array, offset: number, name: string): void {
  const length = Math.min(name.length, GROUP_NAME_MAX);
  for (let i = 0; i < length; i++) bytes[offset + i] = name.charCodeAt(i);
  // For so few bytes `fill` takes longer.
  for (let i = length; i < NAME_BYTES; i++) bytes[offset + i] = 0;
}

/** A new field of 32 bytes with this name. */
export function nameField(name: string): Uint8Array {
  const field = new Uint8Array(NAME_BYTES);
  writeName(field, 0, name);
  return field;
}

/** The characters of a string as bytes, each cut to eight bits. */
export function asciiBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** The bytes from `start` to before `end` as characters. */
export function asciiText(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i] as number);
  return text;
}

function isPlain(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code < LOWEST || code > HIGHEST) return false;
  }
  return name.length > 0;
}
