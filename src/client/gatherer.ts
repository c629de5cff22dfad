import { ENDIAN_MASK, TypeBit } from "../wire/spread/codes.ts";
import { HEADER_BYTES, writeWord, writeHeader } from "../wire/spread/frame.ts";
import { NAME_BYTES, writeName } from "../wire/spread/names.ts";
import type { Outgoing } from "./outgoing.ts";

const BATCH_BYTES = 65_536;
/** Payloads up to this size are copied into the batch; greater pieces are written as they are. */
const COPY_BYTES_MAX = 8_192;

/** Gathers small frames into few writes. A frame may have `headBytes` of an envelope before it. */
export class Gatherer {
  readonly #write: (bytes: Uint8Array) => boolean;
  #batch = new Uint8Array(BATCH_BYTES);
  #used = 0;
  #start = 0;
  #writable = true;

  constructor(write: (bytes: Uint8Array) => boolean) {
    this.#write = write;
  }

  /** Adds a frame; `envelope` writes what stands before it. False when enough is buffered. */
  add(
    outgoing: Outgoing,
    sender: string,
    headBytes: number,
    envelope: (bytes: Uint8Array, at: number, frameBytes: number) => void,
  ): boolean {
    // Who adds knows that the stream takes more: what an earlier write said is over.
    this.#writable = true;
    const groups = outgoing.isVoid ? [] : outgoing.groups;
    const payloadBytes = outgoing.isVoid ? 0 : outgoing.payloadBytes;
    const frameHead = HEADER_BYTES + groups.length * NAME_BYTES;
    const copied = payloadBytes <= COPY_BYTES_MAX;
    const size = headBytes + frameHead + (copied ? payloadBytes : 0);
    if (this.#used + size > this.#batch.length) {
      this.flush();
      this.#batch = new Uint8Array(Math.max(BATCH_BYTES, size));
      this.#used = 0;
      this.#start = 0;
    }
    let at = this.#used;
    envelope(this.#batch, at, frameHead + payloadBytes);
    at += headBytes;
    this.#header(at, outgoing, sender, groups.length, payloadBytes);
    at += HEADER_BYTES;
    for (const group of groups) {
      writeName(this.#batch, at, group);
      at += NAME_BYTES;
    }
    if (copied && payloadBytes > 0) {
      for (const piece of outgoing.pieces) {
        this.#batch.set(piece, at);
        at += piece.length;
      }
    }
    this.#used = at;
    if (!copied) {
      this.flush();
      for (const piece of outgoing.pieces) if (piece.length > 0) this.#writable = this.#write(piece);
    }
    return this.#writable;
  }

  /** Writes what was gathered. False when enough is buffered; with nothing to write that says nothing. */
  flush(): boolean {
    if (this.#used === this.#start) return true;
    this.#writable = this.#write(this.#batch.subarray(this.#start, this.#used));
    this.#start = this.#used;
    return this.#writable;
  }

  #header(at: number, outgoing: Outgoing, sender: string, groupCount: number, dataBytes: number): void {
    const isRequest = outgoing.kind !== "data";
    writeHeader(this.#batch, at, {
      type: isRequest && outgoing.isVoid ? TypeBit.agreed : outgoing.type,
      sender,
      groupCount,
      messageType: outgoing.messageType,
      dataBytes,
    });
    // Requests have no message type.
    if (isRequest) writeWord(this.#batch, at + 40, ENDIAN_MASK);
  }
}
