import { Slab } from "../base/slab.ts";
import { Content } from "../ordering/content.ts";
import type { Service } from "../ordering/service.ts";
import { getU64, setU64 } from "../wire/bytes.ts";
import {
  ENVELOPE_BYTES,
  ENVELOPE_HEAD_MAX,
  envelopeBytes,
  Kind,
  SEND_HEAD_BYTES,
  TOKEN_BYTES,
} from "../wire/native/envelope.ts";
import { decodeNative, encodeNative } from "../wire/native/messages.ts";
import { GROUPS_MAX, serviceOfType, TypeBit } from "../wire/spread/codes.ts";
import {
  dataBytesOf,
  encodeFrame,
  frameBytes,
  groupCountOf,
  groupOf,
  HEADER_BYTES,
  headerFault,
  isLittleEndian,
  normalise,
  typeOf,
} from "../wire/spread/frame.ts";
import { isGroupName, NAME_BYTES } from "../wire/spread/names.ts";
import { Assembler } from "./assembler.ts";
import type { Connection } from "./connection.ts";
import type { SessionOptions } from "./options.ts";
import type { OrderedTransport } from "./ordered.ts";
import type { Refusal } from "./refusals.ts";
import type { EndReason, SessionsKnowledge, SessionsOutbox } from "./outbox.ts";
import type { Outflow } from "./outflow.ts";
import type { NativeState, Session } from "./session.ts";

/** Frames that a session which had to wait may send before the next one's turn. */
const QUANTUM = 64;
/** Queued for the ring of one session: what would be beyond it waits, so that no session alone congests the others; one message may be. */
const SESSION_QUEUED_BYTES_MAX = 1024 * 1024;
/** Envelopes besides deliveries that may wait for a native client, and their bytes; then nothing more is read of it. */
const CONTROL_MAX = 1_024;
const CONTROL_BYTES_MAX = 1024 * 1024;

/**
 * What comes from clients in session: cut into frames, checked, put into the one form in which messages are ordered, and given
 * to the ordered transport. Nothing is read while that is congested, while the daemons exchange group state, or from those who send to
 * a held group; what has arrived then stays where it is.
 */
export class Intake {
  readonly #options: SessionOptions;
  readonly #transport: OrderedTransport;
  readonly #knowledge: SessionsKnowledge;
  readonly #outbox: SessionsOutbox;
  readonly #outflow: Outflow;
  readonly #end: (session: Session, reason: EndReason, why: string) => void;
  readonly #slab = new Slab();
  #held: ReadonlySet<string> = new Set();
  #blocked = false;
  /** Ends of sessions that wait for the end of a state exchange. */
  #kills: { readonly session: Session; readonly service: Service }[] = [];
  #stalled: Connection[] = [];

  constructor(
    options: SessionOptions,
    transport: OrderedTransport,
    knowledge: SessionsKnowledge,
    outbox: SessionsOutbox,
    outflow: Outflow,
    end: (session: Session, reason: EndReason, why: string) => void,
  ) {
    this.#options = options;
    this.#transport = transport;
    this.#knowledge = knowledge;
    this.#outbox = outbox;
    this.#outflow = outflow;
    this.#end = end;
  }

