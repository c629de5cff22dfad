import { ENDIAN_MASK } from "./codes.ts";
import { isLittleEndian, readWord } from "./frame.ts";

/**
 * The Spread monitor protocol (spread-client-protocol section 8): UDP datagrams on a segment's port.
 *
 *     0 type u32 · 4 transmitter u32 · 8 target u32 · 12 membership id (8) · 20 reply port u32 · 24 token round u32
 *     · 28 configuration hash u32 · 32 body bytes u16 · 34 padding, fragment header (6) · 40 body
 *
 * Integers stand in the sender's byte order, which `type` tells. Our own datagrams never begin like that, so both can
 * share a port: see `isMonitorDatagram`.
 */

const HEADER_BYTES = 40;
const STATUS_BODY_BYTES = 96;
/** Places in PARTITION and FLOW_CONTROL bodies; Spread has at most so many daemons. */
const DAEMONS_MAX = 128;

const STATUS = 0x01000000;
const PARTITION = 0x02000000;
const FLOW_CONTROL = 0x04000000;
const RELOAD = 0x08000000;

const BODY_BYTES: ReadonlyMap<number, number> = new Map([
  [STATUS, 0],
  [PARTITION, 2 * DAEMONS_MAX],
  [FLOW_CONTROL, 4 * DAEMONS_MAX],
  [RELOAD, 0],
]);

export type MonitorHeader = {
  /** Virtual id of the daemon that the monitor runs as. */
  readonly transmitter: number;
  /** Virtual id of the daemon that is asked; the reply goes to its configured address. */
  readonly target: number;
  readonly replyPort: number;
  readonly configHash: number;
};

export type MonitorRequest =
  | (MonitorHeader & { readonly kind: "status" | "reload" })
  /** For each daemon, in the order of the configuration, the number of its component; -1 tells it to exit. */
  | (MonitorHeader & { readonly kind: "partition"; readonly components: Int16Array })
  | (MonitorHeader & {
      readonly kind: "flowControl";
      /** Windows of each daemon in packets; -1 leaves one as it is. The global one stands after the last daemon's. */
      readonly personal: Int16Array;
      readonly accelerated: Int16Array;
    });

/** What a STATUS reply reports; counters are unsigned 32-bit and wrap. */
export type MonitorStatus = {
  readonly uptimeSeconds: number;
  /** 1 OP, 2 SEG, 3 REPRESENTED, 4 GATHER, 5 FORM, 6 EVS. */
  readonly state: number;
  /** Groups layer: 1 OP, 2 TRANS, 3 GATHER, 4 GATHER after TRANS. */
  readonly groupsState: number;
  readonly packetsSent: number;
  readonly packetsReceived: number;
  readonly packetsDelivered: number;
  readonly retransmissions: number;
  readonly unicastRetransmissions: number;
  readonly segmentRetransmissions: number;
  readonly broadcastRetransmissions: number;
  readonly aru: number;
  readonly myAru: number;
  readonly highestSeq: number;
  readonly tokenHurries: number;
  readonly tokenRounds: number;
  readonly myId: number;
  readonly leaderId: number;
  readonly messagesDelivered: number;
  /** From here on signed 16-bit numbers on the wire; greater ones are sent as 32767. */
  readonly membershipChanges: number;
  readonly daemons: number;
  readonly segments: number;
  readonly window: number;
  readonly personalWindow: number;
  readonly acceleratedRing: number;
  readonly acceleratedWindow: number;
  readonly sessions: number;
  readonly groups: number;
  readonly versionMajor: number;
  readonly versionMinor: number;
  readonly versionPatch: number;
};

const WORDS = [
  "uptimeSeconds",
  "state",
  "groupsState",
  "packetsSent",
  "packetsReceived",
  "packetsDelivered",
  "retransmissions",
  "unicastRetransmissions",
  "segmentRetransmissions",
  "broadcastRetransmissions",
  "aru",
  "myAru",
  "highestSeq",
  "tokenHurries",
  "tokenRounds",
  "myId",
  "leaderId",
  "messagesDelivered",
] as const satisfies readonly (keyof MonitorStatus)[];

const SHORTS = [
  "membershipChanges",
  "daemons",
  "segments",
  "window",
  "personalWindow",
  "acceleratedRing",
  "acceleratedWindow",
  "sessions",
  "groups",
  "versionMajor",
  "versionMinor",
  "versionPatch",
] as const satisfies readonly (keyof MonitorStatus)[];

/** Whether a datagram is of this protocol: a known type, and exactly the length that goes with it. */
export function isMonitorDatagram(bytes: Uint8Array): boolean {
  if (bytes.length < HEADER_BYTES) return false;
  const body = BODY_BYTES.get(typeOf(bytes));
  return bytes.length === HEADER_BYTES + (body ?? -1) || isReply(bytes);
}

