import type { NodeId } from "../../base/ids.ts";
import { Reader, readU48, readU64, Writer, writeU48, writeU64 } from "../bytes.ts";
import { readId } from "../region/fields.ts";

/*
 * What members of a totally ordered timely group say to each other: the payloads of timely packets (message, order, state), and of datagrams to one
 * member (all but message).
 *
 * 0 kind u8   1 view u64 of the group, then
 * message 1   payload, to the end
 * order   2   first u48   stable u48   base u48   count u16, then {sender u64, seq u48, age u32} each
 * state   3   part u16   parts u16   opened u64   base u48   count u16, then {flags u8, sender u64, seq u48} each
 * ack     4   held u48   stable u48
 * fetch   5   wants u8   from u48   count u16, then {sender u64, seq u48} each
 * forward 6   sender u64   seq u48   payload, to the end
 *
 * Messages are named by the numbers of the timely packets that they came in.
 */

export type MessageId = { readonly sender: NodeId; readonly seq: number };

/** A message, in the view in which it was sent. */
export type MessageBody = { readonly kind: "message"; readonly view: number; readonly payload: Uint8Array };

/** A message of the order, and when the sequencer has had it: µs before `base`, `AGE_UNKNOWN` if that says nothing about when it was sent. */
export type OrderEntry = MessageId & { readonly age: number };

/** The messages from position `first` on. All members have everything up to `stable`. `base`: µs on the sequencer's clock. */
export type OrderBody = {
  readonly kind: "order";
  readonly view: number;
  readonly first: number;
  readonly stable: number;
  readonly base: number;
  readonly entries: readonly OrderEntry[];
};

/** A message that a member knows of as a view begins: in the order, or not; with its payload, or not; left out of the order for good. */
export type StateEntry = MessageId & {
  readonly isOrdered: boolean;
  readonly isHeld: boolean;
  readonly isVoid: boolean;
};

/** What a member brings into a view: `opened`, the last view that it took part in, 0 for none; the order from behind `base` on, then other messages. */
export type StateBody = {
  readonly kind: "state";
  readonly view: number;
  readonly part: number;
  readonly parts: number;
  readonly opened: number;
  readonly base: number;
  readonly entries: readonly StateEntry[];
};

/** The sender has all messages up to position `held`, and knows that all members have those up to `stable`. */
export type AckBody = { readonly kind: "ack"; readonly view: number; readonly held: number; readonly stable: number };

/** Asks for the order from a position on (0: not), for the receiver's state, for messages. */
export type FetchBody = {
  readonly kind: "fetch";
  readonly view: number;
  readonly wantsState: boolean;
  readonly from: number;
  readonly messages: readonly MessageId[];
};

/** A message from another than its sender, or sent again; `view`: the one in which it was sent. */
export type ForwardBody = MessageId & {
  readonly kind: "forward";
  readonly view: number;
  readonly payload: Uint8Array;
};

export type PlatoBody = MessageBody | OrderBody | StateBody | AckBody | FetchBody | ForwardBody;

export const MESSAGE_HEAD_BYTES = 9;
export const ORDER_HEAD_BYTES = 29;
export const ORDER_ENTRY_BYTES = 18;
export const STATE_HEAD_BYTES = 29;
export const STATE_ENTRY_BYTES = 15;
export const FETCH_HEAD_BYTES = 18;
export const FETCH_ENTRY_BYTES = 14;
export const FORWARD_HEAD_BYTES = 23;
export const AGE_UNKNOWN = 0xffff_ffff;
/** States in so many parts are refused. */
const PARTS_MAX = 4_096;
const ENTRIES_MAX = 4_096;

const Kind = { message: 1, order: 2, state: 3, ack: 4, fetch: 5, forward: 6 } as const;

const HELD = 1;
const ORDERED = 2;
const VOID = 4;