  /** Makes a connection ready to carry this session. */
  prepare(connection: Connection, session: Session): void {
    connection.assembler =
      session.native === undefined
        ? new Assembler(HEADER_BYTES, (bytes, offset) => measureFrame(connection, session, bytes, offset))
        : new Assembler(ENVELOPE_BYTES, (bytes, offset) => this.#measureEnvelope(connection, bytes, offset));
  }

  /** Takes what has arrived on a connection, as far as may be. */
  run(connection: Connection): void {
    // Those who wait already keep their place among the others.
    if (!connection.stalled) this.#run(connection, Number.POSITIVE_INFINITY);
  }

  /** Lets those who wait go on, each a little in its turn. */
  retry(): void {
    for (let more = true; more; ) {
      more = false;
      const round = this.#stalled;
      this.#stalled = [];
      for (let i = 0; i < round.length; i++) {
        if (this.#blocked || this.#transport.isCongested()) {
          this.#stalled = [...round.slice(i), ...this.#stalled];
          return;
        }
        const connection = round[i] as Connection;
        connection.stalled = false;
        connection.wasFull = false;
        if (this.#run(connection, QUANTUM)) more = true;
      }
    }
  }

  hold(groups: ReadonlySet<string>): void {
    this.#held = groups;
    this.retry();
  }

  block(): void {
    this.#blocked = true;
  }

  unblock(): void {
    this.#blocked = false;
    const kills = this.#kills;
    this.#kills = [];
    for (const { session, service } of kills) this.submitKill(session, service);
    this.retry();
  }

  /** Whether somebody waits who had too much to read, and what there was has been written: no event follows that would let it go on. */
  get mayGoOn(): boolean {
    return this.#stalled.some(({ wasFull, session }) => wasFull && session !== undefined && this.#mayRead(session));
  }

  /** Puts a session's end into the total order. */
  submitKill(session: Session, service: Service): void {
    if (this.#blocked) this.#kills.push({ session, service });
    else this.#submit(session, service, [killFrame(session)], 0);
  }

  /** Returns whether it stopped for the others' sake only. */
  #run(connection: Connection, quantum: number): boolean {
    const { assembler, session } = connection;
    if (assembler === undefined || session === undefined) return false;
    for (let n = 0; isOf(connection, session); n++) {
      if (!this.#mayRead(session) || !assembler.next()) break;
      if (n >= quantum) {
        this.#stall(connection);
        return true;
      }
      if (this.#isCrowded(session, assembler) || (this.#held.size > 0 && this.#sendsToHeld(session, assembler))) {
        this.#stall(connection);
        return false;
      }
      assembler.take();
      if (session.native === undefined) this.#onFrame(session, assembler);
      else this.#onEnvelope(session, session.native, assembler);
    }
    if (!isOf(connection, session)) return false;
    if (assembler.invalid) this.#end(session, "protocol", connection.fault);
    else if (!this.#mayRead(session)) {
      connection.wasFull = isFull(session);
      this.#stall(connection);
    } else if (connection.gone) {
      // A native client may come back.
      if (session.native === undefined) this.#end(session, "eof", "the connection closed");
    } else this.#resume(connection);
    return false;
  }

  #mayRead(session: Session): boolean {
    return !this.#transport.isCongested() && !this.#blocked && !isFull(session);
  }

  /** Whether the frame has to wait until less of its own session does. */
  #isCrowded(session: Session, { bytes, offset, length }: Assembler): boolean {
    if (session.native !== undefined && bytes[offset + 4] !== Kind.send) return false;
    const queued = this.#transport.queuedBytesOf(session.number);
    return queued > 0 && queued + length > SESSION_QUEUED_BYTES_MAX;
  }

  #stall(connection: Connection): void {
    if (!connection.stalled) {
      connection.stalled = true;
      this.#stalled.push(connection);
    }
    if (connection.paused || connection.gone) return;
    connection.paused = true;
    this.#outbox.pauseReading(connection.number);
  }

