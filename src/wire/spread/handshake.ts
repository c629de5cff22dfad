import { asciiBytes, asciiText, USER_NAME_MAX } from "./names.ts";

/**
 * How a Spread client and a daemon meet (spread-client-protocol section 2): hello, list of authentication methods, choice of
 * methods, verdict. Decoders take all bytes that are in so far and ask for more until a part is complete: nothing is
 * assumed about how bytes are grouped on their way.
 */

/** Bytes of a client's choice of methods: three names of thirty bytes. */
export const CHOICE_BYTES = 90;
const METHOD_BYTES = 30;
/** What a PWORD client sends: user (32 bytes) and password (8 bytes), NUL padded. */
export const CREDENTIALS_BYTES = 40;
const CREDENTIALS_USER_BYTES = 32;

/** A library's version as one number, major × 10000 + minor × 100 + patch. */
export const OLDEST_VERSION = 30_100;
const LAST_WITHOUT_PATCH = 31_400;
const FIRST_WITH_AUTHENTICATION = 31_600;

/** What we say we are. Applications look at the major number only. */
export const VERSION: readonly [number, number, number] = [5, 0, 1];

export type Hello = {
  readonly version: number;
  /** Wants membership messages. */
  readonly membership: boolean;
  /** 0 … 15. */
  readonly priority: number;
  /** Empty: the daemon invents one. */
  readonly user: string;
};

export type HelloProgress =
  | { readonly kind: "more" }
  | { readonly kind: "hello"; readonly hello: Hello; readonly bytes: number }
  | { readonly kind: "oldVersion" }
  | { readonly kind: "illegalName" };

/** Whether clients of this version choose an authentication method (3.16 and later). */
export function hasAuthentication(version: number): boolean {
  return version >= FIRST_WITH_AUTHENTICATION;
}

/** Reads a hello from the start of `bytes`. A name that is too long is known before it is there. */
export function decodeHello(bytes: Uint8Array): HelloProgress {
  if (bytes.length < 2) return MORE;
  const major = bytes[0] as number;
  // The byte is signed: what looks like a huge version is a negative one.
  if (major >= 0x80) return { kind: "oldVersion" };
  let version = major * 10_000 + (bytes[1] as number) * 100;
  let at = 2;
  if (version > LAST_WITHOUT_PATCH) {
    if (bytes.length < 3) return MORE;
    version += bytes[2] as number;
    at = 3;
  }
  if (version < OLDEST_VERSION) return { kind: "oldVersion" };
  if (bytes.length < at + 2) return MORE;
  const flags = bytes[at] as number;
  const length = bytes[at + 1] as number;
  if (length > USER_NAME_MAX) return { kind: "illegalName" };
  const end = at + 2 + length;
  if (bytes.length < end) return MORE;
  const hello = {
    version,
    membership: (flags & 0x81) === 0x01,
    priority: flags >>> 4,
    user: asciiText(bytes, at + 2, end),
  };
  return { kind: "hello", hello, bytes: end };
}

/** A hello of our version. The name is cut at ten characters, as all client libraries do. */
export function encodeHello(user: string, membership: boolean, priority: number): Uint8Array {
  const name = asciiBytes(user.slice(0, USER_NAME_MAX));
  const flags = (membership ? 1 : 0) | ((priority & 0x07) << 4);
  return Uint8Array.of(...VERSION, flags, name.length, ...name);
}

/** The list of methods that a daemon offers: each name and a blank, behind their length. */
export function encodeMethodList(methods: readonly string[]): Uint8Array {
  const text = methods.map((method) => `${method} `).join("");
  return Uint8Array.of(text.length, ...asciiBytes(text));
}

/** What a daemon answered: a list, a verdict, or a reject code (one signed byte instead of either). */
export type Answer<T> =
  | { readonly kind: "more" }
  | { readonly kind: "rejected"; readonly code: number }
  | { readonly kind: "malformed" }
  | { readonly kind: "ok"; readonly value: T; readonly bytes: number };