/** Decodes a monitor's request; `undefined` if the datagram is none. Lists in it are copies. */
export function decodeMonitorRequest(bytes: Uint8Array): MonitorRequest | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const little = isLittleEndian(bytes, 0);
  const type = typeOf(bytes);
  const body = BODY_BYTES.get(type);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (body === undefined || bytes.length !== HEADER_BYTES + body || view.getUint16(32, little) !== body)
    return undefined;
  const replyPort = view.getUint32(20, little);
  if (replyPort > 0xffff) return undefined;
  const header: MonitorHeader = {
    transmitter: view.getUint32(4, little),
    target: view.getUint32(8, little),
    replyPort,
    configHash: view.getUint32(28, little),
  };
  switch (type) {
    case STATUS:
      return { kind: "status", ...header };
    case RELOAD:
      return { kind: "reload", ...header };
    case PARTITION:
      return { kind: "partition", ...header, components: shorts(view, 0, 1, little) };
    default:
      return {
        kind: "flowControl",
        ...header,
        personal: shorts(view, 0, 2, little),
        accelerated: shorts(view, 2, 2, little),
      };
  }
}

/** A request in little endian; the lists of the last two kinds have 128 places, missing ones mean 0. */
export function encodeMonitorRequest(request: MonitorRequest): Uint8Array {
  const type = { status: STATUS, partition: PARTITION, flowControl: FLOW_CONTROL, reload: RELOAD }[request.kind];
  const body = BODY_BYTES.get(type) ?? 0;
  const bytes = new Uint8Array(HEADER_BYTES + body);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, (type | ENDIAN_MASK) >>> 0, true);
  view.setUint32(4, request.transmitter, true);
  view.setUint32(8, request.target, true);
  view.setUint32(20, request.replyPort, true);
  view.setUint32(28, request.configHash, true);
  view.setUint16(32, body, true);
  for (let i = 0; i < DAEMONS_MAX; i++) {
    if (request.kind === "partition") view.setInt16(HEADER_BYTES + 2 * i, request.components[i] ?? 0, true);
    if (request.kind === "flowControl") {
      view.setInt16(HEADER_BYTES + 4 * i, request.personal[i] ?? 0, true);
      view.setInt16(HEADER_BYTES + 4 * i + 2, request.accelerated[i] ?? 0, true);
    }
  }
  return bytes;
}

/** The reply of daemon `target` to a STATUS request: 136 bytes, little endian. */
export function encodeMonitorStatus(target: number, status: MonitorStatus): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + STATUS_BODY_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, (STATUS | ENDIAN_MASK) >>> 0, true);
  view.setUint32(8, target, true);
  view.setUint16(32, STATUS_BODY_BYTES, true);
  let at = HEADER_BYTES;
  for (const name of WORDS) {
    view.setUint32(at, status[name], true);
    at += 4;
  }
  for (const name of SHORTS) {
    view.setInt16(at, Math.min(status[name], 0x7fff), true);
    at += 2;
  }
  return bytes;
}

/** Decodes a daemon's STATUS reply; `undefined` if the datagram is none. */
export function decodeMonitorStatus(bytes: Uint8Array): { target: number; status: MonitorStatus } | undefined {
  if (bytes.length < HEADER_BYTES || !isReply(bytes)) return undefined;
  const little = isLittleEndian(bytes, 0);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const status: Record<string, number> = {};
  let at = HEADER_BYTES;
  for (const name of WORDS) {
    status[name] = view.getUint32(at, little);
    at += 4;
  }
  for (const name of SHORTS) {
    status[name] = view.getInt16(at, little);
    at += 2;
  }
  return { target: view.getUint32(8, little), status: status as MonitorStatus };
}

function isReply(bytes: Uint8Array): boolean {
  return bytes.length === HEADER_BYTES + STATUS_BODY_BYTES && typeOf(bytes) === STATUS;
}

/** The type without the byte order's bits, and a value that is no type if only one of the two is set. */
function typeOf(bytes: Uint8Array): number {
  const little = isLittleEndian(bytes, 0);
  const word = readWord(bytes, 0, little);
  if (!little && (word & ENDIAN_MASK) !== 0) return 0;
  return (word & ~ENDIAN_MASK) >>> 0;
}

function shorts(view: DataView, first: number, stride: number, little: boolean): Int16Array {
  const values = new Int16Array(DAEMONS_MAX);
  for (let i = 0; i < DAEMONS_MAX; i++) values[i] = view.getInt16(HEADER_BYTES + first + 2 * stride * i, little);
  return values;
}
