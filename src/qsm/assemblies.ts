import type { GroupNumber } from "../base/ids.ts";

/** A message that would be longer is given up: its sender's limit is below that. */
const MESSAGE_BYTES_MAX = 256 * 1024 * 1024;

/** Messages of one sender that came in pieces, put together: one at a time of each group. */
export class Assemblies {
  readonly #pieces = new Map<GroupNumber, { pieces: Uint8Array[]; bytes: number }>();

  /** Takes a piece that is not a whole message; returns the message that it completes. */
  add(group: GroupNumber, isFirst: boolean, isLast: boolean, data: Uint8Array): Uint8Array | undefined {
    let assembly = this.#pieces.get(group);
    if (isFirst) this.#pieces.set(group, (assembly = { pieces: [], bytes: 0 }));
    // The rest of a message whose beginning was lost, or sent before this member came.
    if (assembly === undefined) return undefined;
    assembly.pieces.push(data);
    assembly.bytes += data.length;
    if (assembly.bytes > MESSAGE_BYTES_MAX) this.#pieces.delete(group);
    if (!isLast) return undefined;
    this.#pieces.delete(group);
    const whole = new Uint8Array(assembly.bytes);
    let at = 0;
    for (const piece of assembly.pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }

  /** Packets were lost: what is half here will not be whole. */
  clear(): void {
    this.#pieces.clear();
  }
}
