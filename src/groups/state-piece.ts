import type { ConfigurationId, DaemonId } from "../base/ids.ts";
import { Reader, Writer } from "../wire/bytes.ts";

/*
 * A message of the state exchange: a piece of the stream of state.ts, big endian.
 *
 *   version u8, flags u8 (bit 0: the last piece), index u32, configuration (leader u32, time u32)
 *   in the last piece: set count u16, daemon u32[count]
 *   bytes of the stream (the rest)
 *
 * The last piece is sent Agreed, so that all daemons complete the exchange at the same position of the total order; the
 * others are Reliable and may come in any order (protocols.md H3, H5).
 */

const VERSION = 1;
const HEADER_BYTES = 14;
const PIECES_MAX = 1 << 20;

export type StatePiece = {
  readonly index: number;
  /** The configuration for which the state is exchanged. */
  readonly configuration: ConfigurationId;
  /** In the last piece, the daemons that know exactly this state. */
  readonly set: readonly DaemonId[] | undefined;
  readonly bytes: Uint8Array;
};

/** Cuts a stream into messages with at most `pieceBytes` of it each; the last one of the list is the last piece. */
export function cutState(
  stream: Uint8Array,
  configuration: ConfigurationId,
  set: readonly DaemonId[],
  pieceBytes: number,
): Uint8Array[] {
  const count = Math.max(1, Math.ceil(stream.length / pieceBytes));
  const pieces: Uint8Array[] = [];
  for (let index = 0; index < count; index++) {
    const bytes = stream.subarray(index * pieceBytes, (index + 1) * pieceBytes);
    const last = index === count - 1;
    const writer = new Writer(HEADER_BYTES + bytes.length + (last ? 2 + 4 * set.length : 0));
    writer
      .u8(VERSION)
      .u8(last ? 1 : 0)
      .u32(index)
      .u32(configuration.leader)
      .u32(configuration.time);
    if (last) {
      writer.u16(set.length);
      for (const daemon of set) writer.u32(daemon);
    }
    pieces.push(writer.raw(bytes).finish());
  }
  return pieces;
}

/** Decodes a message of the state exchange; `undefined` if it is not well formed. `bytes` is a view of the payload. */
export function decodePiece(payload: Uint8Array): StatePiece | undefined {
  const reader = new Reader(payload);
  const version = reader.u8();
  const flags = reader.u8();
  const index = reader.u32();
  const configuration = { leader: reader.u32(), time: reader.u32() };
  if (version !== VERSION || flags > 1 || index >= PIECES_MAX) return undefined;
  let set: DaemonId[] | undefined;
  if (flags === 1) {
    set = [];
    const count = reader.count(0xffff, 4);
    for (let i = 0; i < count; i++) set.push(reader.u32());
    if (count === 0 || new Set(set).size !== count) return undefined;
  }
  const bytes = reader.raw(reader.remaining);
  return reader.failed ? undefined : { index, configuration, set, bytes };
}