export function encodePlato(body: PlatoBody): Uint8Array {
  const out = writeU64(new Writer(64).u8(Kind[body.kind]), body.view);
  switch (body.kind) {
    case "message":
      return out.raw(body.payload).finish();
    case "order":
      for (const value of [body.first, body.stable, body.base]) writeU48(out, value);
      out.u16(body.entries.length);
      for (const entry of body.entries) writeMessageId(out, entry).u32(entry.age);
      return out.finish();
    case "state":
      writeU48(writeU64(out.u16(body.part).u16(body.parts), body.opened), body.base).u16(body.entries.length);
      for (const entry of body.entries) writeMessageId(out.u8(flagsOf(entry)), entry);
      return out.finish();
    case "ack":
      return writeU48(writeU48(out, body.held), body.stable).finish();
    case "fetch":
      writeU48(out.u8(Number(body.wantsState)), body.from).u16(body.messages.length);
      for (const id of body.messages) writeMessageId(out, id);
      return out.finish();
    case "forward":
      return writeMessageId(out, body).raw(body.payload).finish();
  }
}

/** Undefined: malformed. Payloads are views. */
export function decodePlato(bytes: Uint8Array): PlatoBody | undefined {
  const input = new Reader(bytes);
  const kind = input.u8();
  const view = readId(input);
  const body = decodeBody(kind, view, input);
  return body === undefined || input.failed || input.remaining > 0 ? undefined : body;
}

function decodeBody(kind: number, view: number, input: Reader): PlatoBody | undefined {
  switch (kind) {
    case Kind.message:
      return { kind: "message", view, payload: input.raw(input.remaining) };
    case Kind.order: {
      const [first, stable, base] = [readU48(input), readU48(input), readU48(input)];
      const entries: OrderEntry[] = [];
      for (let left = input.count(ENTRIES_MAX, ORDER_ENTRY_BYTES); left > 0; left--) {
        entries.push({ ...readMessageId(input), age: input.u32() });
      }
      return first === 0 || stable >= first + entries.length
        ? undefined
        : { kind: "order", view, first, stable, base, entries };
    }
    case Kind.state: {
      const [part, parts, opened, base] = [input.u16(), input.u16(), readU64(input), readU48(input)];
      const entries: StateEntry[] = [];
      for (let left = input.count(ENTRIES_MAX, STATE_ENTRY_BYTES); left > 0; left--) {
        const flags = input.u8();
        const [isOrdered, isHeld, isVoid] = [(flags & ORDERED) !== 0, (flags & HELD) !== 0, (flags & VOID) !== 0];
        entries.push({ ...readMessageId(input), isOrdered, isHeld, isVoid });
      }
      return part >= parts || parts > PARTS_MAX || opened >= view
        ? undefined
        : { kind: "state", view, part, parts, opened, base, entries };
    }
    case Kind.ack:
      return { kind: "ack", view, held: readU48(input), stable: readU48(input) };
    case Kind.fetch: {
      const [wants, from] = [input.u8(), readU48(input)];
      const messages: MessageId[] = [];
      for (let left = input.count(ENTRIES_MAX, FETCH_ENTRY_BYTES); left > 0; left--) {
        messages.push(readMessageId(input));
      }
      return { kind: "fetch", view, wantsState: (wants & 1) !== 0, from, messages };
    }
    case Kind.forward:
      return { kind: "forward", view, ...readMessageId(input), payload: input.raw(input.remaining) };
    default:
      return undefined;
  }
}

function flagsOf({ isHeld, isOrdered, isVoid }: StateEntry): number {
  return (isHeld ? HELD : 0) | (isOrdered ? ORDERED : 0) | (isVoid ? VOID : 0);
}

function writeMessageId(out: Writer, { sender, seq }: MessageId): Writer {
  return writeU48(writeU64(out, sender), seq);
}

function readMessageId(input: Reader): MessageId {
  const id = { sender: readId(input), seq: readU48(input) };
  if (id.seq === 0) input.fail();
  return id;
}
