import { Slab } from "../base/slab.ts";
import type { FragmentCursor } from "../wire/fragment.ts";

/** Longer messages than this are not put together, whoever sent them. */
const MESSAGE_BYTES_MAX = 256 * 1024 * 1024;

/** Nor are more bytes than this put together at a time; far above what flow control lets be under way. */
const ASSEMBLY_BYTES_MAX = 1024 * 1024 * 1024;

/** A long message that is being put together: the views of its only two parts, or the memory in which it will be delivered. */
type Assembly = {
  readonly message: number;
  readonly total: number;
  received: number;
  head: Uint8Array;
  tail: Uint8Array | undefined;
  /** Whether `head` is memory for all of it. */
  isCopy: boolean;
};

/** A message in one piece, or in two. */
type Assembled = Pick<Assembly, "head" | "tail">;

/** The unfinished messages of one origin. Almost always there is one: `newest`. */
type OriginAssemblies = { newest: Assembly | undefined; readonly older: Map<number, Assembly> };

/**
 * Puts long messages together from their fragments, in whatever order these come. Each fragment is added once; the
 * caller sees to that. A message in two parts stays in their packets; others are copied. Messages of a few packets are cut out of a shared slab, as
 * memory of their own would cost more than copying them.
 */
export class Assemblies {
  readonly #slab: Slab;
  readonly #origins = new Map<number, OriginAssemblies>();
  #bytes = 0;

  constructor(slab = new Slab()) {
    this.#slab = slab;
  }

  /** Adds the cursor's fragment of a message of `origin`. What contradicts the message's first fragment is ignored. */
  add(origin: number, fragment: FragmentCursor): void {
    let of = this.#origins.get(origin);
    if (of === undefined) {
      of = { newest: undefined, older: new Map() };
      this.#origins.set(origin, of);
    }
    const { message, total, offset } = fragment;
    let assembly = of.newest?.message === message ? of.newest : of.older.get(message);
    if (assembly === undefined) {
      if (total > MESSAGE_BYTES_MAX || this.#bytes + total > ASSEMBLY_BYTES_MAX) return;
      this.#bytes += total;
      assembly = { message, total, received: 0, head: EMPTY, tail: undefined, isCopy: false };
      if (of.newest !== undefined) of.older.set(of.newest.message, of.newest);
      of.newest = assembly;
    }
    const length = fragment.next - fragment.dataStart;
    if (assembly.total !== total || offset + length > total) return;
    const { head, received, isCopy } = assembly;
    if (!isCopy && received === 0 && offset === 0) assembly.head = fragment.data();
    else if (!isCopy && received === offset && offset === head.length && offset + length === total) {
      assembly.tail = fragment.data();
    } else {
      if (!isCopy) this.#copy(assembly);
      assembly.head.set(fragment.data(), offset);
    }
    assembly.received += length;
  }

  /** From now on all parts are copied. */
  #copy(assembly: Assembly): void {
    const bytes = this.#slab.take(assembly.total);
    bytes.set(assembly.head);
    if (assembly.tail !== undefined) bytes.set(assembly.tail, assembly.head.length);
    assembly.head = bytes;
    assembly.tail = undefined;
    assembly.isCopy = true;
  }

  /** The message of the cursor's fragment, if it is complete; it is forgotten here then. */
  take(origin: number, message: number): Assembled | undefined {
    const of = this.#origins.get(origin);
    if (of === undefined) return undefined;
    const assembly = of.newest?.message === message ? of.newest : of.older.get(message);
    if (assembly === undefined || assembly.received < assembly.total) return undefined;
    if (assembly === of.newest) of.newest = undefined;
    else of.older.delete(message);
    this.#bytes -= assembly.total;
    return assembly;
  }
}

const EMPTY = new Uint8Array(0);
