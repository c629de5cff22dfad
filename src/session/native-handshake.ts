import { ENVELOPE_BYTES, envelopeBytes, NATIVE_VERSION, PREFACE } from "../wire/native/envelope.ts";
import { decodeUtf8 } from "../wire/native/fields.ts";
import { decodeNative, type NativeHello } from "../wire/native/messages.ts";
import { Code } from "../wire/spread/codes.ts";
import type { SessionOptions } from "./options.ts";

/** A HELLO with the longest names and ample credentials. */
const GREETING_MAX = 8_192;

/** What a native client has sent so far, with how many bytes of it are to be taken away. */
export type Greeting =
  | { readonly kind: "more" }
  | { readonly kind: "malformed"; readonly why: string }
  | { readonly kind: "preface"; readonly bytes: number }
  | { readonly kind: "status"; readonly bytes: number; readonly whole: boolean }
  | { readonly kind: "hello"; readonly bytes: number; readonly hello: NativeHello };

/** Reads the preface, then one envelope: HELLO or STATUS. */
export function readNativeGreeting(bytes: Uint8Array, prefaced: boolean): Greeting {
  if (!prefaced) {
    const count = Math.min(bytes.length, PREFACE.length);
    for (let i = 0; i < count; i++) {
      if (bytes[i] !== PREFACE[i])
        return { kind: "malformed", why: "The connection does not begin with the native preface." };
    }
    return bytes.length < PREFACE.length ? { kind: "more" } : { kind: "preface", bytes: PREFACE.length };
  }
  if (bytes.length < ENVELOPE_BYTES) return { kind: "more" };
  const length = envelopeBytes(bytes, 0);
  if (length > GREETING_MAX) return { kind: "malformed", why: "The first envelope is too long for a HELLO." };
  if (bytes.length < length) return { kind: "more" };
  const message = decodeNative(bytes.subarray(0, length));
  if (message?.kind === "status") return { kind: "status", bytes: length, whole: message.whole };
  if (message?.kind !== "hello") return { kind: "malformed", why: "The first envelope is no well-formed HELLO." };
  // The envelope's bytes may be part of a greater chunk: what outlives it is copied.
  return { kind: "hello", bytes: length, hello: { ...message, ticket: message.ticket.slice() } };
}

export type Verdict =
  | { readonly kind: "welcome" }
  | { readonly kind: "verify"; readonly user: string; readonly password: string }
  | { readonly kind: "refused"; readonly code: number; readonly text: string };

/** Judges version and authentication, up to a password that somebody else has to check. */
export function judgeNativeHello(hello: NativeHello, options: SessionOptions, admitsPeer: () => boolean): Verdict {
  const { allowedMethods, requiredMethods } = options;
  if (hello.version !== NATIVE_VERSION) {
    const text = `This daemon speaks version ${NATIVE_VERSION} of the native protocol, not ${hello.version}.`;
    return { kind: "refused", code: Code.rejectVersion, text };
  }
  // Who has nothing to show leaves it to the address, where that is enough: a client cannot know what is asked for here.
  const wanted = hello.method === "NULL" && !allowedMethods.includes("NULL") ? "IP" : hello.method;
  const method = allowedMethods.find((allowed) => allowed === wanted);
  if (method === undefined) {
    const needs = allowedMethods.includes("PWORD") ? " (PWORD: a user and a password)" : "";
    const text = `The method "${hello.method}" is not enabled here: use one of ${allowedMethods.join(", ")}${needs}.`;
    return { kind: "refused", code: Code.rejectAuth, text };
  }
  const methods = [method, ...requiredMethods];
  if (methods.includes("IP") && !admitsPeer()) {
    return { kind: "refused", code: Code.rejectAuth, text: "The access rules do not let your address in." };
  }
  if (!methods.includes("PWORD")) return { kind: "welcome" };
  const credentials = decodeUtf8(hello.credentials);
  const nul = credentials.indexOf("\0");
  if (nul < 0) {
    return { kind: "refused", code: Code.rejectAuth, text: "A user and a password are needed here." };
  }
  return { kind: "verify", user: credentials.slice(0, nul), password: credentials.slice(nul + 1) };
}
