import type { FragmentCursor } from "../wire/fragment.ts";

/** Longer messages than this are not put together, whoever sent them. */
const MESSAGE_BYTES_MAX = 256 * 1024 * 1024;

/** A long message that is being put together, in the memory in which it will be delivered. */
type Assembly = { readonly bytes: Uint8Array; received: number };

/**
 * Puts long messages together from their fragments, in whatever order these come. Each fragment is added once; the
 * caller sees to that.
 */
export class Assemblies {
  readonly #byOrigin = new Map<number, Map<number, Assembly>>();

  /** Adds the cursor's fragment of a message of `origin`. What contradicts the message's first fragment is ignored. */
  add(origin: number, fragment: FragmentCursor): void {
    let messages = this.#byOrigin.get(origin);
    if (messages === undefined) {
      messages = new Map();
      this.#byOrigin.set(origin, messages);
    }
    let assembly = messages.get(fragment.message);
    if (assembly === undefined) {
      if (fragment.total > MESSAGE_BYTES_MAX) return;
      assembly = { bytes: new Uint8Array(fragment.total), received: 0 };
      messages.set(fragment.message, assembly);
    }
    const data = fragment.data();
    if (assembly.bytes.length !== fragment.total || fragment.offset + data.length > fragment.total) return;
    assembly.bytes.set(data, fragment.offset);
    assembly.received += data.length;
  }

  /** The message of the cursor's fragment, if it is complete; it is forgotten here then. */
  take(origin: number, message: number): Uint8Array | undefined {
    const messages = this.#byOrigin.get(origin);
    const assembly = messages?.get(message);
    if (messages === undefined || assembly === undefined || assembly.received < assembly.bytes.length) return undefined;
    messages.delete(message);
    return assembly.bytes;
  }
}
