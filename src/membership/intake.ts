import type { DaemonId } from "../base/ids.ts";
import { type Alive, decodeAlive, decodeJoin, decodeRefer, type Join, type Refer } from "../wire/announce.ts";
import { decodeForm1, decodeForm2, type Form1, type Form2 } from "../wire/form.ts";
import { decodeFormHeld, type FormHeld } from "../wire/form-held.ts";
import { Kind, type Prefix, readPrefix } from "../wire/prefix.ts";
import { decodeRingControl, type RingControl } from "../wire/ring-control.ts";
import { isRingData } from "../wire/ring-data.ts";
import { decodeRingRest, type RingRest } from "../wire/ring-rest.ts";
import { decodeToken, type Token } from "../wire/ring-token.ts";
import type { EvsConfig } from "./config.ts";
import type { EvsEvent } from "./events.ts";

/** Counters of datagrams that were dropped, by reason. */
export type DropStatistics = {
  malformed: number;
  version: number;
  sealed: number;
  configMismatch: number;
  unknownSender: number;
  stale: number;
};

/** Who gets the packets of a datagram. What returns a boolean says whether the packet could be right. */
export interface IntakeOutbox {
  /** A packet that this daemon made, which another one has sent again. */
  own(prefix: Prefix, bytes: Uint8Array): void;
  /**
   * RING_DATA with the hash of the configuration installed last, while daemons go over to another hash: recovery still needs what
   * was sent before. False when it is of no use.
   */
  earlierData(prefix: Prefix, bytes: Uint8Array): boolean;
  /** RING_DATA or RING_UNRELIABLE, long enough to have its head. */
  data(prefix: Prefix, bytes: Uint8Array, now: number): boolean;
  token(from: DaemonId, token: Token, now: number): boolean;
  /** HURRY, HELD or LEAVE. */
  control(kind: number, from: DaemonId, control: RingControl, now: number): boolean;
  rest(from: DaemonId, rest: RingRest, now: number): boolean;
  /** HOP_HELLO, HOP_DATA or HOP_STATE. */
  hop(prefix: Prefix, bytes: Uint8Array, now: number): boolean;
  alive(from: DaemonId, alive: Alive, now: number): void;
  join(from: DaemonId, join: Join, now: number): void;
  refer(refer: Refer, now: number): void;
  form1(from: DaemonId, form: Form1, now: number): boolean;
  form2(from: DaemonId, form: Form2, now: number): boolean;
  formHeld(from: DaemonId, held: FormHeld): void;
  event(event: EvsEvent, now: number): void;
}

/**
 * The border where bytes of the network become packets: cuts datagrams into packets, drops and counts what is not for
 * this daemon or cannot be right, decodes the rest.
 */
export class DatagramIntake {
  readonly drops: DropStatistics = {
    malformed: 0,
    version: 0,
    sealed: 0,
    configMismatch: 0,
    unknownSender: 0,
    stale: 0,
  };
  /** What the packets of the configuration carry that was installed last. */
  installedHash: number;
  readonly #config: EvsConfig;
  readonly #outbox: IntakeOutbox;

  constructor(config: EvsConfig, outbox: IntakeOutbox) {
    this.#config = config;
    this.#outbox = outbox;
    this.installedHash = config.confHash;
  }

  /** Takes a datagram, which may hold several packets; `bytes` are kept. */
  receive(bytes: Uint8Array, now: number): void {
    for (let at = 0; at < bytes.length; ) {
      const prefix = readPrefix(bytes, at);
      if (typeof prefix === "string") {
        this.drops[prefix]++;
        if (prefix === "version") this.#meetVersion(bytes, at, now);
        return;
      }
      const one = at === 0 && prefix.length === bytes.length ? bytes : bytes.subarray(at, at + prefix.length);
      at += prefix.length;
      this.#receivePacket(prefix, one, now);
    }
  }

  #receivePacket(prefix: Prefix, bytes: Uint8Array, now: number): void {
    const { origin, confHash } = prefix;
    if (confHash !== this.#config.confHash) {
      const isEarlier = confHash === this.installedHash && prefix.kind === Kind.ringData && isRingData(prefix);
      if (isEarlier && this.#outbox.earlierData(prefix, bytes)) return;
      // What comes back to its own maker needs no complaint.
      if (origin === this.#config.me) return;
      this.drops.configMismatch++;
      this.#outbox.event({ kind: "configMismatch", daemon: origin, hash: confHash }, now);
    } else if (origin === this.#config.me) {
      this.#outbox.own(prefix, bytes);
    } else if (!this.#config.layout.has(origin)) {
      this.drops.unknownSender++;
    } else if (!this.#dispatch(prefix, bytes, now)) {
      this.drops.malformed++;
    }
  }

  /** False when the packet is malformed, or refused. */
  #dispatch(prefix: Prefix, bytes: Uint8Array, now: number): boolean {
    const { origin } = prefix;
    switch (prefix.kind) {
      case Kind.ringData:
      case Kind.ringUnreliable:
        return isRingData(prefix) && this.#outbox.data(prefix, bytes, now);
      case Kind.ringToken: {
        const token = decodeToken(prefix, bytes);
        return token !== undefined && this.#outbox.token(origin, token, now);
      }
      case Kind.ringHurry:
      case Kind.ringHeld:
      case Kind.leave: {
        const control = decodeRingControl(prefix, bytes);
        return control !== undefined && this.#outbox.control(prefix.kind, origin, control, now);
      }
      case Kind.ringRest: {
        const rest = decodeRingRest(prefix, bytes);
        return rest !== undefined && this.#outbox.rest(origin, rest, now);
      }
      case Kind.hopHello:
      case Kind.hopData:
      case Kind.hopState:
        return this.#outbox.hop(prefix, bytes, now);
      case Kind.alive: {
        const alive = decodeAlive(prefix, bytes);
        if (alive !== undefined) this.#outbox.alive(origin, alive, now);
        return alive !== undefined;
      }
      case Kind.join: {
        const join = decodeJoin(prefix, bytes);
        if (join !== undefined) this.#outbox.join(origin, join, now);
        return join !== undefined;
      }
      case Kind.refer: {
        const refer = decodeRefer(prefix, bytes);
        if (refer !== undefined) this.#outbox.refer(refer, now);
        return refer !== undefined;
      }
      case Kind.form1: {
        const form = decodeForm1(prefix, bytes);
        return form !== undefined && this.#outbox.form1(origin, form, now);
      }
      case Kind.form2: {
        const form = decodeForm2(prefix, bytes);
        return form !== undefined && this.#outbox.form2(origin, form, now);
      }
      case Kind.formHeld: {
        const held = decodeFormHeld(prefix, bytes);
        if (held !== undefined) this.#outbox.formHeld(origin, held);
        return held !== undefined;
      }
      default:
        return false;
    }
  }

  #meetVersion(bytes: Uint8Array, at: number, now: number): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at);
    this.#outbox.event({ kind: "version", daemon: view.getUint32(12), version: view.getUint8(2) }, now);
  }
}
