import { Code, REAL_DAEMON_BODY_BYTES_MAX } from "../wire/spread/codes.ts";
import { frameBytes, HEADER_BYTES } from "../wire/spread/frame.ts";
import {
  decodeAccept,
  decodeMethodList,
  encodeChoice,
  encodeCredentials,
  encodeHello,
  fitsCredentials,
} from "../wire/spread/handshake.ts";
import { NAME_BYTES } from "../wire/spread/names.ts";
import { Gatherer } from "./gatherer.ts";
import type { Identity, Link, LinkHost } from "./link.ts";
import type { Outgoing } from "./outgoing.ts";
import { Splitter, type Units } from "./splitter.ts";

/** A view lists its members twice, 32 bytes each; no message of a Spread daemon is longer than a very large view. */
const FRAME_BYTES_MAX = 16 * 1024 * 1024;

/** One stream to a daemon in the Spread client protocol (spread-client-protocol sections 2 and 3). */
export class SpreadLink implements Link, Units {
  readonly protocol = "spread";
  readonly headBytes = HEADER_BYTES;
  readonly #host: LinkHost;
  readonly #identity: Identity;
  readonly #splitter: Splitter;
  readonly #gatherer: Gatherer;
  #state: "methods" | "verdict" | "password" | "messages" = "methods";
  #handshake = new Uint8Array(0);

  constructor(host: LinkHost, identity: Identity) {
    this.#host = host;
    this.#identity = identity;
    this.#splitter = new Splitter(this);
    this.#gatherer = new Gatherer((bytes) => host.write(bytes));
  }

  open(): void {
    const { credentials } = this.#identity;
    if (credentials && !fitsCredentials(credentials.user, credentials.password)) {
      const text =
        "Spread's protocol carries a user of 1 to 32 and a password of 1 to 8 ASCII characters: use the native one";
      return this.#host.refused(Code.rejectAuth, text);
    }
    // One write: the production daemon drops a hello that comes in pieces.
    this.#host.write(encodeHello(this.#identity.name, true, this.#identity.priority > 0 ? 1 : 0));
  }

  receive(chunk: Uint8Array): void {
    if (this.#state === "messages") {
      if (!this.#splitter.push(chunk)) this.#host.broken("a frame with impossible lengths");
      return;
    }
    const bytes = new Uint8Array(this.#handshake.length + chunk.length);
    bytes.set(this.#handshake);
    bytes.set(chunk, this.#handshake.length);
    this.#handshake = bytes;
    while (this.#handshake.length > 0 && this.#step());
  }

  lengthAt(bytes: Uint8Array, at: number): number | undefined {
    return frameBytes(bytes, at, FRAME_BYTES_MAX);
  }

  unit(bytes: Uint8Array, at: number, length: number): void {
    this.#host.frame(bytes, at, length, 0, 0, undefined);
  }

  send(outgoing: Outgoing, sender: string): boolean {
    return this.#gatherer.add(outgoing, sender, 0, nothing);
  }

  flush(): boolean {
    return this.#gatherer.flush();
  }

  acknowledge(): void {
    /* There is none: the daemon counts what the socket takes. */
  }

  report(): void {
    /* nodes are unknown there */
  }

  ping(): boolean {
    return false;
  }

  /** Reads the next part of the handshake; false when more bytes are needed or it is over. */
  #step(): boolean {
    if (this.#state === "methods") {
      const answer = decodeMethodList(this.#handshake);
      if (answer.kind !== "ok") return this.#otherwise(answer);
      const method = this.#identity.credentials
        ? "PWORD"
        : answer.value.find((name) => name === "NULL" || name === "IP");
      if (method === undefined || !answer.value.includes(method)) {
        this.#host.refused(
          -9,
          `the daemon offers ${answer.value.join(", ") || "no method"}, which this client is not set up for`,
        );
        return false;
      }
      this.#host.write(encodeChoice([method]));
      this.#handshake = this.#handshake.subarray(answer.bytes);
      this.#state = this.#identity.credentials ? "password" : "verdict";
      if (this.#identity.credentials) {
        this.#host.write(encodeCredentials(this.#identity.credentials.user, this.#identity.credentials.password));
      }
      return true;
    }
    if (this.#state === "password") {
      // 1: good, 0: bad; the verdict follows in either case. A reject code may stand in its place.
      if ((this.#handshake[0] as number) < 0x80) this.#handshake = this.#handshake.subarray(1);
      this.#state = "verdict";
      return true;
    }
    const answer = decodeAccept(this.#handshake);
    if (answer.kind !== "ok") return this.#otherwise(answer);
    const rest = this.#handshake.subarray(answer.bytes);
    this.#handshake = new Uint8Array(0);
    this.#state = "messages";
    this.#host.greeted({
      privateGroup: answer.value.privateGroup,
      resumption: "new",
      primary: undefined,
      ticket: undefined,
      lastOrdered: 0,
      answersKill: false,
      payloadBytesMax: REAL_DAEMON_BODY_BYTES_MAX - NAME_BYTES,
      windowBytes: 0,
      daemons: [],
    });
    this.receive(rest);
    return false;
  }

  #otherwise(answer: { kind: "more" } | { kind: "malformed" } | { kind: "rejected"; code: number }): false {
    if (answer.kind === "rejected") this.#host.refused(answer.code, "");
    else if (answer.kind === "malformed") this.#host.broken("this is no Spread daemon");
    return false;
  }
}

function nothing(): void {
  /* no envelope around a Spread frame */
}