/** Reads a daemon's list of methods. */
export function decodeMethodList(bytes: Uint8Array): Answer<readonly string[]> {
  if (bytes.length < 1) return MORE;
  const length = bytes[0] as number;
  if (length >= 0x80) return { kind: "rejected", code: length - 0x100 };
  if (bytes.length < 1 + length) return MORE;
  const value = asciiText(bytes, 1, 1 + length)
    .split(" ")
    .filter((method) => method !== "");
  return { kind: "ok", value, bytes: 1 + length };
}

/** A client's choice of at most three methods. */
export function encodeChoice(methods: readonly string[]): Uint8Array {
  const bytes = new Uint8Array(CHOICE_BYTES);
  for (const [n, method] of methods.slice(0, 3).entries()) {
    bytes.set(asciiBytes(method.slice(0, METHOD_BYTES)), n * METHOD_BYTES);
  }
  return bytes;
}

/** Reads a choice of methods; 90 bytes must be there. The first empty slot ends it. */
export function decodeChoice(bytes: Uint8Array): readonly string[] {
  const methods: string[] = [];
  for (let n = 0; n < 3; n++) {
    const method = textTo(bytes, n * METHOD_BYTES, METHOD_BYTES);
    if (method === "") break;
    methods.push(method);
  }
  return methods;
}

/** A PWORD client's user and password. */
export function encodeCredentials(user: string, password: string): Uint8Array {
  const bytes = new Uint8Array(CREDENTIALS_BYTES);
  bytes.set(asciiBytes(user.slice(0, CREDENTIALS_USER_BYTES)));
  bytes.set(asciiBytes(password.slice(0, CREDENTIALS_BYTES - CREDENTIALS_USER_BYTES)), CREDENTIALS_USER_BYTES);
  return bytes;
}

/** Whether both arrive as they are: longer ones are cut, and what is not ASCII is replaced. */
export function fitsCredentials(user: string, password: string): boolean {
  return isShortAscii(user, 32) && isShortAscii(password, 8);
}

function isShortAscii(text: string, bytesMax: number): boolean {
  if (text.length === 0 || text.length > bytesMax) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0 || code > 0x7f) return false;
  }
  return true;
}

/** Reads user and password; 40 bytes must be there. */
export function decodeCredentials(bytes: Uint8Array): { readonly user: string; readonly password: string } {
  return {
    user: textTo(bytes, 0, CREDENTIALS_USER_BYTES),
    password: textTo(bytes, CREDENTIALS_USER_BYTES, CREDENTIALS_BYTES - CREDENTIALS_USER_BYTES),
  };
}

/** The verdict that lets a client of this version in; clients before 3.15 expect no patch number in ours. */
export function encodeAccept(clientVersion: number, privateGroup: string): Uint8Array {
  const version = clientVersion > LAST_WITHOUT_PATCH ? VERSION : VERSION.slice(0, 2);
  return Uint8Array.of(1, ...version, privateGroup.length, ...asciiBytes(privateGroup));
}

export type Accept = { readonly version: number; readonly privateGroup: string };

/** Reads the verdict of a daemon, as a client of 3.15 or later gets it. */
export function decodeAccept(bytes: Uint8Array): Answer<Accept> {
  if (bytes.length < 1) return MORE;
  const code = bytes[0] as number;
  if (code !== 1) return code >= 0x80 ? { kind: "rejected", code: code - 0x100 } : { kind: "malformed" };
  if (bytes.length < 5) return MORE;
  const length = bytes[4] as number;
  if (length > 31) return { kind: "malformed" };
  if (bytes.length < 5 + length) return MORE;
  const version = (bytes[1] as number) * 10_000 + (bytes[2] as number) * 100 + (bytes[3] as number);
  return { kind: "ok", value: { version, privateGroup: asciiText(bytes, 5, 5 + length) }, bytes: 5 + length };
}

/** A reject code as its one byte. */
export function encodeReject(code: number): Uint8Array {
  return Uint8Array.of(code & 0xff);
}

const MORE = { kind: "more" } as const;

function textTo(bytes: Uint8Array, start: number, length: number): string {
  const nul = bytes.subarray(start, start + length).indexOf(0);
  return asciiText(bytes, start, start + (nul < 0 ? length : nul));
}