  #resume(connection: Connection): void {
    if (!connection.paused || connection.gone) return;
    connection.paused = false;
    this.#outbox.resumeReading(connection.number);
  }

  #sendsToHeld(session: Session, assembler: Assembler): boolean {
    const { bytes } = assembler;
    let { offset } = assembler;
    if (session.native !== undefined) {
      if (bytes[offset + 4] !== Kind.send || assembler.length < SEND_HEAD_BYTES + HEADER_BYTES) return false;
      offset += SEND_HEAD_BYTES;
      if (headerFault(bytes, offset, undefined, this.#nativeBodyMax()) !== undefined) return false;
      if (frameBytes(bytes, offset, assembler.length - SEND_HEAD_BYTES) === undefined) return false;
    }
    if (serviceOfType(typeOf(bytes, offset)) === undefined) return false;
    for (let n = groupCountOf(bytes, offset) - 1; n >= 0; n--) {
      if (this.#held.has(groupOf(bytes, offset, n))) return true;
    }
    return false;
  }

  #onFrame(session: Session, { bytes, offset, length }: Assembler): void {
    const type = typeOf(bytes, offset);
    const service = serviceOfType(type);
    if (service === undefined) this.#onRequest(session, type, bytes, offset);
    else if (groupCountOf(bytes, offset) > 0) {
      normalise(bytes, offset, session.field);
      this.#submit(session, service, [bytes.subarray(offset, offset + length)], 0);
    }
  }

  /** Only the first group of a Spread client's request counts, and no data; a name that is none is passed over. */
  #onRequest(session: Session, type: number, bytes: Uint8Array, offset: number): void {
    if (type & TypeBit.kill) {
      this.submitKill(session, "agreed");
      this.#end(session, "kill", "the client disconnected");
      return;
    }
    if (groupCountOf(bytes, offset) < 1) return;
    const group = groupOf(bytes, offset, 0);
    if (!isGroupName(group)) return;
    const request = type & TypeBit.join ? TypeBit.join : TypeBit.leave;
    this.#submit(session, "agreed", [encodeFrame(request, session.privateGroup, [group], 0, NOTHING)], 0);
  }

  #onEnvelope(session: Session, native: NativeState, { bytes, offset, length }: Assembler): void {
    const kind: number = bytes[offset + 4] ?? 0;
    switch (kind) {
      case Kind.send:
        this.#onSend(session, native, bytes, offset, length);
        return;
      case Kind.ack:
      case Kind.ping:
      case Kind.pong:
      case Kind.status:
      case Kind.nodeStatistics:
        break;
      default:
        this.#end(session, "protocol", `An envelope of kind ${kind} is not expected here.`);
        return;
    }
    const message = decodeNative(bytes.subarray(offset, offset + length));
    if (message?.kind === "ack") this.#outflow.acknowledge(session, native, message.deliveryNumber);
    else if (message?.kind === "ping") {
      this.#outflow.control(session, encodeNative({ kind: "pong", opaque: message.opaque }));
    } else if (message?.kind === "status") {
      const json = this.#knowledge.status(message.whole);
      this.#outflow.control(session, encodeNative({ kind: "statusReport", json }));
    } else if (message?.kind === "nodeStatistics") {
      this.#outbox.nodeStatistics(session.number, message.statistics);
    } else if (message === undefined) this.#end(session, "protocol", "An envelope is not well formed.");
  }

  #onSend(session: Session, native: NativeState, bytes: Uint8Array, offset: number, length: number): void {
    const fault = this.#sendFault(bytes, offset, length);
    if (fault !== undefined) {
      this.#end(session, "protocol", fault);
      return;
    }
    const number = getU64(bytes, offset + ENVELOPE_BYTES);
    if (number <= native.lastAccepted) {
      // Sent again over a new connection, but it had arrived here: to be acknowledged once more.
      native.acceptedSent = 0;
      const refusal = native.refusals.of(number);
      if (refusal !== undefined) this.#outflow.tellRefusal(session, native, refusal);
      if (native.ordered.has(number)) this.#outflow.delivered(session, number);
      this.#outflow.touch(session);
      return;
    }
    if (native.lastAccepted !== 0 && number !== native.lastAccepted + 1) {
      this.#end(session, "protocol", `Message ${number} follows message ${native.lastAccepted}: numbers grow by one.`);
      return;
    }
    if (native.lastAccepted === 0) native.ordered.begin(number);
    native.lastAccepted = number;
    this.#outflow.touch(session);
    const frame = offset + SEND_HEAD_BYTES;
    const type = typeOf(bytes, frame);
    const service = serviceOfType(type);
    if (type & TypeBit.kill) {
      this.#onNativeKill(session, native, number);
      return;
    }
    const refusal = type & TypeBit.join ? joinFault(bytes, frame) : service && this.#dataFault(bytes, frame);
    if (refusal !== undefined) {
      this.#outflow.refuse(session, native, { number, ...refusal, toldBefore: undefined });
      native.ordered.add(number);
      return;
    }
    normalise(bytes, frame, session.field);
    const payload = bytes.subarray(frame, offset + length);
    this.#submit(session, service ?? "agreed", [this.#numberHead(native, number), payload], number);
  }

  #onNativeKill(session: Session, native: NativeState, number: number): void {
    native.killNumber = number;
    this.#submit(session, "agreed", [this.#numberHead(native, number), killFrame(session)], number);
    this.#end(session, "kill", "the client disconnected");
  }

  /** Members of a scalable group hear each other without any daemon: what is sent to it here would reach nobody. */
  #dataFault(bytes: Uint8Array, frame: number): Pick<Refusal, "group" | "text"> | undefined {
    if (!this.#knowledge.hasScalable()) return undefined;
    for (let n = groupCountOf(bytes, frame) - 1; n >= 0; n--) {
      const group = groupOf(bytes, frame, n);
      const options = this.#knowledge.nodeOptionsOf(group);
      if (options === undefined) continue;
      const text = `only its members send to it: join it with ${options}`;
      return { group, text };
    }
    return undefined;
  }

  #sendFault(bytes: Uint8Array, offset: number, length: number): string | undefined {
    if (length < SEND_HEAD_BYTES + HEADER_BYTES) return "A SEND is too short for a frame.";
    const frame = offset + SEND_HEAD_BYTES;
    if (!isLittleEndian(bytes, frame)) return "A frame in a SEND has to have a little-endian header.";
    const fault = headerFault(bytes, frame, undefined, this.#nativeBodyMax());
    if (fault !== undefined) return FAULT_TEXTS[fault];
    if (dataBytesOf(bytes, frame) > this.#options.payloadBytesMax) {
      return `A message may have ${this.#options.payloadBytesMax} bytes of data here.`;
    }
    const whole = length - SEND_HEAD_BYTES;
    if (frameBytes(bytes, frame, whole) !== whole) return "A frame does not fill its SEND.";
    const number = getU64(bytes, offset + ENVELOPE_BYTES);
    return number === 0 || !Number.isSafeInteger(number) ? "A message's number is from 1 to 2^53 - 1." : undefined;
  }

  #measureEnvelope(connection: Connection, bytes: Uint8Array, offset: number): number {
    const length = envelopeBytes(bytes, offset);
    if (length >= ENVELOPE_BYTES && length <= this.#options.payloadBytesMax + ENVELOPE_HEAD_MAX) return length;
    connection.fault = `An envelope of ${length} bytes is not accepted: messages may have ${this.#options.payloadBytesMax}.`;
    return 0;
  }

  #nativeBodyMax(): number {
    return this.#options.payloadBytesMax + GROUPS_MAX * NAME_BYTES;
  }

  #numberHead(native: NativeState, number: number): Uint8Array {
    const head = this.#slab.take(TOKEN_BYTES + 8);
    head.set(native.token);
    setU64(head, TOKEN_BYTES, number);
    return head;
  }

  #submit(session: Session, service: Service, pieces: readonly Uint8Array[], number: number): void {
    const content = number === 0 ? Content.frame : Content.numberedFrame;
    this.#transport.submit({ session: session.number, priority: session.priority, service, content, pieces });
  }
}

