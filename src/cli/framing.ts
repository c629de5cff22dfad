import { CliError, ExitCode } from "./exit-codes.ts";

/** How messages stand in a pipe: one per line, each behind its length (u32, big endian), or the whole input as one. */
export type Framing = "lines" | "lengths" | "whole";

const NEWLINE = 0x0a;
/** What stands in a pipe with each message. */
const FRAME_BYTES = { lines: 1, lengths: 4, whole: 0 } as const;
const EMPTY = new Uint8Array(0);

/**
 * Splits a stream of bytes into messages. Each is a copy of its own. A last line without a newline counts; an input
 * that ends within a length-delimited message is a `CliError`, as is a message of more than `bytesMax` bytes.
 */
export async function* messagesOf(
  input: AsyncIterable<Uint8Array>,
  framing: Framing,
  bytesMax: number,
): AsyncGenerator<Uint8Array> {
  const pending: Uint8Array[] = [];
  let pendingBytes = 0;
  for await (const chunk of input) {
    let rest = chunk;
    while (rest.length > 0) {
      const wanted = endOfMessage(pending, pendingBytes, rest, framing);
      const taken = Math.min(wanted ?? rest.length, rest.length);
      pending.push(rest.subarray(0, taken));
      pendingBytes += taken;
      rest = rest.subarray(taken);
      const isComplete = wanted !== undefined && wanted <= taken;
      // What completes a line is not there yet.
      const most = bytesMax + (framing === "lines" && !isComplete ? 0 : FRAME_BYTES[framing]);
      if (pendingBytes > most) throw tooLong(bytesMax);
      if (!isComplete) continue;
      yield unframed(joined(pending, pendingBytes), framing);
      pending.length = 0;
      pendingBytes = 0;
    }
  }
  if (framing === "whole" || (framing === "lines" && pendingBytes > 0)) {
    yield joined(pending, pendingBytes);
  } else if (pendingBytes > 0) {
    throw new CliError(ExitCode.failed, "the input ends in the middle of a message: is it framed as --lengths says?");
  }
}

/** The refusal of a message of more than `bytesMax` bytes. */
export function tooLong(bytesMax: number): CliError {
  return new CliError(ExitCode.failed, `a message is longer than ${bytesMax} bytes; --limit allows longer ones`);
}

/** A message as it stands in a pipe. */
export function framed(payload: Uint8Array, framing: "lines" | "lengths"): Uint8Array {
  const bytes = new Uint8Array(payload.length + (framing === "lines" ? 1 : 4));
  if (framing === "lines") {
    bytes.set(payload);
    bytes[payload.length] = NEWLINE;
  } else {
    new DataView(bytes.buffer).setUint32(0, payload.length);
    bytes.set(payload, 4);
  }
  return bytes;
}

/** How many bytes of `rest` complete the message or its length, as far as that can be told. */
function endOfMessage(
  pending: readonly Uint8Array[],
  pendingBytes: number,
  rest: Uint8Array,
  framing: Framing,
): number | undefined {
  if (framing === "whole") return undefined;
  if (framing === "lines") {
    const newline = rest.indexOf(NEWLINE);
    return newline < 0 ? undefined : newline + 1;
  }
  const head = joined([...pending.slice(0, 4), rest.subarray(0, 4)], undefined).subarray(0, 4);
  if (head.length < 4) return undefined;
  return 4 + new DataView(head.buffer, head.byteOffset).getUint32(0) - pendingBytes;
}

function unframed(bytes: Uint8Array, framing: Framing): Uint8Array {
  return framing === "lines" ? bytes.subarray(0, -1) : bytes.subarray(4);
}

function joined(pieces: readonly Uint8Array[], bytes: number | undefined): Uint8Array {
  const total = bytes ?? pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (total === 0) return EMPTY;
  const whole = new Uint8Array(total);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