const NOTHING = new Uint8Array(0);

/** Whether so much waits for a native client besides deliveries that it is asked nothing more. */
function isFull({ native, chunks, controlBytes }: Session): boolean {
  return native !== undefined && (chunks.length >= CONTROL_MAX || controlBytes >= CONTROL_BYTES_MAX);
}

/** Whether what arrives, or has arrived before its end, on this connection still counts for the session. */
function isOf(connection: Connection, session: Session): boolean {
  const isLast = session.connection === connection || session.connection === undefined;
  return isLast && connection.phase === "session" && session.state === "open";
}

function joinFault(bytes: Uint8Array, frame: number): Pick<Refusal, "group" | "text"> | undefined {
  const group = groupCountOf(bytes, frame) > 0 ? groupOf(bytes, frame, 0) : "";
  return isGroupName(group) ? undefined : { group, text: "A group's name has 1 to 31 characters from $ to ~." };
}

/** What is wrong with a frame, as the client is told (native) and the log says. */
const FAULT_TEXTS = {
  type: "A frame has to have exactly one service or request.",
  forged: "A frame has bits that only a daemon may set.",
  sender: "A frame does not carry its own session's private group.",
  groups: "A frame names fewer than 0 or more than 100 groups.",
  hint: "A frame's hint has bits that are not defined.",
  size: "A frame is longer than what may be sent.",
} as const;

function measureFrame(connection: Connection, session: Session, bytes: Uint8Array, offset: number): number {
  const fault = headerFault(bytes, offset, session.field);
  if (fault === undefined) return frameBytes(bytes, offset, Number.POSITIVE_INFINITY) ?? 0;
  connection.fault = FAULT_TEXTS[fault];
  return 0;
}

function killFrame(session: Session): Uint8Array {
  return encodeFrame(TypeBit.kill, session.privateGroup, [session.privateGroup], 0, NOTHING);
}
